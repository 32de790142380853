//! Scale: what locations cost, and where one operator reaches its limit.

mod drift;
mod lists;
mod measurement;
mod options;
mod projection;

use std::time::Duration;

use anyhow::{Context, ensure};

use crate::chains::{IN_A_LOCATION, LOCATIONS};
use crate::figure::{Figure, count};
use crate::metric::{Metric, Size, Trend};
use crate::quantile::Sample;
use crate::scale::measurement::Measured;
use crate::scale::projection::Extremes;

pub use options::Options;

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
    let extremes = Extremes {
        fewest: measured.first().context("nothing is measured")?,
        most: measured.last().context("nothing is measured")?,
    };
    figures.push(lists_of_an_edit(extremes.most));
    figures.extend(projection::figures(chains, &extremes)?);
    Ok(figures)
}

/// Lists are Google's scarcest calls, and an incident makes many edits.
fn lists_of_an_edit(most: &Measured) -> Figure {
    // What is left of the period's own lists, by which it was reckoned, is nothing.
    let calls = (most.lists_of_an_edit * 100.0).round() / 100.0;
    Figure::new("list calls for an edit of a rate", calls, "")
        .at_most(0.1)
        .against("a pause or a change of workers takes one list: two calls")
}

type Of = Metric<Measured>;

#[rustfmt::skip]
const METRICS: [Of; 9] = [
    Of::new("list calls", "a minute", |it| it.lists.iter().sum())
        .note(|it| {
            let least = it.lists.iter().copied().fold(f64::INFINITY, f64::min);
            let most = it.lists.iter().copied().fold(0.0, f64::max);
            Some(format!("of each location: {least:.1} to {most:.1}"))
        })
        .slope_at_most(1.0),
    // It is a tenth of a period: a tenth of them, if they were spread by rule.
    Of::new("locations listed in the same half second", "", |it| count(it.at_once))
        .at_most(|it| count(it.locations.div_ceil(5)))
        .trend(Trend::Nothing),
    Of::new("watches", "", |it| it.watches).trend(Trend::Growth(1.0)),
    Of::new("memory", "MiB", |it| it.quiet.resident_mib)
        .note(|it| {
            let (empty, most) = (it.empty.resident_mib, it.most_mib);
            Some(format!("without chains: {empty:.1}; peak: {most:.1}"))
        })
        .trend(Trend::Growth(1.1)),
    Of::new("CPU time", "ms a minute", |it| it.quiet.cpu_ms).slope_at_most(1.0),
    Of::new("drift corrected", "s", |it| seconds(&it.drifts, 50))
        .note(|it| Some(format!("the longest: {:.2} s", seconds(&it.drifts, 100))))
        .trend(Trend::Growth(1.5)),
    Of::new("edit in effect, p50", "ms", |it| in_force(it, 50))
        .note(|it| {
            let watched = Sample::new(it.edits.iter().map(|it| it.watched)).percentile(50);
            Some(format!("watch, p50: {watched:.1} ms; p99: {:.1} ms", in_force(it, 99)))
        })
        .trend(Trend::Growth(1.1)),
    Of::new("all chains ready, cold start", "s", |it| it.made)
        .note(|it| Some(format!("calls to Cloud Tasks: {}", it.made_calls)))
        .trend(Trend::Growth(1.5)),
    Of::new("all chains taken over by a new operator", "s", |it| it.taken_over)
        .trend(Trend::Growth(1.5)),
];

fn seconds(durations: &[Duration], percent: usize) -> f64 {
    Sample::new(durations.iter().copied()).percentile(percent) / 1000.0
}

fn in_force(measured: &Measured, percent: usize) -> f64 {
    Sample::new(measured.edits.iter().map(|it| it.in_force)).percentile(percent)
}

fn of_each(measured: &[Measured]) -> Vec<Figure> {
    let sizes = measured.iter().map(|found| Size {
        name: match found.locations {
            1 => "1 location".to_owned(),
            locations => format!("{locations} locations"),
        },
        number: count(found.locations),
        found: std::slice::from_ref(found),
    });
    let sizes: Vec<_> = sizes.collect();
    let figures = METRICS.iter().flat_map(|metric| metric.figures(&sizes));
    figures.collect()
}
