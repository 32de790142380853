//! The worker of one stage. It receives Cloud Tasks' pushes, runs the handler, and hands tasks over.
//! The same program can be a mover instead, which carries out one redrive: see `redrive.rs`.
//!
//! `pipeline/process.rs` has the path of a push on one screen. The crate `decide` has the rules, without
//! I/O. Nothing here is global: several workers can run in one process.

// Layers from top to bottom: a module imports only from modules below it.
mod redrive;

mod server;

mod pipeline;

mod tasks;

mod state;

mod handler;

mod identity;

mod transport;

mod telemetry;

mod config;

pub use config::{Config, ConfigError, HandlerConfig, HandlerUrl, MoverConfig, OidcConfig};
pub use redrive::{RunningMover, start_mover};
pub use server::{RunningWorker, StartError, start};
pub use telemetry::{JsonFields, JsonLine, MetricsSnapshot, WorkerMetrics};
