//! Which pods a Service's name leads to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Endpoints by host.
#[derive(Default)]
pub struct Routes {
    hosts: Mutex<BTreeMap<String, Vec<SocketAddr>>>,
    next: AtomicUsize,
}

impl Routes {
    /// From now on these.
    pub fn set(&self, hosts: BTreeMap<String, Vec<SocketAddr>>) {
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    /// One of a host's endpoints, by turns; none where the Service has none, or isn't there.
    pub fn one_of(&self, host: &str) -> Option<SocketAddr> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let endpoints = hosts.get(host).filter(|endpoints| !endpoints.is_empty())?;
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        Some(endpoints[turn % endpoints.len()])
    }
}
