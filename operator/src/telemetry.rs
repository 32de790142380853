//! What the operator reports of itself: metrics, and whether it is ready.

pub mod admin_server;
pub mod condition_gauges;
pub mod metrics;
pub mod override_gauges;
pub mod queue_gauges;
