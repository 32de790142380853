//! Starting and stopping a worker, its admin pages, its first connections.

mod admin;
mod connect;
mod connections;
mod handler_check;
mod head_lines;
mod head_reader;
mod listen;
mod serve;
mod start;
mod start_error;

pub(crate) use admin::OPEN_METRICS;
pub(crate) use listen::listen;
pub(crate) use serve::serve;
pub(crate) use start::{ADMIN_CONNECTIONS, CLOSE_TIMEOUT};
pub use start::{RunningWorker, start};
pub use start_error::StartError;
