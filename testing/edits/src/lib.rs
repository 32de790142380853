//! Each edit of a chain, in both directions, on a real API server, with real workers, an emulator
//! and tasks under way, while the operator dies after each single step of its plan: no task is lost,
//! and the plan ends empty.
//!
//! `rows.rs` is the table of edits. `make edits` makes all of them; a test makes a few.

mod account;
pub mod act;
mod edit;
mod ends;
mod manifest;
mod operator;
mod outcome;
mod place;
mod producer;
mod rows;
mod run;

pub use operator::Death;
pub use outcome::{HEAD, Outcome};
pub use rows::{losing, rows};
pub use run::{How, run};
