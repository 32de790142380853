//! The worker's metrics.

mod metrics;

pub use metrics::{MetricsSnapshot, WorkerMetrics};
