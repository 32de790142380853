//! What a stage's worker is configured with.

mod policy;
mod routes;

pub use policy::{Notifier, NotifyOn, Policy};
pub use routes::{Route, Routes, StatusPattern, Target, When};
