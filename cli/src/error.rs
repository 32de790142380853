//! Errors of `executor-chain`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admission::Rejection;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest can't be read.
    #[error("can't read {file}: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The manifest is invalid.
    #[error("{file} is rejected:\n{rejection}", file = .file.display())]
    Rejected {
        /// The file.
        file: PathBuf,
        /// The errors in it.
        rejection: Rejection,
    },
    /// The manifest is valid, but the chain can't run.
    #[error("the chain can't run: {0}")]
    Problem(#[from] plan::Problem),
    /// The port is in use, or the address is not on this machine.
    #[error("can't listen on {address}: {source}; choose another {option}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The option that sets it.
        option: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The emulator's process did not start, or ended.
    #[error("the emulator {0}")]
    Emulator(String),
    /// A call to the emulator failed.
    #[error("{0}")]
    CloudTasks(#[from] cloudtasks::Error),
    /// A step of the plan failed.
    #[error("{0}")]
    Execute(#[from] execute::Error),
    /// A worker did not start.
    #[error("{0}")]
    Worker(#[from] executor_worker::StartError),
    /// The handler's URL is invalid.
    #[error(
        "--handler {0:?} is not a handler URL: write http://HOST:PORT, and a path only if it replaces each task's own"
    )]
    Handler(String),
    /// `send` could not connect.
    #[error(
        "no response from {to}: start `executor-chain dev`, or set its address with --to ({source})"
    )]
    NoDev {
        /// The address.
        to: String,
        /// The cause.
        #[source]
        source: cloudtasks::Error,
    },
    /// An error of the operating system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}
