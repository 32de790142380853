//! `executor-chain`: runs a chain locally, without a cluster and without Google Cloud.
//!
//! `dev` runs the operator's planner and real workers on an emulator of Cloud Tasks; `send` creates
//! tasks in it; `id` prints the names of a task. `top`, `why`, `parked` and `ui` show chains, of `dev` or of a
//! cluster; `throttle`, `pause`, `resume`, `scale` and `undo` change them for a limited time.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints its output"
)]

pub mod act;
pub mod admission;
pub mod args;
pub mod dev;
pub mod emulator;
pub mod error;
pub mod id;
pub mod inspect;
pub mod program;
pub mod send;

use std::process::ExitCode;

use args::{ChainCommand, Command};
pub use error::Error;
use program::Program;

/// Runs one command.
pub async fn run(command: Command, program: &Program) -> Result<ExitCode, Error> {
    match command {
        Command::Dev(options) => Box::pin(dev::run(options)).await,
        Command::Send(options) => send::run(options).await.map(|()| ExitCode::SUCCESS),
        Command::Id(options) => {
            id::run(&options);
            Ok(ExitCode::SUCCESS)
        }
        Command::Chain(ChainCommand::Inspect(command)) => {
            Box::pin(inspect::run(command, program.name())).await
        }
        Command::Chain(ChainCommand::Act(command)) => {
            Box::pin(act::run(command, program.name())).await
        }
        Command::Emulator(options) => emulator::serve(options).await.map(|()| ExitCode::SUCCESS),
    }
}
