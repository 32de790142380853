//! Errors of `executor-chain`.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admission::Rejection;
use crate::inspect::exit::{CANT_TELL, NO_RIGHTS};
use crate::inspect::seen::Gap;

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
    /// The kubeconfig can't be used.
    #[error("no access to a cluster: {0}")]
    Kubeconfig(String),
    /// This program was built without access to clusters.
    #[error(
        "this program was built without access to clusters: build it with `make plugin`, or show a running `executor-chain dev` with --dev ADDR"
    )]
    NoClusterFeature,
    /// Nothing can be seen of any chain.
    #[error("can't read any chain: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unseen(Vec<Gap>),
    /// The chain doesn't exist.
    #[error("no chain {name} in {place}")]
    NoChain {
        /// The name.
        name: String,
        /// Where it was looked for.
        place: String,
    },
    /// `--dev` names no admin address of a `dev`.
    #[error(
        "no chains at {address}: {reason}; start `executor-chain dev`, which prints the address of its page"
    )]
    NoAdmin {
        /// The address.
        address: String,
        /// The cause.
        reason: String,
    },
    /// What was asked for is refused, or can't be done: a sentence that says why.
    #[error("{0}")]
    Refused(String),
    /// What was asked for isn't known now: a sentence that says why.
    #[error("{0}")]
    NotNow(String),
    /// A right is missing.
    #[error("{0}; the chart's value rbac.oncall gives the rights to make overrides and redrives")]
    NoRight(Gap),
    /// A right to delete parked tasks is missing.
    #[error("{0}; the chart's value rbac.discard gives the right to delete parked tasks")]
    NoDiscard(Gap),
    /// A right to edit chains is missing.
    #[error("{0}; you need this right to restore an earlier spec")]
    NoEdit(Gap),
    /// There is no completion script for the shell.
    #[error("no completions for the shell {0:?}: choose bash, elvish, fish, powershell or zsh")]
    Shell(String),
    /// An error of the operating system.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// The exit code: for scripts that ask `why`, what they can't be told is no failure of theirs.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unseen(gaps) if gaps.iter().any(|gap| matches!(gap, Gap::Right(_))) => NO_RIGHTS,
            Self::NoRight(_) | Self::NoDiscard(_) | Self::NoEdit(_) => NO_RIGHTS,
            Self::Unseen(_) | Self::NoAdmin { .. } | Self::NotNow(_) => CANT_TELL,
            Self::File { .. }
            | Self::Rejected { .. }
            | Self::Problem(_)
            | Self::Listen { .. }
            | Self::Emulator(_)
            | Self::CloudTasks(_)
            | Self::Execute(_)
            | Self::Worker(_)
            | Self::Handler(_)
            | Self::NoDev { .. }
            | Self::Kubeconfig(_)
            | Self::NoClusterFeature
            | Self::NoChain { .. }
            | Self::Refused(_)
            | Self::Shell(_)
            | Self::Io(_) => 1,
        }
    }
}
