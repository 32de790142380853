//! Idle: what chains cost that nobody touches.

pub mod span;

use std::time::Duration;

use testkit::CallProxy;
use tokio::time::sleep;

use crate::chains;
use crate::figure::Figure;
use crate::idle::span::{Alone, Quiet, Snapshot};
use crate::place::Place;
use crate::pods;
use crate::slope::slope;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains: a list with commas
    #[arg(long, value_parser = chains::number, value_delimiter = ',', default_value = "1,20,200")]
    sizes: Vec<usize>,
    /// For how long nobody touches them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600), default_value_t = 30)]
    quiet: u64,
}

pub async fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    let mut sizes = options.sizes.clone();
    // Chains come and don't go.
    sizes.sort_unstable();
    sizes.dedup();
    let place = Place::new().await?;
    let counted = CallProxy::start(place.emulator).await;
    // What the API server begins with has ended.
    sleep(Duration::from_secs(5)).await;
    let alone = Alone::for_seconds(&place, options.quiet.div_ceil(2)).await?;
    println!("  without an operator: {alone:?} a minute");
    let operator = place.operator(counted.addr())?;
    chains::served(&operator).await?;
    let mut quiet = Vec::new();
    let mut there = 0;
    for count in sizes {
        let controller = pods::are_ready(place.deployments());
        chains::make(&place, &operator, there, count).await?;
        there = count;
        chains::quiet(&operator).await?;
        drop(controller);
        let before = Snapshot::take(&place, &operator, &counted).await?;
        sleep(Duration::from_secs(options.quiet)).await;
        let after = Snapshot::take(&place, &operator, &counted).await?;
        let found = Quiet::between(&before, &after, alone);
        println!("  {count} chains: {found}");
        quiet.push((count, found));
    }
    figures(&quiet)
}

/// What is told of each size.
struct Kind {
    name: &'static str,
    unit: &'static str,
    value: fn(&Quiet) -> f64,
    against: fn(&Quiet) -> Option<String>,
    /// The most that each may be.
    most: Option<f64>,
    /// The most that its slope may be.
    steepest: Option<f64>,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "calls to Cloud Tasks",
        unit: "a minute",
        value: |it| it.calls,
        against: |it| Some(format!("its own count: {:.1}", it.own_calls)),
        most: None,
        steepest: Some(0.05),
    },
    Kind {
        name: "requests to the API server",
        unit: "a minute",
        value: |it| it.requests,
        against: |it| {
            let Quiet {
                renewals, rounds, ..
            } = it;
            Some(format!(
                "writes of its Lease: {renewals:.1}; rounds: {rounds:.1}"
            ))
        },
        most: None,
        steepest: None,
    },
    Kind {
        name: "other writes",
        unit: "",
        value: |it| it.writes,
        against: |it| Some(format!("its own count: {}", it.own_writes)),
        most: Some(0.0),
        steepest: None,
    },
    Kind {
        name: "time on the processor",
        unit: "ms a minute",
        value: |it| it.cpu_ms,
        against: |_| None,
        most: None,
        steepest: None,
    },
    Kind {
        name: "memory",
        unit: "MiB",
        value: |it| it.resident_mib,
        against: |_| None,
        most: None,
        steepest: None,
    },
];

fn figures(quiet: &[(usize, Quiet)]) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for kind in &KINDS {
        let name = kind.name;
        let mut points = Vec::new();
        for (count, found) in quiet {
            let value = (kind.value)(found);
            points.push((f64::from(u32::try_from(*count)?), value));
            let mut figure = Figure::new(
                format!("{name}, {}", chains::counted(*count)),
                value,
                kind.unit,
            );
            figure.against = (kind.against)(found);
            figures.push(limited(figure, kind.most));
        }
        if let Some(slope) = slope(&points) {
            let figure = Figure::new(format!("{name}, slope"), slope, "");
            figures.push(limited(figure, kind.steepest));
        }
    }
    Ok(figures)
}

fn limited(figure: Figure, most: Option<f64>) -> Figure {
    match most {
        Some(most) => figure.at_most(most),
        None => figure,
    }
}
