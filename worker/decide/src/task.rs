//! What a task carries from stage to stage: its ledger, and the task ids that follow from it.

mod ledger;
mod task_ids;

pub use ledger::{LEDGER_HEADER, Ledger, LedgerError, MAX_LEDGER_BYTES, StageRecord, Stay};
pub use task_ids::{InvalidRootId, MAX_HOPS, RootId, is_handed_over};
