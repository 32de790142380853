//! The state of one worker: its configuration, its connections, its limits.

mod concurrency_limit;
mod health;
mod worker;

pub(crate) use concurrency_limit::ConcurrencyLimit;
pub(crate) use health::Health;
pub(crate) use worker::Worker;
