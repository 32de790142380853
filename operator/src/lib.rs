//! The operator: observe → plan → apply → report.
//!
//! [`reconcile`](reconcile::reconcile) is the table of contents; each of its steps is a file. What
//! to do, and in which order, is decided in the crate `plan`, which sees none of this.

pub mod admin;
pub mod apply;
pub mod args;
pub mod calls;
pub mod chains;
pub mod children;
pub mod claim;
pub mod connection;
pub mod context;
pub mod controller;
pub mod drift;
pub mod echoes;
pub mod end;
pub mod error;
pub mod events;
pub mod inventory;
pub mod kinds;
pub mod kubernetes;
pub mod lease;
pub mod memory;
pub mod metrics;
mod name;
pub mod namespaces;
pub mod observe;
pub mod pace;
pub mod reconcile;
pub mod refusals;
pub mod report;
pub mod run;

pub use apply::{Workloads, apply};
pub use args::Args;
pub use calls::Calls;
pub use claim::Claim;
pub use error::Error;
pub use run::run;
