//! `undo CHAIN --to REVISION`: applies an earlier spec of a chain again.

#[cfg(feature = "cluster")]
mod undo_to;

use std::process::ExitCode;

use super::args::UndoOptions;
use super::target::Target;
use crate::error::Error;

/// Runs the command.
pub(super) async fn run(
    options: UndoOptions,
    revision: i64,
    program: &str,
) -> Result<ExitCode, Error> {
    let Some(name) = &options.name else {
        return Err(Error::Refused(format!(
            "which chain goes back to revision {revision}? Name it: {program} undo CHAIN --to {revision}"
        )));
    };
    match Target::of(&options.place).await? {
        Target::Dev(_) => Err(Error::Refused(format!(
            "dev keeps no revisions of its file: undo the edit of {name} in the file. dev then applies the file"
        ))),
        #[cfg(feature = "cluster")]
        Target::Cluster(cluster) => {
            undo_to::go_back(*cluster, &options, name, revision, program).await
        }
    }
}
