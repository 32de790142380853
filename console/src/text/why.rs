//! What is wrong, and what isn't.

use crate::model::LiveChain;

/// The findings of a chain, each with what to do, and what was ruled out.
pub fn why(_chain: &LiveChain) -> String {
    String::new()
}
