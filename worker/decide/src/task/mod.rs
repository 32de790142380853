//! What a task carries from stage to stage, and the names that follow from it.

mod ids;
mod ledger;

pub use ids::{NotARoot, Root};
pub use ledger::{LEDGER_HEADER, Ledger, MAX_LEDGER_BYTES, StageRecord, Unusable};
