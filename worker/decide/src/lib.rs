//! What to do with a delivery: the attempt rules as pure functions, the ledger, the task ids.
//!
//! Nothing here waits, reads a clock or does I/O. The worker calls [`on_arrival`], answers its
//! questions until it gets a decision, runs the handler where that is the decision, and calls
//! [`after_run`]; [`after_create`] says what an attempt to create a task means. A model checker
//! calls the same functions.

// Layers, from top to bottom: each imports from those below it only.
pub mod rules;

pub mod headers;

pub mod stage;

pub mod task;

pub mod values;

pub use headers::{Delivery, Refusal, Said, Verdict};
pub use rules::{
    Age, Arrival, CreateEnd, Creation, Ends, Facts, Failure, Finish, Owed, Question, Room, Run,
    after_create, after_run, on_arrival,
};
pub use stage::{Notifier, NotifyOn, Policy, Route, Routes, StatusPattern, Target, When};
pub use task::{Ledger, Root, StageRecord, Unusable};
pub use values::{Answer, NotAWord, Outcome, Reason, StageName};
