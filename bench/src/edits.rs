//! Edits: how long one takes from the API server's answer until its queue is as it says.

pub mod chain_rates;
pub mod editor;

use std::time::Duration;

use anyhow::ensure;
use clap::builder::RangedU64ValueParser;
use tokio::time::sleep;

use crate::chains;
use crate::deployment_controller;
use crate::edits::chain_rates::ChainRates;
use crate::edits::editor::{EditLatency, Editor};
use crate::figure::{Figure, count, labeled};
use crate::quantile::Sample;
use crate::testbed::Testbed;
use crate::watch_times::WatchTimes;

/// From one incident to the next: the operator's calls to Cloud Tasks are limited, and rest makes up
/// for haste.
const REST: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains
    #[arg(long, value_parser = chains::number, default_value_t = 200)]
    chains: usize,
    /// How many edits one after another
    #[arg(long, value_parser = number(), default_value_t = 200)]
    edits: usize,
    /// How many chains an incident script edits
    #[arg(long, value_parser = number(), default_value_t = 20)]
    at_once: usize,
    /// How often the script runs
    #[arg(long, value_parser = number(), default_value_t = 10)]
    incidents: usize,
}

/// A number of edits and the like on a command line.
pub fn number() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1000)
}

pub async fn run(options: &Options, mut random: fastrand::Rng) -> anyhow::Result<Vec<Figure>> {
    let at_once = options.at_once;
    ensure!(
        at_once <= options.chains,
        "{at_once} chains can't be edited at once where there are {}: give more --chains, or less \
         --at-once",
        options.chains
    );
    let place = Testbed::new().await?;
    let operator = place.operator(place.emulator)?;
    chains::wait_for_leader(&operator).await?;
    let controller = deployment_controller::start(place.deployments());
    chains::create_and_wait(&place, &operator, 0, options.chains).await?;
    chains::wait_until_idle(&operator).await?;
    // From here on nobody but the operator could write to a Deployment.
    drop(controller);
    let before = place.written().await?;

    let editor = Editor {
        chains: place.chains(),
        queues: place.cloud_tasks().await?,
        watch_times: WatchTimes::watch(place.chains()),
    };
    let mut rates = ChainRates::new(options.chains);
    let mut single = Vec::new();
    for number in 1..=options.edits {
        let edit = rates.draw(&mut random);
        single.extend(editor.make(vec![edit]).await?);
        sleep(Duration::from_millis(random.u64(100..=300))).await;
        if number % 50 == 0 {
            println!("  {number} of {} edits are made", options.edits);
        }
    }
    let mut incidents = Vec::new();
    for number in 1..=options.incidents {
        sleep(REST).await;
        let edits = rates.draw_many(at_once, &mut random);
        incidents.push(editor.make(edits).await?);
        println!("  incident {number} of {}", options.incidents);
    }
    chains::wait_until_idle(&operator).await?;
    let after = place.written().await?;
    ensure!(
        before.len() == after.len(),
        "Deployments have come or gone while nothing but rates was edited"
    );
    Ok(figures(&single, &incidents, (&before, &after)))
}

/// Its name, resource version and generation.
type Deployment = (String, Option<String>, Option<i64>);
type Written = Vec<Deployment>;

fn figures(
    single: &[EditLatency],
    incidents: &[Vec<EditLatency>],
    (before, after): (&Written, &Written),
) -> Vec<Figure> {
    let in_force = Sample::new(single.iter().map(|it| it.in_force));
    let watched = Sample::new(single.iter().map(|it| it.watched));
    let mut figures = Vec::new();
    for (percent, name) in [(50, "p50"), (99, "p99")] {
        let (edit, watch) = (in_force.percentile(percent), watched.percentile(percent));
        let figure = Figure::new(format!("edit in effect, {name}"), edit, "ms").against(labeled(
            &format!("watch, {name}"),
            watch,
            "ms",
        ));
        let more = Figure::new(format!("edit minus watch, {name}"), edit - watch, "ms");
        if percent == 99 {
            figures.extend([figure.at_most(1000.0), more.at_most(50.0)]);
        } else {
            figures.extend([figure, more]);
        }
    }
    let each = || incidents.iter().flatten();
    let edit = Sample::new(each().map(|it| it.in_force)).percentile(99);
    let watch = Sample::new(each().map(|it| it.watched)).percentile(99);
    let many = incidents.first().map_or(0, Vec::len);
    figures.push(
        Figure::new(format!("{many} edits at once, p99"), edit, "ms")
            .at_most(1000.0)
            .against(labeled("watch, p99", watch, "ms")),
    );
    let last = incidents
        .iter()
        .filter_map(|all| all.iter().map(|it| it.in_force).max());
    let last = Sample::new(last);
    let longest = labeled("the longest", last.percentile(100), "ms");
    let one = labeled("one edit, p99", in_force.percentile(99), "ms");
    let name = format!("until all {many} are in effect, p50");
    let figure = Figure::new(name, last.percentile(50), "ms");
    figures.push(figure.against(format!("{longest}; {one}")));
    let edits = format!("{} edits", single.len() + each().count());
    let written = |is: fn(&Deployment, &Deployment) -> bool| {
        count(before.iter().zip(after).filter(|(a, b)| is(a, b)).count())
    };
    for (name, count) in [
        ("Deployments written", written(|a, b| a != b)),
        ("Deployments whose pods restart", written(|a, b| a.2 != b.2)),
    ] {
        figures.push(
            Figure::new(name, count, "")
                .at_most(0.0)
                .against(edits.clone()),
        );
    }
    figures
}
