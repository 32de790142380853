//! From a chain as it is now to what is wrong with it.

mod onsets;

pub use onsets::Onsets;

use crate::model::{Finding, LiveChain};

/// What is wrong with a chain, first cause first. Its own findings are ignored.
pub fn why(_chain: &LiveChain) -> Vec<Finding> {
    Vec::new()
}
