//! The operator: observe → plan → apply → report.
//!
//! [`reconcile`](reconcile::reconcile) is the table of contents; each of its steps is a file. What
//! to do, and in which order, is decided in the crate `plan`, which does no I/O.
//!
//! Modules import only from the layers below: `run`, `controller`, `reconcile`, `live_chains`, `context`, `cache` and
//! `leader`, `telemetry`, then the rest.

pub mod admin_pages;
pub mod api_server;
pub mod args;
pub mod cache;
pub mod chain;
pub mod context;
pub mod controller;
pub mod error;
pub mod leader;
pub mod live_chains;
pub mod namespaces;
pub mod parked_tasks;
pub mod planned_edits;
pub mod reconcile;
pub mod reconciles_under_way;
pub mod run;
pub mod stage_numbers;
pub mod telemetry;
pub mod viewers;

pub use args::Args;
pub use error::Error;
pub use run::run;
