//! Ports for servers that must be told theirs before they start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections, so that none of those
/// can grab a port between [`free_port`] and the server's own bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that nothing listens on. No two calls in a process give the same one before
/// 12,000 others, and test processes start at different places.
pub fn free_port() -> u16 {
    let place = u16::try_from(std::process::id() * 37 % u32::from(COUNT)).expect("under 12,000");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (place + step) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} to {}", FIRST + COUNT - 1);
}

/// The loopback address of a [`free_port`].
pub fn free_addr() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()))
}

/// A loopback address that no process of another run has. A server that is killed and started again leaves its
/// port free meanwhile, and on the address that all tests share another's server could take it.
pub fn own_loopback() -> Ipv4Addr {
    let [_, third, second, first] = std::process::id().to_be_bytes();
    // Process ids have 22 bits at most. 127.0.0.0 to 127.0.255.255 stay free.
    Ipv4Addr::new(127, third + 1, second, first)
}
