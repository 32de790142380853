//! What a task carries from stage to stage and into the parking queue: its ledger, why it ended, and the
//! task ids that follow from them.

mod ledger;
mod life;
mod parked_record;
mod task_ids;

pub use ledger::{LEDGER_HEADER, Ledger, LedgerError, MAX_LEDGER_BYTES, StageRecord, Stay};
pub use life::{InvalidRedriveId, Life, RedriveId};
pub use parked_record::{PARKED_HEADER, ParkedRecord, ParkedRecordError};
pub use task_ids::{InvalidRootId, MAX_HOPS, RootId, is_handed_over};
