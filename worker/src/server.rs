//! Starting and stopping a worker, its admin pages, its first connection to Cloud Tasks.

mod admin;
mod connect;
mod connections;
mod serve;
mod start;
mod start_error;

pub use start::{RunningWorker, start};
pub use start_error::StartError;
