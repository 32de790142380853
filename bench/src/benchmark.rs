//! The list of benchmarks: one more is one more variant, with a module of its own.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{ArgMatches, Command, FromArgMatches, Subcommand};
use tokio::time::timeout;

use crate::load::{self, Load};
use crate::machine::Machine;
use crate::record::{Measured, Record};
use crate::versions::versions;
use crate::{comparison, edits, forecast, goodput, hand_over, idle, scale, viewers, worker};

/// Longer than any takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(40);

#[derive(Debug, Clone, Subcommand)]
pub enum Benchmark {
    /// How much of the healthy work is done while other tasks fail
    Goodput(goodput::Options),
    /// What an edit is forecast to do, and what it does
    Forecast(forecast::Options),
    /// How long an edit takes until it is in force
    Edits(edits::Options),
    /// What chains cost that nobody touches
    Idle(idle::Options),
    /// The operator beside one in Go, from 1 to 1,000 chains
    Operator(comparison::Options),
    /// What a push costs on its way through a worker
    Worker(worker::Options),
    /// What a hand-over adds to a push
    HandOver(hand_over::Options),
    /// What locations cost, and where one operator ends
    Scale(scale::Options),
    /// What it costs to look at chains
    Viewers(viewers::Options),
}

/// The names, as on the command line and of the records, in the order of the page.
pub const NAMES: [&str; 9] = [
    "goodput",
    "forecast",
    "edits",
    "idle",
    "operator",
    "worker",
    "hand-over",
    "scale",
    "viewers",
];

#[derive(Debug)]
pub struct Job {
    benchmark: Benchmark,
    name: String,
    arguments: String,
}

impl Job {
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let job = |name| {
            let matches = command().try_get_matches_from(["bench", name])?;
            Self::new(Benchmark::from_arg_matches(&matches)?, &matches)
        };
        NAMES.into_iter().map(job).collect()
    }

    pub fn new(benchmark: Benchmark, matches: &ArgMatches) -> anyhow::Result<Self> {
        let (name, own) = matches.subcommand().context("no benchmark is named")?;
        let command = command();
        let options = command.find_subcommand(name).context("no such benchmark")?;
        let said = options.get_arguments().filter_map(|it| {
            let values = own.get_raw(it.get_id().as_str())?;
            let values: Vec<_> = values.map(|it| it.to_string_lossy()).collect();
            Some(format!("--{} {}", it.get_long()?, values.join(",")))
        });
        Ok(Self {
            benchmark,
            name: name.to_owned(),
            arguments: said.collect::<Vec<_>>().join(" "),
        })
    }

    pub async fn run(&self, seed: u64) -> anyhow::Result<Record> {
        let name = &self.name;
        println!("{name}, seed {seed}");
        let begin = Instant::now();
        let before = load::now();
        let measuring = self.benchmark.measure(fastrand::Rng::with_seed(seed));
        let Measured { figures, plots } = timeout(LIMIT, measuring)
            .await
            .with_context(|| format!("{name} took longer than {LIMIT:?}"))??;
        Ok(Record {
            name: name.clone(),
            arguments: self.arguments.clone(),
            machine: Machine::this(),
            load: Load {
                before,
                after: load::now(),
            },
            versions: versions()?,
            seed,
            seconds: begin.elapsed().as_secs(),
            figures,
            plots,
        })
    }
}

impl Benchmark {
    async fn measure(&self, random: fastrand::Rng) -> anyhow::Result<Measured> {
        let figures = match self {
            Self::Goodput(options) => return goodput::run(options, random).await,
            Self::Forecast(options) => forecast::run(options, random).await,
            Self::Edits(options) => edits::run(options, random).await,
            Self::Idle(options) => idle::run(options).await,
            Self::Operator(options) => comparison::run(options, random).await,
            Self::Worker(options) => worker::run(options).await,
            Self::HandOver(options) => hand_over::run(options).await,
            Self::Scale(options) => scale::run(options, random).await,
            Self::Viewers(options) => viewers::run(options).await,
        }?;
        Ok(Measured {
            figures,
            plots: Vec::new(),
        })
    }
}

fn command() -> Command {
    Benchmark::augment_subcommands(Command::new("bench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_all_benchmarks_are_said_as_they_are_given() {
        let jobs = Job::all().unwrap();
        assert_eq!(jobs[0].arguments, "--size 1 --seconds 45");
        assert_eq!(jobs[3].arguments, "--sizes 1,20,200 --quiet 30");
        let names: Vec<_> = command()
            .get_subcommands()
            .map(|it| it.get_name().to_owned())
            .collect();
        assert_eq!(names, NAMES);
    }
}
