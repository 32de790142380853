//! `make redrive`: tasks that fail for good are parked, and half of them are redriven, while workers, the mover,
//! and the operator are killed.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod killer;
mod operator;
mod tale;
mod testbed;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use testkit::{ApiServer, eventually};

use crate::killer::Killer;
use crate::tale::Tale;
use crate::testbed::Testbed;

/// How long the tasks may take to fail, and the redriven ones to succeed.
const LONG: Duration = Duration::from_mins(20);

/// Parks tasks, and redrives half of them.
#[derive(Debug, Parser)]
pub struct Options {
    /// How many tasks fail for good. Half of them are redriven.
    #[arg(long, default_value_t = 10_000)]
    tasks: usize,
    /// How many are moved a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Chooses who is killed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let server = ApiServer::shared_with_crd().await;
    let mut bed = Testbed::new(server).await?;
    bed.apply().await?;

    let begin = Instant::now();
    let mut killer = Killer::new(options.seed);
    bed.produce(options.tasks).await?;
    while bed.tale.told_failed() < options.tasks {
        ensure!(begin.elapsed() < LONG, "{}", bed.tale.counts());
        killer.kills(&mut bed).await?;
    }
    bed.operator.again().await?;
    let before = bed.parked().await?;
    println!(
        "{} tasks failed in {:.0} s, with {}",
        options.tasks,
        begin.elapsed().as_secs_f64(),
        killer.said()
    );
    let parked = before.len();
    let runs = bed.tale.runs();
    println!("parked {parked}, Failed {}, {runs}", bed.tale.told_failed());
    ensure!(parked == options.tasks, "each is parked once");
    ensure!(bed.tale.told_succeeded() == 0, "none succeeded");
    ensure!(runs.fewest >= testbed::BUDGET, "each run is made");

    bed.tale.fix();
    let begin = Instant::now();
    let mut killer = Killer::new(options.seed + 1);
    bed.redrive(options.rate).await?;
    let half = options.tasks / 2;
    loop {
        ensure!(
            begin.elapsed() < LONG,
            "{}: {}",
            bed.state().await?,
            bed.tale.counts()
        );
        let (is_finished, said) = bed.is_finished().await?;
        if is_finished && bed.tale.told_succeeded() >= half {
            println!("the redrive: {said}");
            break;
        }
        killer.kills(&mut bed).await?;
    }
    println!(
        "{half} tasks were redriven in {:.0} s, with {}",
        begin.elapsed().as_secs_f64(),
        killer.said()
    );
    bed.operator.again().await?;
    eventually("queues without tasks", Duration::from_mins(2), async || {
        let waiting = bed.waiting().await;
        (
            waiting.as_ref().is_ok_and(Vec::is_empty),
            waiting.map_err(|it| it.to_string()),
        )
    })
    .await;
    verify(&bed, &options, &before).await
}

/// Each of the redriven half has lived once more, and the other half is as it was.
async fn verify(
    bed: &Testbed,
    options: &Options,
    before: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let half = options.tasks / 2;
    let after = bed.parked().await?;
    let stayed: BTreeMap<_, _> = before
        .iter()
        .filter(|(task, _)| !Tale::is_redriven(task))
        .map(|(task, parked)| (task.clone(), parked.clone()))
        .collect();
    let lives = bed.tale.second_lives();
    let rate = bed.tale.rate();
    println!(
        "rate {rate:.1} a second where the mover ran (asked for: {}), {:.1} in all",
        options.rate,
        bed.tale.mean_rate()
    );
    println!(
        "still parked {}, told Succeeded in a second life {}, lost {}, twice {}; runs in second lives {}",
        after.len(),
        lives.told,
        half - lives.told.min(half),
        lives.twice,
        lives.runs
    );
    ensure!(after == stayed, "the other half is parked as it was");
    ensure!(lives.told == half && lives.twice == 0, "one life more each");
    let is_close = (rate / f64::from(options.rate) - 1.0).abs() <= 0.05;
    ensure!(is_close, "the rate is that of the redrive within 5 %");
    Ok(())
}
