//! The status of a chain: observed state, never desired state.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conditions::description;

/// The `observedGeneration` of a chain that no operator has seen, by the CRD's default: Flux and others
/// that use kstatus must not take it for one that is ready.
pub const UNSEEN: i64 = -1;

/// ExecutorChainStatus is the observed state of the chain.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorChainStatus {
    /// observedGeneration is the generation of the spec that this status describes. -1 means that
    /// no operator has seen the chain yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The conditions, as [`description`] has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = description(), length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub conditions: Vec<Condition>,

    /// path is the list of stage queues, in the order in which tasks go through them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,

    /// failsAfter is a range: the minimum and maximum time until a task ends as Failed if all its
    /// attempts fail. For the minimum, every attempt fails immediately. For the maximum, every
    /// attempt takes handler.timeout. If the minimum is below a minute, a warning is added. The
    /// time can be longer because of rate limits, pauses, missing pods, holds, and Retry-After. It
    /// can be shorter because of routes, isolation, and verdicts. Unset if a queue is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_after: Option<String>,

    /// queuesHash is a hash of the desired queue settings at the last time that all queues had
    /// these settings. By this hash, the operator distinguishes a change outside the operator from
    /// an edit of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues_hash: Option<String>,

    /// paused is the list of paused queues, including queues that were paused outside the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,

    /// overridden is the list of stages that a ChainOverride changes, with the names of the
    /// overrides of each stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<String>,

    /// draining is the list of queues of removed stages that have tasks or can still receive tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,

    /// stages is the observed state of each stage queue. Removed stages that drain are at the end
    /// of the list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["queue"]))]
    pub stages: Vec<StageStatus>,
}

/// PausedBy is who paused a queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
// kube replaces an optional field's description by that of its enum.
#[schemars(description = "")]
pub enum PausedBy {
    /// The stage sets paused: true.
    Spec,
    /// A ChainOverride sets paused: true.
    Override,
    /// The operator paused the queue, and resumes it when a worker of the stage is ready.
    Operator,
    /// The queue was paused outside the operator.
    Outside,
}

/// StageStatus is the observed state of one stage queue and its workers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// queue is the ID of the queue, which is the key of this list. The stage's name is not the
    /// key, because a new stage with another queue can have the name of a removed stage.
    pub queue: String,
    /// name is the name of the stage.
    pub name: String,
    /// state is the state of the queue: Running, Paused, Disabled, or Missing.
    pub state: String,
    /// pausedBy is who paused the queue. Unset if the queue isn't paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_by: Option<PausedBy>,
    /// maxDispatchesPerSecond is the dispatch rate that is set on the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_dispatches_per_second: Option<f64>,
    /// maxConcurrentDispatches is the maximum number of dispatches in flight that is set on the
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_dispatches: Option<i32>,
    /// maxAttempts is the maximum number of attempts that is set in the stage's Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i32>,
    /// replicas is the desired number of pods of the stage's Deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// readyReplicas is the number of ready pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// workersUpToDate is true if every pod runs the newest version of the Deployment.
    pub workers_up_to_date: bool,
    /// draining is approximately how many tasks are left in a queue that drains: 0-9, 10-99, 100+,
    /// or unknown. A queue drains after its stage was removed, or after its chain was deleted with
    /// the policy Drain. Unset if the queue doesn't drain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<String>,
    /// overrides is the list of ChainOverrides that are in force on the stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub overrides: Vec<StageOverride>,
    /// restoring is the list of settings that still have the value of an override, although the
    /// override has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restoring: Vec<String>,
}

/// StageOverride is a ChainOverride that is in force on a stage. It has only the settings that are
/// in force.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageOverride {
    /// name is the name of the ChainOverride.
    pub name: String,
    /// until is the time at which the override ends if nobody ends it early. If the override
    /// restores a rate in steps, until is the time at which the last step ends.
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub until: Time,
    /// fields is the list of settings that the override replaces, such as maxDispatchesPerSecond or
    /// paused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// settings is the spec's value and the override's value of each setting, such as 15/s,
    /// overridden with 5/s.
    pub settings: String,
}
