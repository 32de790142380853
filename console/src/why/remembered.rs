//! What one look at a chain doesn't show.

use jiff::Timestamp;

use super::comparisons::Comparisons;
use super::onsets::Onsets;
use crate::model::LiveChain;

/// What is remembered of one chain from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    onsets: Onsets,
    comparisons: Comparisons,
}

impl Remembered {
    /// Adds to a chain as it is now: since when each finding has been found, and whether each override has
    /// helped.
    pub fn stamp(&mut self, chain: &mut LiveChain, now: Timestamp) {
        self.onsets.stamp(&mut chain.findings, now);
        self.comparisons.stamp(chain, now);
    }
}
