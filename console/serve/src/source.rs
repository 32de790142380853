//! Where the chains come from.

use std::sync::Arc;

use console::{Snapshot, Standby};

/// Where the chains come from: the operator's memory, or that of `executor-chain dev`.
pub trait Source: Send + Sync + 'static {
    /// The chains now. It is called once for each request and for each interval, so it returns the same
    /// `Arc` until there is something new: the same snapshot is rendered once.
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby>;

    /// A person or a program looks at all chains, or at the one of this namespace and name. Called for each
    /// request and, while a page is open, for each interval.
    fn looked_at(&self, chain: Option<(&str, &str)>);
}
