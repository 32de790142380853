//! A planned edit, and what it would do.

use crds::{ChainOverrideSpec, ExecutorChainSpec};
use serde::{Deserialize, Serialize};

use super::forecast::Forecast;

/// What is to be planned, of one chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanRequest {
    /// The chain's namespace.
    pub namespace: String,
    /// Its name.
    pub chain: String,
    /// The edit.
    pub edit: PlannedEdit,
}

/// An edit that isn't made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PlannedEdit {
    /// An override that would be created now.
    Override(Box<ChainOverrideSpec>),
    /// Overrides that would end now, by name.
    Undo(Vec<String>),
    /// Another spec of the chain.
    Spec(Box<ExecutorChainSpec>),
}

/// What an edit would do if all goes well.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanReply {
    /// The steps, in the order in which they would be carried out. Those of a round follow when what the rounds
    /// before wait for has happened.
    pub rounds: Vec<PlannedRound>,
    /// The stages whose pods would restart.
    pub restarts: Vec<String>,
    /// Why the edit would not be made: a sentence that says what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What would become of the tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Forecast>,
    /// Why that is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_effect: Option<String>,
    /// What else there is to know: such as stages that the edit doesn't change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Steps that would be carried out one right after the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRound {
    /// The steps.
    pub steps: Vec<PlannedStep>,
    /// What the rest would wait for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedStep {
    /// What would be done: `update queue incoming (rate 5/s)`.
    pub step: String,
    /// Why.
    pub reason: String,
}
