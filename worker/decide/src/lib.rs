//! The attempt rules: what the worker does with a push.
//!
//! This crate is pure: no I/O, no clock, no waiting. The worker calls [`on_arrival`] and looks up the
//! inputs that it needs, until it gets a decision. After a run it calls [`after_run`], after a create
//! [`after_create`]. The model checker in `tests/model` calls the same functions.

// Layers from top to bottom: a module imports only from modules below it.
pub mod rules;

pub mod headers;

pub mod health;

pub mod stage;

pub mod task;

pub mod values;

pub use headers::{Delivery, HandlerHeaders, InvalidPush, RejectedPush, Verdict};
pub use health::{Admission, IsolatedCategory, IsolationCause, RunTicket, StageHealth};
pub use rules::{
    AfterRun, ArrivalDecision, ArrivalInputs, CreateResult, Creation, FailedAttempt, Finish,
    PendingCreate, RequiredInput, RunResult, RunSlot, SuccessorLookup, TaskAge, after_create,
    after_last_try, after_run, expires_soon, on_arrival, sign_of,
};
pub use stage::{
    FailureThreshold, IsolationRule, IsolationRules, NotifierPolicy, NotifyOn, ParkingPolicy,
    RetryAfter, RouteCondition, RouteTarget, Routes, StagePolicy, StageRoute, StatusPattern,
};
pub use task::{Ledger, LedgerError, Life, ParkedRecord, RedriveId, RootId, StageRecord, Stay};
pub use values::{
    Answer, Category, CategoryId, EndCause, InvalidHeaderText, IsolationIndex, Outcome, Sign,
    StageName, TaskOrigin, TaskReason,
};
