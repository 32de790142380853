//! The command line of the commands that change something, or plan it.

use std::path::PathBuf;

use clap::Subcommand;
use crds::Duration;

use crate::inspect::args::{Place, name};

/// Commands that make overrides of chains, end them, and plan edits.
#[derive(Debug, Subcommand)]
pub enum ActCommand {
    /// Lower or raise a stage's limits for a limited time.
    Throttle(ThrottleOptions),
    /// Pause a stage for a limited time: its tasks are kept and not dispatched.
    Pause(PauseOptions),
    /// End the overrides that pause a stage. With --for and --reason, run it for a limited time, no matter who has
    /// paused it.
    Resume(ResumeOptions),
    /// Set the number of a stage's pods for a limited time.
    Scale(ScaleOptions),
    /// End an override before its time. With --to, give a chain an earlier spec again.
    Undo(UndoOptions),
    /// Show what has happened to a chain: generations of its spec, overrides, and Events of the last hour.
    History(HistoryOptions),
    /// List overrides: those in force, and those that have ended in the last 14 days.
    Overrides(OverridesOptions),
    /// Print what applying a manifest would do: the steps in order, what they wait for, and which pods
    /// restart.
    Plan(PlanOptions),
}

/// Which stage, for how long, and why.
#[derive(Debug, Clone, clap::Args)]
pub struct Change {
    /// Chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: String,
    /// Stage, or * for all stages. Several with commas: fast,slow.
    #[arg(value_name = "STAGE", value_delimiter = ',', required = true)]
    pub stages: Vec<String>,
    /// How it is made.
    #[command(flatten)]
    pub making: Making,
}

/// How an override is made.
#[derive(Debug, Clone, clap::Args)]
pub struct Making {
    /// How long, such as 30m: 1m to 168h.
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Duration,
    /// Why: an incident and a few words.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Name of the override. Default: the chain's name, the command, and a few letters.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Bring a lowered rate back in steps over this time when the override ends, such as 5m.
    #[arg(long, value_name = "DURATION")]
    pub restore_over: Option<Duration>,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where the chain is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `throttle`.
#[derive(Debug, Clone, clap::Args)]
pub struct ThrottleOptions {
    /// Which stage.
    #[command(flatten)]
    pub change: Change,
    /// Dispatches a second at most, retries included. Fractions are allowed.
    #[arg(long, value_name = "N", required_unless_present = "concurrency", value_parser = rate)]
    pub rate: Option<f64>,
    /// Dispatches in flight at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=5000))]
    pub concurrency: Option<i32>,
}

/// Options of `pause`.
#[derive(Debug, Clone, clap::Args)]
pub struct PauseOptions {
    /// Which stage.
    #[command(flatten)]
    pub change: Change,
}

/// Options of `resume`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResumeOptions {
    /// Chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: String,
    /// Stage.
    #[arg(value_name = "STAGE")]
    pub stage: String,
    /// Run it for so long, such as 30m, no matter who has paused it. Without, only overrides are ended.
    #[arg(long = "for", value_name = "DURATION", requires = "reason")]
    pub lasts: Option<Duration>,
    /// Why. With --for.
    #[arg(long, value_name = "TEXT", requires = "lasts", value_parser = reason)]
    pub reason: Option<String>,
    /// Name of the override. With --for.
    #[arg(long, value_name = "NAME", requires = "lasts", value_parser = name)]
    pub name: Option<String>,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where the chain is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `scale`.
#[derive(Debug, Clone, clap::Args)]
pub struct ScaleOptions {
    /// Which stage.
    #[command(flatten)]
    pub change: Change,
    /// Pods of the stage.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub replicas: i32,
}

/// Options of `undo`.
#[derive(Debug, Clone, clap::Args)]
pub struct UndoOptions {
    /// Override. Default: the only one that is in force in the namespace. With --to: a chain.
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Give the chain the spec of this revision again. `history CHAIN` lists them.
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    pub to: Option<i64>,
    /// Do it although another program applies the chain, and will revert it unless it is suspended.
    #[arg(long, requires = "to")]
    pub force: bool,
    /// Print what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `history`.
#[derive(Debug, Clone, clap::Args)]
pub struct HistoryOptions {
    /// Chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: String,
    /// Only what has happened in this time, such as 2h.
    #[arg(long, value_name = "DURATION")]
    pub since: Option<Duration>,
    /// Where it is.
    #[command(flatten)]
    pub place: Place,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<crate::inspect::args::WhyOutput>,
}

/// Options of `overrides`.
#[derive(Debug, Clone, clap::Args)]
pub struct OverridesOptions {
    /// Only those of this chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub place: Place,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<crate::inspect::args::WhyOutput>,
}

/// Options of `plan`.
#[derive(Debug, Clone, clap::Args)]
pub struct PlanOptions {
    /// The chain's manifest, as it would be applied.
    #[arg(short, long = "filename", value_name = "FILE")]
    pub file: PathBuf,
    /// Where the chain is.
    #[command(flatten)]
    pub place: Place,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<crate::inspect::args::WhyOutput>,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| *rate > 0.0 && *rate <= 500.0)
        .ok_or_else(|| format!("{text:?} is not a rate: write a number above 0, at most 500. To stop the stage: pause"))
}

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("say why in a few words, such as \"INC-42 payment provider down\"".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
