//! The configuration of a stage: its queues, its attempts, its notifier, its routes, and what it does on
//! bad days.

mod isolation_rules;
mod policy;
mod routes;

pub use isolation_rules::{FailureThreshold, IsolationRule, IsolationRules, MAX_OUTCOMES};
pub use policy::{NotifierPolicy, NotifyOn, ParkingPolicy, RetryAfter, StagePolicy};
pub use routes::{RouteCondition, RouteTarget, Routes, StageRoute, StatusPattern};
