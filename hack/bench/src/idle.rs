//! Idle: what chains cost that nobody touches.

mod span;

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;

use crate::chains;
use crate::count::Counted;
use crate::counters::Counters;
use crate::figure::Figure;
use crate::idle::span::{Quiet, Snapshot};
use crate::place::Place;
use crate::pods;
use crate::slope::slope;

/// For the page.
pub const ABOUT: &str = "\
What chains cost that nobody touches: 1, 20 and 200 of them, of four stages each, one after the other in the same place. When all are ready and the
operator has made no round for 11 s, everybody leaves it alone for two minutes.

Calls to Cloud Tasks are counted by a proxy before the emulator; beside them stands the operator's own count. Requests to the API server are
what that counts itself, less what it counted in a minute before there was an operator; writes are all but those of the operator's Lease, which it
renews. A watch is counted when it ends. Time on the processor and memory are the operator's, from `/proc`. A slope is the exponent
with which a figure grows with the number of chains: 0 for one that stays, 1 for one that grows as they do.
";

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains: a list with commas
    #[arg(long, value_parser = chains::number, value_delimiter = ',', default_values_t = Options::default().sizes)]
    sizes: Vec<usize>,
    /// For how long nobody touches them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600), default_value_t = Options::default().quiet)]
    quiet: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sizes: vec![1, 20, 200],
            quiet: 120,
        }
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sizes, quiet } = self;
        let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
        write!(f, "--sizes {} --quiet {quiet}", sizes.join(","))
    }
}

pub async fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    let mut sizes = options.sizes.clone();
    // Chains come and don't go.
    sizes.sort_unstable();
    sizes.dedup();
    let place = Place::new().await?;
    let counted = Counted::way_to(place.emulator).await?;
    // What the API server begins with has ended.
    sleep(Duration::from_secs(5)).await;
    let alone = alone(&place, options.quiet.div_ceil(2)).await?;
    let operator = place.operator(counted.addr)?;
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

/// Requests a minute that the API server counts without an operator.
async fn alone(place: &Place, seconds: u64) -> anyhow::Result<f64> {
    let before = place.counters().await?;
    sleep(Duration::from_secs(seconds)).await;
    let after = place.counters().await?;
    let requests = requests(&after) - requests(&before);
    let minutes = Duration::from_secs(seconds).as_secs_f64() / 60.0;
    println!(
        "  without an operator: {:.1} requests a minute",
        requests / minutes
    );
    Ok(requests / minutes)
}

fn requests(counters: &Counters) -> f64 {
    counters.sum("apiserver_request_total", |_| true)
}

/// Name, unit, and value of a figure, and whether it should not grow with the chains.
type Row = (&'static str, &'static str, fn(&Quiet) -> f64, bool);

fn figures(quiet: &[(usize, Quiet)]) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let all = |what: fn(&Quiet) -> f64| -> anyhow::Result<Vec<(f64, f64)>> {
        let points = quiet.iter().map(|(count, it)| {
            let count = u32::try_from(*count).context("few chains")?;
            Ok((f64::from(count), what(it)))
        });
        points.collect()
    };
    let rows: [Row; 4] = [
        ("calls to Cloud Tasks", "a minute", |it| it.calls, true),
        (
            "requests to the API server",
            "a minute",
            |it| it.requests,
            false,
        ),
        (
            "time on the processor",
            "ms a minute",
            |it| it.cpu_ms,
            false,
        ),
        ("memory", "MiB", |it| it.resident_mib, false),
    ];
    for (name, unit, what, stays) in rows {
        for (count, found) in quiet {
            let figure = Figure::new(format!("{name}, {}", chains_of(*count)), what(found), unit);
            figures.push(if stays {
                let own = Figure::new("", found.own_calls, unit).quantity();
                figure.against(format!("its own count: {own}"))
            } else {
                figure
            });
        }
        if let Some(slope) = slope(&all(what)?) {
            let figure = Figure::new(format!("{name}, slope"), slope, "");
            figures.push(if stays { figure.at_most(0.05) } else { figure });
        }
    }
    for (count, found) in quiet {
        let renewals = Figure::new("", found.renewals, "a minute").quantity();
        let own = found.own_writes;
        figures.push(
            Figure::new(format!("writes, {}", chains_of(*count)), found.writes, "")
                .at_most(0.0)
                .against(format!(
                    "its own count: {own}; writes of Leases: {renewals}"
                )),
        );
    }
    Ok(figures)
}

fn chains_of(count: usize) -> String {
    if count == 1 {
        "1 chain".to_owned()
    } else {
        format!("{count} chains")
    }
}
