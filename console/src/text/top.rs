//! The table.

use crate::model::LiveChain;

/// A line for each stage, worst chain first, in at most `width` columns.
pub fn top(_chains: &[LiveChain], _width: usize, _wide: bool) -> String {
    String::new()
}
