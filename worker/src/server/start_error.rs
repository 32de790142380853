//! Why a worker can't start. A running worker reports errors in its answers, its log and its metrics.

use std::io;
use std::net::SocketAddr;

/// Why a worker can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program uses the address, or it isn't an address of this machine.
    #[error(
        "can't listen on {}: choose another address in {variable}",
        or(addresses)
    )]
    Listen {
        /// The addresses that were tried.
        addresses: Vec<SocketAddr>,
        /// The variable that holds it.
        variable: &'static str,
        /// The system's error.
        source: io::Error,
    },
}

fn or(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(" or ")
}
