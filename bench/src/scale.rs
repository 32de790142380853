//! Scale: what locations cost, and where one operator ends.

mod drift;
mod lists;
mod measured;
mod options;
mod paper;

use anyhow::{Context, ensure};

use crate::chains::{IN_A_LOCATION, LOCATIONS};
use crate::figure::Figure;
use crate::quantile::Sample;
use crate::scale::measured::{Measured, count_of};
use crate::scale::paper::Ends;
use crate::slope::slope;

pub use options::Options;

/// Measures.
pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let mut locations = options.locations.clone();
    locations.sort_unstable();
    locations.dedup();
    let fewest = locations.first().copied().unwrap_or(1);
    let (chains, most) = (options.chains, fewest * IN_A_LOCATION);
    ensure!(
        chains <= most,
        "{fewest} of {} locations hold {most} chains: give less --chains, or more --locations",
        LOCATIONS.len()
    );
    ensure!(
        locations.last().is_some_and(|it| *it <= chains),
        "a location without a chain is not listed: give more --chains, or fewer --locations"
    );
    let mut measured = Vec::new();
    for locations in locations {
        measured.push(Measured::of(options, locations, &mut random).await?);
    }
    let mut figures = of_each(&measured);
    let ends = Ends {
        fewest: measured.first().context("nothing is measured")?,
        most: measured.last().context("nothing is measured")?,
    };
    figures.push(lists_of_an_edit(ends.most));
    figures.extend(paper::figures(chains, &ends)?);
    Ok(figures)
}

/// Lists are Google's scarcest calls, and an incident makes many edits.
fn lists_of_an_edit(most: &Measured) -> Figure {
    // What is left of the period's own lists, by which it was reckoned, is nothing.
    let calls = (most.lists_of_an_edit * 100.0).round() / 100.0;
    Figure::new("calls for lists that an edit of a rate takes", calls, "")
        .at_most(0.1)
        .against("a pause, or what changes workers, takes a list: two")
}

/// What is told of each number of locations.
struct Kind {
    name: &'static str,
    unit: &'static str,
    value: fn(&Measured) -> f64,
    against: fn(&Measured) -> Option<String>,
    goal: Goal,
}

/// What is wanted of how it grows with locations.
enum Goal {
    /// The most with the most locations over that with the fewest.
    Over(f64),
    /// The steepest.
    Slope(f64),
    /// The most that each may be.
    Each(fn(&Measured) -> f64),
}

const KINDS: [Kind; 9] = [
    Kind {
        name: "calls for lists",
        unit: "a minute",
        value: |it| it.lists.iter().sum(),
        against: |it| {
            let least = it.lists.iter().copied().fold(f64::INFINITY, f64::min);
            let most = it.lists.iter().copied().fold(0.0, f64::max);
            Some(format!("of each location: {least:.1} to {most:.1}"))
        },
        goal: Goal::Slope(1.0),
    },
    Kind {
        name: "locations listed in the same half second",
        unit: "",
        value: |it| count_of(it.at_once),
        against: |_| None,
        // It is a tenth of a period: a tenth of them, if they were spread by rule.
        goal: Goal::Each(|it| count_of(it.locations.div_ceil(5))),
    },
    Kind {
        name: "watches",
        unit: "",
        value: |it| it.watches,
        against: |_| None,
        goal: Goal::Over(1.0),
    },
    Kind {
        name: "memory",
        unit: "MiB",
        value: |it| it.quiet.resident_mib,
        against: |it| {
            let (empty, most) = (it.empty.resident_mib, it.most_mib);
            Some(format!("without chains: {empty:.1}; the most: {most:.1}"))
        },
        goal: Goal::Over(1.1),
    },
    Kind {
        name: "time on the processor",
        unit: "ms a minute",
        value: |it| it.quiet.cpu_ms,
        against: |_| None,
        goal: Goal::Slope(1.0),
    },
    Kind {
        name: "drift put right",
        unit: "s",
        value: |it| Sample::new(it.drifts.iter().copied()).percentile(50) / 1000.0,
        against: |it| {
            let longest = Sample::new(it.drifts.iter().copied()).percentile(100) / 1000.0;
            Some(format!("the longest: {longest:.2} s"))
        },
        goal: Goal::Over(1.5),
    },
    Kind {
        name: "edit in force, p50",
        unit: "ms",
        value: |it| Sample::new(it.edits.iter().map(|it| it.in_force)).percentile(50),
        against: |it| {
            let in_force = Sample::new(it.edits.iter().map(|it| it.in_force)).percentile(99);
            let watched = Sample::new(it.edits.iter().map(|it| it.watched)).percentile(50);
            Some(format!(
                "watch, p50: {watched:.1} ms; p99: {in_force:.1} ms"
            ))
        },
        goal: Goal::Over(1.1),
    },
    Kind {
        name: "all chains ready, from nothing",
        unit: "s",
        value: |it| it.made,
        against: |it| Some(format!("calls to Cloud Tasks: {}", it.made_calls)),
        goal: Goal::Over(1.5),
    },
    Kind {
        name: "all chains taken over by a new operator",
        unit: "s",
        value: |it| it.taken_over,
        against: |_| None,
        goal: Goal::Over(1.5),
    },
];

fn of_each(measured: &[Measured]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for kind in &KINDS {
        let Kind {
            name,
            unit,
            value,
            against,
            goal,
        } = kind;
        let mut points = Vec::new();
        for found in measured {
            let (locations, value) = (found.locations, value(found));
            points.push((count_of(locations), value));
            let places = if locations == 1 {
                "location"
            } else {
                "locations"
            };
            let mut figure = Figure::new(format!("{name}, {locations} {places}"), value, unit);
            figure.against = against(found);
            figures.push(match goal {
                Goal::Each(most) => figure.at_most(most(found)),
                Goal::Over(_) | Goal::Slope(_) => figure,
            });
        }
        figures.extend(grown(name, goal, &points));
    }
    figures
}

/// How it has grown with the locations, if there are two numbers of them.
fn grown(name: &str, goal: &Goal, points: &[(f64, f64)]) -> Option<Figure> {
    let (fewest, most) = (points.first()?, points.last()?);
    if points.len() < 2 {
        return None;
    }
    match goal {
        Goal::Over(limit) => {
            let name = format!("{name}, {} locations over {}", most.0, fewest.0);
            Some(Figure::new(name, most.1 / fewest.1, "").at_most(*limit))
        }
        Goal::Slope(limit) => {
            Some(Figure::new(format!("{name}, slope"), slope(points)?, "").at_most(*limit))
        }
        Goal::Each(_) => None,
    }
}
