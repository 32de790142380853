//! The list of benchmarks: one more is one more variant, with a module of its own.

use clap::Subcommand;

use crate::record::Measured;
use crate::{contest, edits, goodput, hand_over, idle, scale, worker};

/// A benchmark and what it is told.
#[derive(Debug, Clone, Subcommand)]
pub enum Benchmark {
    /// How much of the healthy work is done while other tasks fail
    Goodput(goodput::Options),
    /// How long an edit takes until it is in force
    Edits(edits::Options),
    /// What chains cost that nobody touches
    Idle(idle::Options),
    /// The operator beside one in Go, from 1 to 1,000 chains
    Operator(contest::Options),
    /// What a push costs on its way through a worker
    Worker(worker::Options),
    /// What a hand-over adds to a push
    HandOver(hand_over::Options),
    /// What locations cost, and where one operator ends
    Scale(scale::Options),
}

impl Benchmark {
    /// All of them, as `make bench` runs them.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Goodput(goodput::Options::default()),
            Self::Edits(edits::Options::default()),
            Self::Idle(idle::Options::default()),
            Self::Operator(contest::Options::default()),
            Self::Worker(worker::Options::default()),
            Self::HandOver(hand_over::Options::default()),
            Self::Scale(scale::Options::default()),
        ]
    }

    /// Its name on the command line, and of its file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Goodput(_) => "goodput",
            Self::Edits(_) => "edits",
            Self::Idle(_) => "idle",
            Self::Operator(_) => "operator",
            Self::Worker(_) => "worker",
            Self::HandOver(_) => "hand-over",
            Self::Scale(_) => "scale",
        }
    }

    /// What it does and measures, for the page: links are seen from there.
    pub fn about(&self) -> &'static str {
        match self {
            Self::Goodput(_) => include_str!("../about/goodput.md"),
            Self::Edits(_) => include_str!("../about/edits.md"),
            Self::Idle(_) => include_str!("../about/idle.md"),
            Self::Operator(_) => include_str!("../about/operator.md"),
            Self::Worker(_) => include_str!("../about/worker.md"),
            Self::HandOver(_) => include_str!("../about/hand-over.md"),
            Self::Scale(_) => include_str!("../about/scale.md"),
        }
    }

    /// How to say its options again.
    pub fn arguments(&self) -> String {
        match self {
            Self::Goodput(options) => options.to_string(),
            Self::Edits(options) => options.to_string(),
            Self::Idle(options) => options.to_string(),
            Self::Operator(options) => options.to_string(),
            Self::Worker(options) => options.to_string(),
            Self::HandOver(options) => options.to_string(),
            Self::Scale(options) => options.to_string(),
        }
    }

    /// Measures.
    pub async fn run(&self, random: fastrand::Rng) -> anyhow::Result<Measured> {
        let figures = match self {
            Self::Goodput(options) => return goodput::run(options, random).await,
            Self::Edits(options) => edits::run(options, random).await,
            Self::Idle(options) => idle::run(options).await,
            Self::Operator(options) => contest::run(options, random).await,
            Self::Worker(options) => worker::run(options).await,
            Self::HandOver(options) => hand_over::run(options).await,
            Self::Scale(options) => scale::run(options, random).await,
        }?;
        Ok(Measured {
            figures,
            plots: Vec::new(),
        })
    }
}
