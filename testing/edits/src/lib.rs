//! Each edit of a chain, in both directions, on a real API server, with real workers, an emulator
//! and tasks in flight, while the operator crashes after each single step of its plan: no task is lost,
//! and the plan ends empty.
//!
//! `rows.rs` is the table of edits. `make edits` makes all of them; a test makes a few.

mod edit;
mod expected;
mod handler;
mod manifest;
mod operator;
mod options;
mod outcome;
mod plans;
mod producer;
pub mod row;
mod rows;
mod run;
mod testbed;

pub use operator::Crash;
pub use options::Options;
pub use outcome::{HEAD, Outcome};
pub use rows::{losing, rows};
pub use run::run;
