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

/// ChainOverride changes settings of a chain's stages for a limited time, without an edit of the chain.
/// Creating an override needs no permission on chains, and GitOps tools that own the chain don't revert the
/// override. None of its settings restarts pods. If several overrides of a stage have the same setting, the
/// newest override is in force. When the newest ends, the previous override is in force again.
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

    /// stages is the list of stage names that the override is for, or * for all stages.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub stages: Vec<String>,

    /// rateLimits replaces the stages' rate limits. A limit that is omitted stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// backoff replaces the stages' backoff. A field that is omitted stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// paused pauses the stages' queues if true. If false, the operator keeps the queues running
    /// and lifts any pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// replicas is the number of pods of each stage. Only for stages that set replicas in the chain, because
    /// an autoscaler may control the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,

    /// reason is why the override was created: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// for is how long the override is in force, from its creation: 1m to 168h (7 days).
    #[serde(rename = "for")]
    pub lasts: Duration,

    /// by is who created the override. kubectl chain writes the user name that the API server reports. The
    /// API server checks the name only if the chart's overrides.requireBy is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// restore raises a lowered rate again in steps when the override ends. If unset, the rate is raised at
    /// once. Only for stages that set maxDispatchesPerSecond in the chain. To skip the remaining steps,
    /// remove restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Restore>,

    /// ended ends the override early. Once true, it can't be changed.
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
    /// over is how long all steps take together: 10s to 24h. Each step raises the rate by 50%, as Cloud Tasks
    /// advises after a pause.
    pub over: Duration,
}

/// ChainOverrideStatus is the observed state of the override.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ChainOverrideStatus {
    /// The condition InForce is True while at least one setting of the override is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = in_force_description(), length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub conditions: Vec<Condition>,

    /// until is when the override ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub until: Option<Time>,

    /// endedAt is when the operator saw that the override had ended. The override is deleted 14 days later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub ended_at: Option<Time>,

    /// was is the stages' settings from before the override began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["stage"]))]
    pub was: Vec<StageWas>,
}

/// StageWas is the settings of a stage that an override has replaced. A field is set only if both the
/// override and the chain set it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct StageWas {
    /// stage is the name of the stage.
    pub stage: String,
    /// maxDispatchesPerSecond of the stage's rateLimits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_dispatches_per_second: Option<f64>,
    /// maxConcurrentDispatches of the stage's rateLimits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_dispatches: Option<i32>,
    /// backoff of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// paused of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// replicas of the stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
}

crate::conditions::words! {
    /// The reason of an override's condition `InForce`.
    pub enum OverrideReason {
        /// Every setting of the override is in force on every stage that it names.
        Applied,
        /// Some settings of the override are in force, and the others are being applied.
        Applying,
        /// Some settings of the override are in force; the message says which are not, and why.
        PartlyApplied,
        /// The operator has not applied the override yet; the message says what it waits for.
        Waiting,
        /// The override has ended, and the rate that it lowered is being restored in steps.
        Restoring,
        /// Newer overrides replace all of its settings.
        Superseded,
        /// The override ended when its time was over.
        Expired,
        /// The override was ended early.
        Undone,
        /// The namespace has no chain of that name.
        ChainNotFound,
        /// The chain is being deleted.
        ChainDeleted,
        /// The chain has none of the override's stages.
        StageNotFound,
        /// The override sets replicas, which its stages leave to an autoscaler.
        ReplicasNotSet,
    }
}

#[cfg_attr(not(feature = "schema"), allow(dead_code))]
fn in_force_description() -> String {
    let reasons = OverrideReason::ALL.iter();
    let reasons = reasons.map(|reason| format!("{reason}: {}", reason.meaning().trim()));
    format!(
        "conditions has one entry, of type InForce: it is True while at least one setting of the override is in force. Its reasons are: {}",
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
