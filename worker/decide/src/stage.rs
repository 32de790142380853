//! The configuration of a stage: its queues, its attempts, its notifier, its routes.

mod policy;
mod routes;

pub use policy::{NotifierPolicy, NotifyOn, StagePolicy};
pub use routes::{RouteCondition, RouteTarget, Routes, StageRoute, StatusPattern};
