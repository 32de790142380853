//! The attempt rules A1 to A6 and B1 to B5. `docs/architecture.md` has them as tables.

mod after_create;
mod after_run;
mod arrival;
mod finish;
mod stage_exit;

pub use after_create::{CreateResult, after_create};
pub use after_run::{FailedAttempt, RunResult, after_run};
pub use arrival::{
    AGE_LOOKUP_THRESHOLD, ArrivalDecision, ArrivalInputs, RequiredInput, RunSlot, SuccessorLookup,
    TaskAge, on_arrival,
};
pub use finish::{Creation, Finish, PendingCreate};
pub use stage_exit::MAX_HOPS;
