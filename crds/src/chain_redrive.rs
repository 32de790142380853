//! The specs and statuses of a redrive and of a discard of parked tasks. `kubectl explain` prints the doc comments.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// The type of a redrive's and of a discard's condition.
pub const FINISHED: &str = "Finished";

/// ChainRedrive moves parked tasks of a chain to one of its stages. There, each task begins a new life, with
/// all attempts and its own notification. To create a redrive, a person needs no permission on chains. Don't
/// keep redrives in Git. If a chain has several redrives and discards, the oldest one runs first.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ChainRedrive",
    namespaced,
    status = "RedriveStatus",
    derive = "PartialEq",
    doc = "ChainRedrive moves parked tasks of a chain to one of its stages. Each moved task runs again.",
    printcolumn(name = "Chain", type_ = "string", json_path = ".spec.chain"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to"),
    printcolumn(
        name = "Finished",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Finished\")].status"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Finished\")].reason"
    ),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.matched"),
    printcolumn(name = "Moved", type_ = "integer", json_path = ".status.moved"),
    printcolumn(
        name = "Failed again",
        type_ = "integer",
        json_path = ".status.failedAgain"
    ),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.by"),
    printcolumn(name = "Why", type_ = "string", json_path = ".spec.reason"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ChainRedriveSpec {
    /// chain is the name of the chain, in the namespace of the redrive.
    #[schemars(length(min = 1, max = 63))]
    pub chain: String,

    /// to is the name of the stage to which the tasks are moved.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,

    /// rate is how many tasks are moved per second. You can change rate during the redrive.
    #[schemars(range(min = 0.1, max = 500.0))]
    pub rate: f64,

    /// where selects the parked tasks to move. A task is selected if it matches all fields that are set, and
    /// if it was parked before the redrive was created. A redrive moves no task twice.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<ParkedFilter>,

    /// all selects all parked tasks if true. Set all or where, but not both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,

    /// canary moves a few tasks first. The other tasks are moved only if enough tasks of the canary succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,

    /// reason is why the redrive was created: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// by is who created the redrive. kubectl chain sets by to the user name that the API server reports. The
    /// API server checks the name only if the chart's overrides.requireBy is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// stopped stops the redrive if true. Tasks that were already moved stay moved. After that, stopped can't
    /// be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,

    /// stoppedBy is who stopped the redrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub stopped_by: Option<String>,
}

/// ChainDiscard permanently deletes parked tasks of a chain. To create a discard, a person needs a special
/// permission. Don't keep discards in Git.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ChainDiscard",
    namespaced,
    status = "RedriveStatus",
    derive = "PartialEq",
    doc = "ChainDiscard permanently deletes parked tasks of a chain.",
    printcolumn(name = "Chain", type_ = "string", json_path = ".spec.chain"),
    printcolumn(
        name = "Finished",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Finished\")].status"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Finished\")].reason"
    ),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.matched"),
    printcolumn(name = "Discarded", type_ = "integer", json_path = ".status.moved"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.by"),
    printcolumn(name = "Why", type_ = "string", json_path = ".spec.reason"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ChainDiscardSpec {
    /// chain is the name of the chain, in the namespace of the discard.
    #[schemars(length(min = 1, max = 63))]
    pub chain: String,

    /// where selects the parked tasks to delete. A task is selected if it matches all fields that are set,
    /// and if it was parked before the discard was created.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<ParkedFilter>,

    /// all selects all parked tasks if true. Set all or where, but not both.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,

    /// reason is why the discard was created: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// by is who created the discard. kubectl chain sets by to the user name that the API server reports. The
    /// API server checks the name only if the chart's overrides.requireBy is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// stopped stops the discard if true. Tasks that were already deleted are not restored. After that,
    /// stopped can't be changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,

    /// stoppedBy is who stopped the discard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub stopped_by: Option<String>,
}

/// ParkedFilter selects parked tasks. A task is selected if it matches all fields that are set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ParkedFilter {
    /// reason is the reason in the task's Failed notification, such as no-stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub reason: Option<String>,

    /// cause is the cause for which the task was parked: Exhausted, Fail, Route, Expired, Loop, or
    /// Unpassable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = r"^(Exhausted|Fail|Route|Expired|Loop|Unpassable)$")
    )]
    pub cause: Option<String>,

    /// stage is the name of the stage on which the task ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub stage: Option<String>,

    /// status is the last status code of the handler, such as 503. A class of codes, such as 4xx, matches
    /// every code of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 3), regex(pattern = r"^[1-9]([0-9]{2}|xx)$"))]
    pub status: Option<String>,

    /// task is the ID that the task's producer knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub task: Option<String>,

    /// redrive is the UID of an earlier redrive. A task is selected if it failed again after that redrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub redrive: Option<String>,

    /// parkedAfter selects tasks that were parked at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub parked_after: Option<Time>,

    /// parkedBefore selects tasks that were parked before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub parked_before: Option<Time>,
}

/// Canary makes a redrive move a few tasks first.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// tasks is how many tasks are moved first.
    #[schemars(range(min = 1, max = 1000))]
    pub tasks: i32,

    /// within is the time in which these tasks must succeed: 1s to 24h.
    #[serde(default = "default_within")]
    pub within: Duration,

    /// atLeast is the share of these tasks that must succeed, such as 90%.
    #[serde(default = "default_at_least")]
    #[schemars(length(min = 2, max = 4), regex(pattern = r"^([1-9][0-9]?|100)%$"))]
    pub at_least: String,
}

