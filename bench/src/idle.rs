//! Idle: what chains cost that nobody touches.

pub mod cost;

use std::time::Duration;

use testkit::CallProxy;
use tokio::time::sleep;

use crate::chains;
use crate::deployment_controller;
use crate::figure::{Figure, count};
use crate::idle::cost::{Baseline, IdleCost, Snapshot};
use crate::metric::{Metric, Size};
use crate::testbed::Testbed;

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
    let place = Testbed::new().await?;
    let counted = CallProxy::start(place.emulator).await;
    // What the API server begins with has ended.
    sleep(Duration::from_secs(5)).await;
    let baseline = Baseline::for_seconds(&place, options.quiet.div_ceil(2)).await?;
    println!("  without an operator: {baseline:?} a minute");
    let operator = place.operator(counted.addr())?;
    chains::wait_for_leader(&operator).await?;
    let mut quiet = Vec::new();
    let mut there = 0;
    for count in sizes {
        let controller = deployment_controller::start(place.deployments());
        chains::create_and_wait(&place, &operator, there, count).await?;
        there = count;
        chains::wait_until_idle(&operator).await?;
        drop(controller);
        let before = Snapshot::take(&place, &operator, &counted).await?;
        sleep(Duration::from_secs(options.quiet)).await;
        let after = Snapshot::take(&place, &operator, &counted).await?;
        let found = IdleCost::between(&before, &after, baseline);
        println!("  {count} chains: {found}");
        quiet.push((count, found));
    }
    Ok(figures(&quiet))
}

type Of = Metric<IdleCost>;

#[rustfmt::skip]
const METRICS: [Of; 5] = [
    Of::new("calls to Cloud Tasks", "a minute", |it| it.calls)
        .note(|it| Some(format!("the operator's count: {:.1}", it.own_calls)))
        .slope_at_most(0.05),
    Of::new("requests to the API server", "a minute", |it| it.requests).note(|it| {
        let (renewals, rounds) = (it.renewals, it.rounds);
        Some(format!("renewals of its Lease: {renewals:.1}; reconciles: {rounds:.1}"))
    }),
    Of::new("other writes", "", |it| it.writes)
        .note(|it| Some(format!("the operator's count: {}", it.own_writes)))
        .at_most(|_| 0.0),
    Of::new("CPU time", "ms a minute", |it| it.cpu_ms),
    Of::new("memory", "MiB", |it| it.resident_mib),
];

fn figures(quiet: &[(usize, IdleCost)]) -> Vec<Figure> {
    let sizes = quiet.iter().map(|(chains, found)| Size {
        name: chains::counted(*chains),
        number: count(*chains),
        found: std::slice::from_ref(found),
    });
    let sizes: Vec<_> = sizes.collect();
    let figures = METRICS.iter().flat_map(|metric| metric.figures(&sizes));
    figures.collect()
}
