//! What can keep a worker from starting. A worker that runs reports what goes wrong in its
//! answers, its log and its metrics.

use std::io;
use std::net::SocketAddr;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program has the address, or it isn't one of this machine's.
    #[error("can't listen on {address}: choose another address in {variable}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// The variable that holds it.
        variable: &'static str,
        /// What the system says.
        source: io::Error,
    },
}
