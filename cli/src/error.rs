//! What can stop `executor-chain`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admission::Refused;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest can't be read.
    #[error("can't read {file}: {source}", file = .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// The manifest is refused.
    #[error("{file} is refused:\n{refused}", file = .file.display())]
    Refused {
        /// Which.
        file: PathBuf,
        /// Why.
        refused: Refused,
    },
    /// The manifest passes and still can't be served.
    #[error("the chain can't be served: {0}")]
    Problem(#[from] plan::Problem),
    /// A port that is taken, or an address that isn't ours.
    #[error("can't listen on {address}: {source}; choose another --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's word.
        #[source]
        source: std::io::Error,
    },
    /// The emulator's process could not be started, or ended.
    #[error("the emulator {0}")]
    Emulator(String),
    /// The emulator refused a call.
    #[error("{0}")]
    CloudTasks(#[from] cloudtasks::Error),
    /// A step of the plan failed.
    #[error("{0}")]
    Execute(#[from] execute::Error),
    /// A worker could not be started.
    #[error("{0}")]
    Worker(#[from] executor_worker::StartError),
    /// The handler's URL can't be used.
    #[error(
        "--handler {0:?} is not usable: write http://HOST:PORT, with a path if it replaces the tasks' own"
    )]
    Handler(String),
    /// `send` found nothing to send to.
    #[error(
        "no answer from {to}: start `executor-chain dev` first, or say where it is with --to ({source})"
    )]
    NoDev {
        /// Where.
        to: String,
        /// The client's word.
        #[source]
        source: cloudtasks::Error,
    },
    /// The system refuses something that every system gives.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
