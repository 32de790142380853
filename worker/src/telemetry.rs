//! The worker's metrics.

mod failures;
mod metrics;

pub use metrics::{MetricsSnapshot, WorkerMetrics};
