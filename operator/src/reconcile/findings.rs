//! What a reconcile has found out, as far as it got.

use plan::{Desired, Observed};

use crate::error::Error;

/// What a reconcile has found out, as far as it got.
#[derive(Default)]
pub struct Findings {
    /// The spec, parsed.
    pub desired: Option<Desired>,
    /// What exists, read after the last write.
    pub observed: Option<Observed>,
    /// What stopped the reconcile.
    pub error: Option<Error>,
}

impl Findings {
    /// After a failed read nothing is known of what exists, and a status must not claim it.
    pub fn forget_observed(&mut self, error: Error) -> Error {
        self.observed = None;
        error
    }
}
