//! A chain as it should be, beside what was observed of it.

use super::desired::Desired;
use super::observed::Observed;

/// What every rule compares.
#[derive(Debug, Clone, Copy)]
pub struct ChainView<'a> {
    /// What the spec says.
    pub desired: &'a Desired,
    /// What was observed.
    pub observed: &'a Observed,
}

impl<'a> ChainView<'a> {
    /// Of what the spec says and what was observed.
    pub fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        Self { desired, observed }
    }
}
