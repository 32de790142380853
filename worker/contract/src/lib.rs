//! What the operator and the worker must agree on. Each name and number exists only here.
//!
//! The operator writes the workers' environment and probes, sets headers on queues, and scrapes the
//! workers' metrics. A worker of one release can meet an operator of another, so a change of a value
//! here must be safe in both directions.

pub mod admin_paths;
pub mod duration;
pub mod env;
pub mod headers;
pub mod limits;
pub mod metrics;
pub mod ports;
