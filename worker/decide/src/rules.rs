//! The attempt rules A0 to A6 and B1 to B5. `docs/architecture.md` has them as tables.

mod after_create;
mod after_run;
mod arrival;
mod expiry_warning;
mod finish;
mod stage_exit;

pub use after_create::{CreateResult, after_create};
pub use after_run::{
    AfterRun, DEFAULT_LATER, FailedAttempt, LATER, RunResult, after_last_try, after_run, sign_of,
};
pub use arrival::{
    AGE_LOOKUP_THRESHOLD, ArrivalDecision, ArrivalInputs, OLDEST, RequiredInput, RunSlot,
    SuccessorLookup, TaskAge, on_arrival,
};
pub use expiry_warning::expires_soon;
pub use finish::{Creation, Finish, PendingCreate};
