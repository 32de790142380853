//! Serves what happens in chains now: as JSON, as events and as a page; and what an edit would do. Nothing is
//! changed.
//!
//! Anyone who can reach the port sees the numbers of all chains, and the names and paths of parked tasks. No
//! body and no header of a task is among them.

mod answers;
mod guard;
mod query;
mod rendered;
mod response_limit;
mod routes;
mod source;
mod streams;
mod view;

pub use response_limit::MAX_RESPONSES;
pub use routes::{routes, routes_with};
pub use source::{NotListed, Source, Unplanned};
pub use streams::MAX_STREAMS;
