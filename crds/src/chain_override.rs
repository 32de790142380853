//! The spec and status of an override. `kubectl explain` prints the doc comments.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::spec::{Backoff, RateLimits};

/// The entry of `stages` that means every stage of the chain.
pub const EVERY_STAGE: &str = "*";

/// The type of an override's condition.
pub const IN_FORCE: &str = "InForce";

/// ChainOverride changes settings of a chain's stages for a limited time, without an edit of the chain. To
/// create an override, a person needs no permission on chains. GitOps tools that own the chain don't revert
/// the override. No setting of an override restarts pods. If several overrides of a stage have the same
/// setting, the newest override is in force. When the newest override ends, the previous override is in force
/// again.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ChainOverride",
    namespaced,
    status = "ChainOverrideStatus",
    derive = "PartialEq",
    doc = "ChainOverride changes rate limits, backoff, pause, or replicas of a chain's stages for a limited time, without an edit of the chain.",
    printcolumn(name = "Chain", type_ = "string", json_path = ".spec.chain"),
    printcolumn(name = "Stages", type_ = "string", json_path = ".spec.stages"),
    printcolumn(
        name = "In force",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"InForce\")].status"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"InForce\")].reason"
    ),
    printcolumn(name = "Until", type_ = "string", json_path = ".status.until"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.by"),
    printcolumn(name = "Why", type_ = "string", json_path = ".spec.reason"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ChainOverrideSpec {
    /// chain is the name of the chain, in the namespace of the override.
    #[schemars(length(min = 1, max = 63))]
    pub chain: String,

    /// stages is the list of names of the stages to change, or * for all stages.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub stages: Vec<String>,

    /// rateLimits replaces the stages' rate limits. If a limit is unset, the stages keep their limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// backoff replaces the stages' backoff. If a field is unset, the stages keep their value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// paused is whether the stages' queues are paused. If true, the operator pauses the queues. If false,
    /// the operator resumes the queues whenever they are paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// replicas is the number of pods of each stage. It has no effect on a stage that doesn't set replicas in
    /// the chain, because an autoscaler can control that stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,

    /// reason is why the override was created: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// for is how long the override is in force after its creation: 1m to 168h (7 days).
    #[serde(rename = "for")]
    pub lasts: Duration,

    /// by is who created the override. kubectl chain sets by to the user name that the API server reports.
    /// The API server checks the name only if the chart's overrides.requireBy is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// restore raises a lowered rate in steps after the override has ended. If unset, the operator restores
    /// the full rate immediately. restore has no effect on a stage that doesn't set maxDispatchesPerSecond in
    /// the chain. To skip the remaining steps, remove restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,

    /// ended ends the override early if true. After that, ended can't be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,

    /// endedBy is who ended the override early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub ended_by: Option<String>,
}

/// Restore is how a lowered rate is raised again.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// over is how long all steps take together: 10s to 24h. Each step raises the rate by 50%, which Cloud
    /// Tasks recommends after a pause.
    pub over: Duration,
}

/// ChainOverrideStatus is the observed state of the override.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ChainOverrideStatus {
    /// The condition InForce is True if at least one setting of the override is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = in_force_description(), length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub conditions: Vec<Condition>,

    /// until is the time at which the override ends if nobody ends it early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub until: Option<Time>,

    /// endedAt is the time at which the operator noticed that the override had ended. The operator deletes
    /// the override 14 days later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub ended_at: Option<Time>,

    /// was has the settings that the stages had before the override began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["stage"]))]
    pub was: Vec<StageWas>,
}

/// StageWas is the settings of a stage that an override has replaced. A field is set only if the override and
/// the chain have a value for it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct StageWas {
    /// stage is the name of the stage.
    pub stage: String,
    /// maxDispatchesPerSecond is the value of the stage's rateLimits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_dispatches_per_second: Option<f64>,
    /// maxConcurrentDispatches is the value of the stage's rateLimits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_dispatches: Option<i32>,
    /// backoff is the stage's backoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// paused is the stage's value of paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// replicas is the stage's number of replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

crate::conditions::words! {
    /// The reason of an override's condition `InForce`.
    pub enum OverrideReason {
        /// Every setting of the override is in force on every stage of the override.
        Applied,
        /// Some settings of the override are in force, and the operator is applying the other settings.
        Applying,
        /// Some settings of the override are in force. The message says which settings are not in force, and
        /// why.
        PartlyApplied,
        /// The operator has not applied the override yet. The message says what the operator waits for.
        Waiting,
        /// The override has ended, and the operator is restoring the lowered rate in steps.
        Restoring,
        /// Newer overrides have the same settings, and replace this override.
        Superseded,
        /// The override ended because its time was over.
        Expired,
        /// The override was ended early.
        Undone,
        /// The namespace has no chain with the name in spec.chain.
        ChainNotFound,
        /// The chain is being deleted.
        ChainDeleted,
        /// The chain has none of the override's stages.
        StageNotFound,
        /// The override sets replicas, but its stages don't set replicas in the chain.
        ReplicasNotSet,
    }
}

#[cfg_attr(not(feature = "schema"), allow(dead_code))]
fn in_force_description() -> String {
    let reasons = OverrideReason::ALL.iter();
    let reasons = reasons.map(|reason| format!("{reason}: {}", reason.meaning().trim()));
    format!(
        "conditions has one condition, InForce. It is True if at least one setting of the override is in force. Its reasons are: {}",
        reasons.collect::<Vec<_>>().join(" ")
    )
}

impl ChainOverride {
    /// Whether the override names the stage.
    pub fn names(&self, stage: &str) -> bool {
        let mut stages = self.spec.stages.iter();
        stages.any(|name| name == stage || name == EVERY_STAGE)
    }
}
