//! How a pod's runs end: which categories of tasks are isolated, and whether the handler fails for nearly
//! all tasks. Each pod judges by what it sees itself. Times are since any fixed moment.

mod breaker;
mod isolation;
mod outage;
mod stage_health;

pub use isolation::{IsolatedCategory, IsolationCause, MAX_CATEGORIES};
pub use stage_health::{Admission, RunTicket, StageHealth};
