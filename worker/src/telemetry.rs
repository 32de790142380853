//! The worker's metrics, and the form of its log.

mod failures;
mod json_lines;
mod metrics;

pub use json_lines::{JsonFields, JsonLine};
pub use metrics::{MetricsSnapshot, WorkerMetrics};
