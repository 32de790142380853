//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use cloudtasks::{QueueId, QueuePath, TaskId};

use crate::act::args::ActCommand;
use crate::inspect::args::InspectCommand;

/// Where `dev` listens and `send` connects, by default.
const LISTEN: &str = "127.0.0.1:8123";

/// Runs a chain locally, creates tasks in it, and shows what chains do.
#[derive(Debug, Parser)]
#[command(name = "executor-chain", version, about)]
pub struct Args {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// Shows what executor chains do now and what is wrong with them, and changes them for a limited time.
#[derive(Debug, Parser)]
#[command(name = "kubectl-chain", version)]
pub struct PluginArgs {
    /// The command.
    #[command(subcommand)]
    pub command: ChainCommand,
}

/// The commands that `kubectl chain` has too.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// Show chains as they are now.
    #[command(flatten)]
    Inspect(InspectCommand),
    /// Change chains for a limited time, and plan edits.
    #[command(flatten)]
    Act(ActCommand),
}

/// The commands of `executor-chain`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a chain locally: an emulator of Cloud Tasks, the chain's queues, and a worker for each
    /// stage. Edits of the file take effect within a second.
    Dev(DevOptions),
    /// Create tasks in the first queue of a running `dev`.
    Send(SendOptions),
    /// Print a task's IDs on the queues of its chain, and the ID of its notification. Use them to look
    /// up or delete the task.
    Id(IdOptions),
    /// Show chains as they are now, and change them for a limited time.
    #[command(flatten)]
    Chain(ChainCommand),
    /// Run the emulator, as `dev` does.
    #[command(hide = true)]
    Emulator(EmulatorOptions),
}

/// Options of `executor-chain dev`.
#[derive(Debug, Clone, clap::Args)]
pub struct DevOptions {
    /// The chain's manifest.
    pub file: PathBuf,
    /// Address of the emulator, for gRPC and REST. Any Cloud Tasks client can use it.
    #[arg(long, default_value = LISTEN)]
    pub listen: SocketAddr,
    /// URL of the handler, such as `http://127.0.0.1:8080`. Default: the manifest's handler.url if it is
    /// on this machine, else a built-in handler that fails some tasks on purpose.
    #[arg(long)]
    pub handler: Option<String>,
    /// Address of the page that shows the chain at work, and of its API. Default: 127.0.0.1:9480, or a
    /// free port if that one is in use.
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// Create this many tasks, and print a summary when all have ended.
    #[arg(long)]
    pub tasks: Option<usize>,
    /// Create tasks at this rate, up to the number of --tasks. Without --tasks, there is no end.
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub tasks_per_second: Option<f64>,
    /// How long a run of the built-in handler takes on average, such as 200ms. A task's headers
    /// Dev-Run-Time and Dev-Status set its own run time and its status.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub run_time: Duration,
    /// Exit when no task is left. The exit code is 0 only if no task was lost.
    #[arg(long)]
    pub exit_when_idle: bool,
    /// The tasks that fail in the built-in handler.
    #[command(flatten)]
    pub failing: FailingShares,
}

/// The shares of tasks that fail in the built-in handler. The rest succeeds.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct FailingShares {
    /// Share of tasks whose first attempt fails in the built-in handler, 0 to 1.
    #[arg(long, default_value_t = 0.15, value_parser = share)]
    pub fail_once: f64,
    /// Share of tasks that fail in the built-in handler on the first stage, maybe on later ones too, and
    /// succeed on the last stage at the latest.
    #[arg(long, default_value_t = 0.12, value_parser = share)]
    pub fail_first: f64,
    /// Share of tasks that always fail in the built-in handler.
    #[arg(long, default_value_t = 0.08, value_parser = share)]
    pub fail_for_ever: f64,
}

/// Options of `executor-chain send`.
#[derive(Debug, Clone, clap::Args)]
pub struct SendOptions {
    /// The chain's manifest.
    pub file: PathBuf,
    /// Address of the running `dev`.
    #[arg(long, env = "CLOUD_TASKS_EMULATOR_HOST", default_value = LISTEN)]
    pub to: String,
    /// Number of tasks.
    #[arg(long, default_value_t = 1)]
    pub count: usize,
    /// Body of each task.
    #[arg(long, default_value = "{}")]
    pub body: String,
    /// Header of each task, as `Name: value`. Can be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
}

/// Options of `executor-chain id`.
#[derive(Debug, Clone, clap::Args)]
pub struct IdOptions {
    /// Queue on which the task was created, as projects/PROJECT/locations/LOCATION/queues/QUEUE.
    #[arg(long)]
    pub queue: QueuePath,
    /// Queues of the later stages, in order: `incoming-2,incoming-3`.
    #[arg(long, value_name = "QUEUE,…", value_delimiter = ',')]
    pub then: Vec<QueueId>,
    /// ID of the task, as its producer knows it. If the producer set none, Cloud Tasks
    /// generated it.
    #[arg(long)]
    pub task: TaskId,
}

/// Options of `executor-chain emulator`.
#[derive(Debug, Clone, clap::Args)]
pub struct EmulatorOptions {
    /// Address to listen on.
    #[arg(long)]
    pub listen: SocketAddr,
    /// Exit when standard input closes, so that the emulator can't outlive its parent.
    #[arg(long)]
    pub until_stdin_closes: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|rate| (0.001..=1000.0).contains(rate))
        .ok_or_else(|| format!("{text:?} is not a rate: write a number from 0.001 to 1000"))
}

fn duration(text: &str) -> Result<Duration, String> {
    worker_contract::duration::parse(text)
        .ok_or_else(|| format!("{text:?} is not a duration: write it as 200ms or 2.5s"))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("{text:?} is not a share: write a number from 0 to 1"))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?} is not a header: write it as \"Name: value\""))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
