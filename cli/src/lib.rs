//! `executor-chain`: runs a chain locally, without a cluster and without Google Cloud.
//!
//! `dev` runs the operator's planner and real workers on an emulator of Cloud Tasks; `send` creates
//! tasks in it; `id` prints the names of a task.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints its output"
)]

pub mod admission;
pub mod args;
pub mod dev;
pub mod emulator;
pub mod error;
pub mod id;
pub mod send;

use std::process::ExitCode;

use args::{Args, Command};
pub use error::Error;

/// Runs one command.
pub async fn run(args: Args) -> Result<ExitCode, Error> {
    match args.command {
        Command::Dev(options) => Box::pin(dev::run(options)).await,
        Command::Send(options) => send::run(options).await.map(|()| ExitCode::SUCCESS),
        Command::Id(options) => {
            id::run(&options);
            Ok(ExitCode::SUCCESS)
        }
        Command::Emulator(options) => emulator::serve(options).await.map(|()| ExitCode::SUCCESS),
    }
}
