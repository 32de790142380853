//! What a chain consists of in Kubernetes and Cloud Tasks: how each object is built and read.

pub mod blocked_containers;
pub mod deployment;
pub mod former_stages;
pub mod gateway_resources;
pub mod gke_policies;
pub mod mover;
pub mod names;
pub mod ownership;
pub mod queue_settings;
pub(crate) mod replaced_settings;
pub mod revision;
pub mod route;
pub mod service;
pub mod worker_env;
