//! From a chain as it is now to what is wrong with it.
//!
//! An unknown number shows nothing. Each rule says in its file what else could explain its numbers.

mod blocked;
mod capacity;
mod commands;
mod comparisons;
mod downstream;
mod evidence;
mod found;
mod handler;
mod health;
mod onsets;
mod parking;
mod readings;
mod remembered;

use evidence::Evidence;
use found::Found;

pub use onsets::Onsets;
pub use remembered::Remembered;

use crate::model::{Finding, LiveChain};

/// What is wrong with a chain, first cause first. Its own findings are ignored. Since when is known of
/// those that the status has a time for; [`Remembered`] adds the others.
pub fn why(chain: &LiveChain) -> Vec<Finding> {
    let mut found = blocked::of_chain(chain);
    for stage in (0..chain.stages.len()).filter_map(|index| Evidence::of(chain, index)) {
        found.extend(blocked::of_stage(stage));
        found.extend(health::of_stage(stage));
        found.extend(handler::of_stage(stage));
        found.extend(downstream::of_stage(stage));
        found.extend(capacity::of_stage(stage));
        found.extend(parking::of_stage(stage));
    }
    found.extend(downstream::of_notifier(chain));
    found.extend(parking::of_chain(chain));
    found.extend(blocked::drift(chain, &found));
    Found::in_order(found)
}
