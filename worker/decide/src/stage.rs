//! The configuration of a stage: its queues, its attempts, its notifier, its routes, and what it does on
//! bad days.

mod isolation;
mod policy;
mod routes;

pub use isolation::{FailureThreshold, IsolationRule, IsolationRules, MAX_OUTCOMES};
pub use policy::{NotifierPolicy, NotifyOn, ParkingPolicy, RetryAfter, StagePolicy};
pub use routes::{RouteCondition, RouteTarget, Routes, StageRoute, StatusPattern};
