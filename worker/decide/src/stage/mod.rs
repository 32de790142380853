//! The configuration of a stage: its queues, its attempts, its notifier, its routes.

mod policy;
mod routes;

pub use policy::{Notifier, NotifyOn, StagePolicy};
pub use routes::{Route, RouteMatch, RouteTarget, Routes, StatusPattern};
