//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Where `dev` listens and `send` sends, unless told otherwise.
const LISTEN: &str = "127.0.0.1:8123";

/// Runs a chain on this machine, and sends tasks into it.
#[derive(Debug, Parser)]
#[command(name = "executor-chain", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `executor-chain` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a chain here: an emulator of Cloud Tasks, the chain's queues, and a worker for each
    /// stage. The file is watched: an edit is in force in under a second.
    Dev(DevOptions),
    /// Put tasks into the first queue of a running `dev`.
    Send(SendOptions),
    /// The emulator alone, as `dev` starts it.
    #[command(hide = true)]
    Emulator(EmulatorOptions),
}

/// Options of `executor-chain dev`.
#[derive(Debug, Clone, clap::Args)]
pub struct DevOptions {
    /// The chain's manifest.
    pub file: PathBuf,
    /// Where the emulator listens, gRPC and REST: any Google client works on it.
    #[arg(long, default_value = LISTEN)]
    pub listen: SocketAddr,
    /// What runs the tasks, such as `http://127.0.0.1:8080`. Default: the manifest's handler.url where
    /// that is on this machine, else a built-in handler that misbehaves on purpose.
    #[arg(long)]
    pub handler: Option<String>,
    /// Send so many tasks, and print the account when all have ended.
    #[arg(long)]
    pub tasks: Option<usize>,
    /// End when no task is left. The exit code is 0 only if none was lost.
    #[arg(long)]
    pub exit_when_idle: bool,
    /// The share of tasks whose first attempt the built-in handler fails.
    #[arg(long, default_value_t = 0.15, value_parser = share)]
    pub fail_once: f64,
    /// The share that the built-in handler fails on every stage but the last.
    #[arg(long, default_value_t = 0.12, value_parser = share)]
    pub fail_until_last: f64,
    /// The share that the built-in handler fails for ever.
    #[arg(long, default_value_t = 0.08, value_parser = share)]
    pub fail_for_ever: f64,
}

/// Options of `executor-chain send`.
#[derive(Debug, Clone, clap::Args)]
pub struct SendOptions {
    /// The chain's manifest.
    pub file: PathBuf,
    /// Where `dev` listens.
    #[arg(long, env = "CLOUD_TASKS_EMULATOR_HOST", default_value = LISTEN)]
    pub to: String,
    /// How many tasks.
    #[arg(long, default_value_t = 1)]
    pub count: usize,
    /// The body of each.
    #[arg(long, default_value = "{}")]
    pub body: String,
    /// A header of each, as `Name: value`; may be given several times.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
}

/// Options of `executor-chain emulator`.
#[derive(Debug, Clone, clap::Args)]
pub struct EmulatorOptions {
    /// Where to listen.
    #[arg(long)]
    pub listen: SocketAddr,
    /// End when standard input closes: a parent that holds the other end can't be outlived.
    #[arg(long)]
    pub until_stdin_closes: bool,
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
