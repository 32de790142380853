//! What a status tells: what is in force, not what was asked for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::description;

/// What is true of the chain, as last seen.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorChainStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions, as [`description`] has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = description(), length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// The queues in the order that a task climbs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,

    /// A hash of what was set when all queues were last as the spec says. As long as the same is
    /// to be set, whatever differs has been changed by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues_hash: Option<String>,

    /// The queues that are paused, by whomever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,

    /// The queues of removed stages that still have tasks, or may get some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,

    /// Each queue of the chain with the values that are in force, those of stages that drain last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["queue"]))]
    pub stages: Vec<StageStatus>,
}

/// Who paused a queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// The stage says so.
    Spec,
    /// The operator, until a worker of the stage is ready.
    Operator,
    /// Somebody else, who may resume it.
    Outside,
}

/// One queue of the chain, with what is in force on it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// The queue's id: the key. A stage's name may come back with another queue, and is then another
    /// stage.
    pub queue: String,
    /// The stage that it serves.
    pub name: String,
    /// Running, Paused, Disabled, or Missing.
    pub state: String,
    /// Who paused it, where it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<PausedBy>,
    /// Dispatches a second, as the queue has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_dispatches_per_second: Option<f64>,
    /// Dispatches at once, as the queue has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_dispatches: Option<i32>,
    /// Attempts, as the stage's Deployment tells its workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i32>,
    /// Pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Whether every pod runs with the newest values.
    pub workers_up_to_date: bool,
    /// Where the queue drains, because its stage was removed or its chain is deleted: roughly how many
    /// tasks are left. 0-9, 10-99, 100+, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,
}
