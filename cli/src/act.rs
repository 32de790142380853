//! `throttle`, `pause`, `resume`, `scale`, `undo`, `overrides` and `plan`: overrides of chains, and what edits
//! would do.

pub mod args;
mod change;
mod commands;
mod overrides;
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
        ActCommand::Undo(options) => commands::undo(options, program).await,
        ActCommand::Overrides(options) => overrides::run(options).await,
        ActCommand::Plan(options) => commands::plan(options).await,
    }
}
