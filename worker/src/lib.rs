//! The worker of one stage. It receives Cloud Tasks' pushes, runs the handler, and hands tasks over.
//!
//! `pipeline/process.rs` has the path of a push on one screen. The crate `decide` has the rules, without
//! I/O. Nothing here is global: several workers can run in one process.

// Layers from top to bottom: a module imports only from modules below it.
mod server;

mod pipeline;

mod tasks;

mod state;

mod handler;

mod identity;

mod transport;

mod telemetry;

mod config;

pub use config::{Config, ConfigError, HandlerConfig, HandlerUrl, OidcConfig};
pub use server::{RunningWorker, StartError, start};
pub use telemetry::{MetricsSnapshot, WorkerMetrics};
