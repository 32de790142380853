//! `top`, `why`, `parked` and `ui`: chains as they are now. `kubectl chain` is these commands.

mod api;
pub mod args;
#[cfg(feature = "cluster")]
pub(crate) mod cluster;
#[cfg(feature = "cluster")]
pub mod completion;
pub(crate) mod dev;
pub mod exit;
mod parked;
pub(crate) mod scope;
pub mod seen;
pub(crate) mod source;
pub(crate) mod terminal;
mod top;
mod ui;
mod why;

use std::process::ExitCode;

use crate::error::Error;
use args::InspectCommand;

/// Runs one command. `program` is how messages name this program.
pub async fn run(command: InspectCommand, program: &str) -> Result<ExitCode, Error> {
    match command {
        InspectCommand::Top(options) => top::run(options, program).await,
        InspectCommand::Why(options) => why::run(options, program).await,
        InspectCommand::Parked(options) => parked::run(options, program).await,
        InspectCommand::Ui(options) => ui::run(options, program).await,
        #[cfg(feature = "cluster")]
        InspectCommand::Completion { shell } => completion::script(&shell),
    }
}
