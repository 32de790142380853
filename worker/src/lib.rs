//! The worker of one stage: receives Cloud Tasks' pushes, runs the handler, hands tasks on.
//!
//! A push goes receive → decide → run → answer, one file for each step; [`work`](mod@work) is the
//! whole path on one screen. What to decide lives in the crate `decide`, which does no I/O.
//!
//! Nothing here is global: several workers can live in one process.

mod admin;
pub mod config;
mod connect;
mod connector;
mod create;
pub mod duration;
pub mod error;
mod event;
mod hand_over;
mod identity;
mod look_up;
mod notify;
mod push;
mod receive;
mod room;
mod run;
pub mod running;
pub mod stats;
mod work;

pub use config::{Config, ConfigError};
pub use error::Error;
pub use running::{Running, start};
pub use stats::{Snapshot, Stats};
