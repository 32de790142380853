//! `throttle`, `pause`, `resume`, `scale`, `undo`, `overrides`, `redrive`, `discard`, `plan` and `history`: overrides
//! of chains, parked tasks, what edits would do, and what has happened.

pub mod args;
#[cfg(feature = "cluster")]
mod chain_api;
mod change;
mod commands;
mod diff;
#[cfg(feature = "cluster")]
mod gitops;
mod go_back;
mod history;
mod overrides;
pub(crate) mod redrive;
pub(crate) mod target;
mod text;

use std::process::ExitCode;

use crate::error::Error;
use args::ActCommand;

/// Runs one command. `program` is how messages name this program.
pub async fn run(command: ActCommand, program: &str) -> Result<ExitCode, Error> {
    match command {
        ActCommand::Throttle(options) => commands::throttle(options, program).await,
        ActCommand::Pause(options) => commands::pause(options, program).await,
        ActCommand::Resume(options) => commands::resume(options, program).await,
        ActCommand::Scale(options) => commands::scale(options, program).await,
        ActCommand::Undo(options) => match options.to {
            Some(revision) => go_back::run(options, revision, program).await,
            None => commands::undo(options, program).await,
        },
        ActCommand::History(options) => history::run(options, program).await,
        ActCommand::Overrides(options) => overrides::run(options).await,
        ActCommand::Redrive(options) => redrive::redrive(options, program).await,
        ActCommand::Discard(options) => redrive::discard(options, program).await,
        ActCommand::Redrives(options) => redrive::list(options, program).await,
        ActCommand::Plan(options) => commands::plan(options).await,
    }
}
