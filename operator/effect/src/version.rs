//! A chain with its overrides.

use crds::ChainOverride;
use jiff::Timestamp;
use plan::{Desired, override_stages};

/// A chain as it is or would be: its spec, and the overrides that name it.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// The spec, without overrides.
    pub desired: &'a Desired,
    /// The overrides, those that are over included.
    pub overrides: &'a [ChainOverride],
}

impl Version<'_> {
    /// With the overrides that are in force at a time.
    pub(crate) fn at(self, time: Timestamp) -> Desired {
        let mut desired = self.desired.clone();
        override_stages(&mut desired, self.overrides, time);
        desired
    }
}
