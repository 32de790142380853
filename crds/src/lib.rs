//! The `ExecutorChain` API: what a manifest may say, what a status tells, and the rules by which
//! the API server refuses a manifest that can't be served.
//!
//! The CRD (`crds/executorchains.yaml`) and the reference (`docs/api.md`) are generated from here:
//! `make generate`.

#![allow(
    clippy::doc_markdown,
    reason = "these comments are what kubectl explain prints, where backticks would stand as they are"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "the derive's printer columns share types"
)]

pub mod conditions;
mod crd;
mod docs;
pub mod duration;
mod rules;
pub mod spec;
pub mod status;
mod template;

pub use crd::{crd, yaml};
pub use docs::reference;
pub use duration::Duration;
pub use rules::{RULES, Rule};
pub use spec::*;
pub use status::*;
