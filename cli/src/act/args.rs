//! The command line of the commands that change something, or plan it.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use crds::Duration;

use crate::inspect::args::{Place, name};

/// Commands that make overrides of chains, end them, and plan edits.
#[derive(Debug, Subcommand)]
pub enum ActCommand {
    /// Lower or raise a stage's limits for a limited time.
    Throttle(ThrottleOptions),
    /// Pause a stage for a limited time: its tasks are kept and not dispatched.
    Pause(PauseOptions),
    /// End the overrides that pause a stage. With --for and --reason, lift every pause of the stage for a
    /// limited time.
    Resume(ResumeOptions),
    /// Set the number of a stage's pods for a limited time.
    Scale(ScaleOptions),
    /// End an override early. With --to, apply an earlier spec of a chain again.
    Undo(UndoOptions),
    /// Show what has happened to a chain: generations of its spec, overrides, and Events of the last hour.
    History(HistoryOptions),
    /// List overrides in force, and those that ended in the last 14 days.
    Overrides(OverridesOptions),
    /// Run parked tasks again: move them to a stage, where each begins a new life. With only --rate, change
    /// the rate of the running redrive.
    ///
    /// Exit code: 0 if the work is done, 1 otherwise.
    Redrive(RedriveOptions),
    /// Delete parked tasks for good. Asks you to type their number first.
    ///
    /// Exit code: 0 if the work is done, 1 otherwise.
    Discard(DiscardOptions),
    /// List running redrives and discards, and those that ended in the last 14 days.
    Redrives(RedrivesOptions),
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
    /// How long the change lasts, such as 30m. From 1m to 168h.
    #[arg(long = "for", value_name = "DURATION")]
    pub lasts: Duration,
    /// Why: an incident and a few words.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: String,
    /// Name of the override. Default: the chain's name, the command, and a few letters.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// When the override ends, raise a lowered rate again in steps over this time, such as 5m.
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
    /// Maximum dispatches a second, retries included. Fractions are allowed.
    #[arg(long, value_name = "N", required_unless_present = "concurrency", value_parser = rate)]
    pub rate: Option<f64>,
    /// Maximum dispatches in flight.
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
    /// How long to run the stage, such as 30m. Lifts every pause. Without --for, only overrides are ended.
    #[arg(long = "for", value_name = "DURATION", requires = "reason")]
    pub lasts: Option<Duration>,
    /// Why: an incident and a few words. Requires --for.
    #[arg(long, value_name = "TEXT", requires = "lasts", value_parser = reason)]
    pub reason: Option<String>,
    /// Name of the override. Requires --for.
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
    /// Name of the override. Default: the only one in force in the namespace. With --to: name of the chain.
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Apply the spec of this revision again. `history CHAIN` lists the revisions.
    #[arg(long, value_name = "REVISION", value_parser = clap::value_parser!(i64).range(1..))]
    pub to: Option<i64>,
    /// Apply it even if another program manages the chain. That program reverts the change unless it is
    /// suspended.
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
    /// Only what happened at most this long ago, such as 2h.
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
    /// List the overrides of all namespaces.
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

/// Which parked tasks are meant.
#[derive(Debug, Clone, clap::Args)]
pub struct WhichParked {
    /// Only tasks with this reason, cause, stage, status, task, or redrive, such as reason=no-stock or
    /// status=4xx. Can be repeated.
    #[arg(long = "where", value_name = "NAME=VALUE", conflicts_with = "all")]
    pub filters: Vec<String>,
    /// Only tasks that were parked at most this long ago, such as 2h.
    #[arg(long, value_name = "DURATION", conflicts_with = "all")]
    pub since: Option<Duration>,
    /// All parked tasks.
    #[arg(long)]
    pub all: bool,
}

/// What to do with a running redrive or discard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RedriveAction {
    /// Stop it. Tasks that were already moved or deleted stay so.
    Stop,
}

/// Options of `redrive`.
#[derive(Debug, Clone, clap::Args)]
pub struct RedriveOptions {
    /// Chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: String,
    /// stop: stop the running redrive.
    #[arg(value_name = "stop", value_enum, conflicts_with_all = ["to", "rate", "reason", "filters", "since", "all", "canary"])]
    pub action: Option<RedriveAction>,
    /// Stage to move the tasks to.
    #[arg(long, value_name = "STAGE", requires_all = ["rate", "reason"])]
    pub to: Option<String>,
    /// Tasks to move a second. Fractions are allowed.
    #[arg(long, value_name = "N", value_parser = redrive_rate)]
    pub rate: Option<f64>,
    /// Which parked tasks are meant.
    #[command(flatten)]
    pub which: WhichParked,
    /// Why: an incident and a few words.
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "to")]
    pub reason: Option<String>,
    /// Move this many tasks first, and the others only if enough of these succeed.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1000), requires = "to")]
    pub canary: Option<i32>,
    /// How long the canary's tasks may take to succeed.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "5m",
        requires = "canary"
    )]
    pub within: Duration,
    /// How many of the canary's tasks must succeed.
    #[arg(
        long,
        value_name = "PERCENT",
        default_value = "90%",
        requires = "canary"
    )]
    pub at_least: String,
    /// Name of the redrive. Default: the chain's name and a few letters.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Print how many tasks are selected, and do nothing.
    #[arg(long, requires = "to")]
    pub dry_run: bool,
    /// Return at once, without waiting for the end.
    #[arg(long)]
    pub no_wait: bool,
    /// Where the chain is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `discard`.
#[derive(Debug, Clone, clap::Args)]
pub struct DiscardOptions {
    /// Chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: String,
    /// stop: stop the running discard.
    #[arg(value_name = "stop", value_enum, conflicts_with_all = ["reason", "filters", "since", "all"])]
    pub action: Option<RedriveAction>,
    /// Which parked tasks are meant.
    #[command(flatten)]
    pub which: WhichParked,
    /// Why: an incident and a few words.
    #[arg(long, value_name = "TEXT", value_parser = reason, required_unless_present = "action")]
    pub reason: Option<String>,
    /// Name of the discard. Default: the chain's name and a few letters.
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: Option<String>,
    /// Print how many tasks are selected, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Return at once, without waiting for the end.
    #[arg(long)]
    pub no_wait: bool,
    /// Where the chain is.
    #[command(flatten)]
    pub place: Place,
}

/// Options of `redrives`.
#[derive(Debug, Clone, clap::Args)]
pub struct RedrivesOptions {
    /// Only those of this chain.
    #[arg(value_name = "CHAIN", value_parser = name)]
    pub chain: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub place: Place,
    /// Print JSON.
    #[arg(short, long, value_enum)]
    pub output: Option<crate::inspect::args::WhyOutput>,
}

fn redrive_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.1..=500.0).contains(rate))
        .ok_or_else(|| format!("{text:?} is not a rate: write a number from 0.1 to 500"))
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