fn default_within() -> Duration {
    Duration::from_secs(300)
}

fn default_at_least() -> String {
    "90%".to_owned()
}

/// RedriveStatus is the progress of a redrive or a discard.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RedriveStatus {
    /// The condition Finished is True when the redrive or discard is done, or has ended early.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = finished_description(), length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub conditions: Vec<Condition>,

    /// matched is the number of selected tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<i64>,

    /// atLeast is true as long as the selected tasks are still being counted. The final number can then be
    /// higher than matched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,

    /// moved is how many of the selected tasks were moved. For a discard, it is how many tasks were deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<i64>,

    /// skipped is how many of the selected tasks stay parked because they can't be moved. Either no worker
    /// parked the task, or Cloud Tasks refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<i64>,

    /// failedAgain is how many of the moved tasks had been parked again when the operator last counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_again: Option<i64>,

    /// canary is the results of the tasks that were moved first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,

    /// startedAt is the earliest time at which a task can have been moved or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub started_at: Option<Time>,

    /// finishedAt is the time at which the redrive or discard finished. The operator deletes the object 14
    /// days later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub finished_at: Option<Time>,
}

/// CanaryStatus is the results of the canary's tasks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// succeeded is how many tasks of the canary have succeeded.
    pub succeeded: i64,
    /// failed is how many tasks of the canary have failed. They are parked again.
    pub failed: i64,
    /// open is how many tasks of the canary have not ended yet.
    pub open: i64,
}

crate::conditions::words! {
    /// The reason of the condition `Finished`.
    pub enum RedriveReason {
        /// An older redrive or discard of the chain runs first. The message has its name.
        Waiting,
        /// The selected tasks are being counted.
        Counting,
        /// The canary's tasks run. The other tasks wait for the results.
        Canary,
        /// Tasks are being moved or deleted.
        Moving,
        /// The redrive or discard can't continue now. The message says why, and what to do.
        Blocked,
        /// All selected tasks have been moved or deleted, except those that can't be moved.
        Done,
        /// Too few of the canary's tasks have succeeded. The tasks outside the canary are still parked.
        CanaryFailed,
        /// The redrive or discard was stopped.
        Stopped,
        /// The namespace has no chain with the name in spec.chain.
        ChainNotFound,
        /// The chain is being deleted.
        ChainDeleted,
        /// The chain has no stage with the name in spec.to.
        StageNotFound,
        /// The chain has no parking, or its parking queue doesn't exist.
        ParkingNotFound,
    }
}

#[cfg_attr(not(feature = "schema"), allow(dead_code))]
fn finished_description() -> String {
    let reasons = RedriveReason::ALL.iter();
    let reasons = reasons.map(|reason| format!("{reason}: {}", reason.meaning().trim()));
    format!(
        "conditions has one condition, Finished. It is True when the redrive or discard is done, or has ended early. Its reasons are: {}",
        reasons.collect::<Vec<_>>().join(" ")
    )
}
