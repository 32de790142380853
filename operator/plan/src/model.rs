//! Values alone: what a chain should be, what was observed, and the plan between them.

pub mod backlog;
pub mod chain_view;
mod child_name;
pub mod desired;
pub mod gateway_resource;
pub mod location_queues;
pub mod observed;
pub mod plan;
pub mod pod;
pub mod problem;
pub mod queue_headers;
pub mod required_token;
pub mod rollout;
pub mod settings;
pub(crate) mod settings_text;
pub(crate) mod short_hash;
pub mod timed_condition;
pub mod wait;
