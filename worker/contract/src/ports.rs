//! The ports of workers, and how a port is opened.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port for pushes.
pub const PUSHES: u16 = 9480;
/// The port for health and metrics, because a task may have any path.
pub const ADMIN: u16 = 9481;

/// The addresses to try, in this order, to listen on `port` whatever the cluster's IP family. A socket on
/// `[::]` takes IPv4 too. A kernel without IPv6 refuses it.
pub fn any_family(port: u16) -> Vec<SocketAddr> {
    vec![
        (Ipv6Addr::UNSPECIFIED, port).into(),
        (Ipv4Addr::UNSPECIFIED, port).into(),
    ]
}
