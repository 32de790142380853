//! The API, `ExecutorChain`, `ChainOverride`, `ChainRedrive` and `ChainDiscard`: spec, status, conditions, and the validation rules of the API server.
//!
//! `make generate` generates the CRDs (`crds/*.yaml`) and the reference (`docs/api.md`)
//! from here.

#![allow(
    clippy::doc_markdown,
    reason = "these comments are what kubectl explain prints, where backticks would show"
)]
#![allow(
    clippy::duplicated_attributes,
    reason = "the derive's printer columns share types"
)]

/// The generated CRD: `crds/executorchains.yaml`.
pub const CRD_YAML: &str = include_str!("../executorchains.yaml");

/// The generated CRD of overrides: `crds/chainoverrides.yaml`.
pub const OVERRIDE_CRD_YAML: &str = include_str!("../chainoverrides.yaml");

/// The generated CRD of redrives: `crds/chainredrives.yaml`.
pub const REDRIVE_CRD_YAML: &str = include_str!("../chainredrives.yaml");

/// The generated CRD of discards: `crds/chaindiscards.yaml`.
pub const DISCARD_CRD_YAML: &str = include_str!("../chaindiscards.yaml");

mod chain_override;
mod chain_redrive;
mod child_name;
pub mod conditions;
#[cfg(feature = "schema")]
mod crd;
#[cfg(feature = "schema")]
mod docs;
pub mod duration;
mod rules;
pub mod short_hash;
pub mod spec;
pub mod status;
mod template;

pub use chain_override::*;
pub use chain_redrive::*;
pub use child_name::child_name;
#[cfg(feature = "schema")]
pub use crd::{
    crd, discard_crd, discard_yaml, override_crd, override_yaml, redrive_crd, redrive_yaml, yaml,
};
#[cfg(feature = "schema")]
pub use docs::reference;
pub use duration::Duration;
pub use rules::{DISCARD_RULES, OVERRIDE_RULES, REDRIVE_RULES, RULES, Rule};
pub use spec::*;
pub use status::*;
