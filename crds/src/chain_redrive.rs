//! The specs and statuses of a redrive and of a discard of parked tasks. `kubectl explain` prints the doc comments.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;

/// The type of a redrive's and of a discard's condition.
pub const FINISHED: &str = "Finished";

/// ChainRedrive moves parked tasks of a chain to one of its stages, where each begins a new life: with all
/// attempts, and with a notification of its own. It needs no right on chains, and doesn't belong in Git. Of several
/// redrives and discards of a chain, the oldest goes first.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ChainRedrive",
    namespaced,
    status = "RedriveStatus",
    derive = "PartialEq",
    doc = "ChainRedrive moves parked tasks of a chain to one of its stages, where each runs again.",
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

    /// to is the name of the stage on which the new lives begin.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,

    /// rate is how many tasks are moved a second. It can be changed while the redrive runs.
    #[schemars(range(min = 0.1, max = 500.0))]
    pub rate: f64,

    /// where is which parked tasks are meant: those that have all that it names. Only tasks that were parked before the
    /// redrive was created are moved, and none twice by the same redrive.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<ParkedFilter>,

    /// all is true if all parked tasks are meant, in place of where.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,

    /// canary is how many tasks are moved first. The others follow only if those succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,

    /// reason is why, for those who find it later: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// by is who made it. kubectl chain sets it to the user name that the API server knows. Unless the chart's
    /// overrides.requireBy is set, nothing checks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// stopped stops the redrive. What it has moved stays moved. It can't be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,

    /// stoppedBy is who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub stopped_by: Option<String>,
}

/// ChainDiscard deletes parked tasks of a chain for good. It needs a right of its own, and doesn't belong in Git.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ChainDiscard",
    namespaced,
    status = "RedriveStatus",
    derive = "PartialEq",
    doc = "ChainDiscard deletes parked tasks of a chain for good.",
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

    /// where is which parked tasks are meant: those that have all that it names. Only tasks that were parked before the
    /// discard was created are deleted.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub filter: Option<ParkedFilter>,

    /// all is true if all parked tasks are meant, in place of where.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,

    /// reason is why, for those who find it later: an incident and a few words.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,

    /// by is who made it. kubectl chain sets it to the user name that the API server knows. Unless the chart's
    /// overrides.requireBy is set, nothing checks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub by: Option<String>,

    /// stopped stops the discard. What it has deleted stays deleted. It can't be taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,

    /// stoppedBy is who stopped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub stopped_by: Option<String>,
}

/// ParkedFilter names what parked tasks have in common.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ParkedFilter {
    /// reason is why the task ended, as its event says, such as no-stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub reason: Option<String>,

    /// cause is why it ended, as one of the words of the chain's parking.keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = r"^(Exhausted|Fail|Route|Expired|Loop|Unpassable)$")
    )]
    pub cause: Option<String>,

    /// stage is the name of the stage that it ended on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub stage: Option<String>,

    /// status is the handler's last status, such as 503 or 4xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 3), regex(pattern = r"^[1-9]([0-9]{2}|xx)$"))]
    pub status: Option<String>,

    /// task is its ID, as its producer knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub task: Option<String>,

    /// redrive is the UID of an earlier redrive: the tasks that failed again after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub redrive: Option<String>,

    /// parkedAfter is for tasks that were parked at this time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub parked_after: Option<Time>,

    /// parkedBefore is for tasks that were parked before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub parked_before: Option<Time>,
}

/// Canary is how a redrive tries a few tasks first.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// tasks is how many tasks are moved first.
    #[schemars(range(min = 1, max = 1000))]
    pub tasks: i32,

    /// within is how long they may take to succeed: 1s to 24h.
    #[serde(default = "default_within")]
    pub within: Duration,

    /// atLeast is how many of them must succeed, such as 90%.
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

/// RedriveStatus is how far a redrive or a discard has come.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RedriveStatus {
    /// The condition Finished is True when nothing is left to do, or nothing will be done any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(description = finished_description(), length(max = 4), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub conditions: Vec<Condition>,

    /// matched is how many parked tasks are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<i64>,

    /// atLeast is true while matched isn't complete: there may be more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,

    /// moved is how many of them have begun a new life, or were deleted by a discard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<i64>,

    /// skipped is how many of them can't be moved, and stay parked: no worker has parked them, or Cloud Tasks refuses
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<i64>,

    /// failedAgain is how many of the moved tasks were parked again, when the operator last looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_again: Option<i64>,

    /// canary is what has become of the tasks that were moved first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryStatus>,

    /// startedAt is when its first task may have been moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub started_at: Option<Time>,

    /// finishedAt is when it was finished. The object is deleted 14 days later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub finished_at: Option<Time>,
}

/// CanaryStatus is what has become of a canary's tasks.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// succeeded is how many have succeeded.
    pub succeeded: i64,
    /// failed is how many have failed, and are parked again.
    pub failed: i64,
    /// open is how many have not ended yet.
    pub open: i64,
}

crate::conditions::words! {
    /// The reason of the condition `Finished`.
    pub enum RedriveReason {
        /// An older redrive or discard of the chain goes first; the message says which.
        Waiting,
        /// It counts the tasks that are meant.
        Counting,
        /// The first tasks are moved, and the others wait for what becomes of them.
        Canary,
        /// Tasks are moved, or deleted.
        Moving,
        /// It can't go on now; the message says why, and what to do.
        Blocked,
        /// No parked task is meant any more.
        Done,
        /// Too few of the first tasks have succeeded. The others are still parked.
        CanaryFailed,
        /// It was stopped.
        Stopped,
        /// The namespace has no chain of that name.
        ChainNotFound,
        /// Its chain is being deleted.
        ChainDeleted,
        /// The chain has no such stage.
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
        "conditions has one entry, of type Finished: it is True when nothing is left to do, or nothing will be done any more. Its reasons are: {}",
        reasons.collect::<Vec<_>>().join(" ")
    )
}
