//! What to do with a delivery: the attempt rules as pure functions, the ledger, the task ids.
//!
//! Nothing here waits, reads a clock or does I/O. The worker calls [`on_arrival`], answers its
//! questions until it gets a decision, runs the handler where that is the decision, and calls
//! [`after_run`]; [`after_create`] says what an attempt to create a task means. A model checker
//! calls the same functions.

pub mod answer;
pub mod arrival;
pub mod delivery;
pub mod ids;
pub mod ledger;
pub mod outcome;
pub mod passage;
pub mod policy;
pub mod routes;
pub mod verdict;
pub mod words;

pub use answer::Answer;
pub use arrival::{Age, Arrival, Ends, Facts, Question, Room, on_arrival};
pub use delivery::{Delivery, Refusal};
pub use ids::Root;
pub use ledger::{Ledger, StageRecord, Unusable};
pub use outcome::{CreateEnd, Failure, Run, after_create, after_run};
pub use policy::{Creation, Finish, Notifier, NotifyOn, Outcome, Owed, Policy};
pub use routes::{Route, Routes, StatusPattern, Target, When};
pub use verdict::{Said, Verdict};
pub use words::{NotAWord, Reason, StageName};
