//! The attempt rules: pure functions from what is known of a push to what to do with it.

mod after_create;
mod after_run;
mod arrival;
mod finish;
mod leave;

pub use after_create::{CreateEnd, after_create};
pub use after_run::{Failure, Run, after_run};
pub use arrival::{Age, Arrival, Ends, Facts, Question, Room, UNANSWERED_WORTH_ASKING, on_arrival};
pub use finish::{Creation, Finish, Owed};
pub use leave::MAX_HOPS;
