//! What a manifest says. The doc comments are what `kubectl explain` prints.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::status::ExecutorChainStatus;
use crate::template;

/// A ladder of stages for the tasks of Cloud Tasks. A task that has used up its attempts on one
/// stage is handed to the next stage's queue; after the last one the client gets a Failed
/// notification, and a Succeeded one as soon as a handler has succeeded.
#[derive(CustomResource, JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "executor-chain.dev",
    version = "v1alpha1",
    kind = "ExecutorChain",
    namespaced,
    status = "ExecutorChainStatus",
    derive = "PartialEq",
    shortname = "chain",
    shortname = "ec",
    category = "all",
    doc = "A ladder of stages for the tasks of Cloud Tasks: when a task's attempts on one stage are used up it is handed to the next stage's queue, and after the last stage the client is told.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Path", type_ = "string", json_path = ".status.path"),
    printcolumn(name = "Paused", type_ = "string", json_path = ".status.paused"),
    printcolumn(name = "Draining", type_ = "string", json_path = ".status.draining"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorChainSpec {
    /// The Google Cloud project of the queues, by id. Default: the operator's own. It can't be
    /// changed, since the tasks under way live in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9.:-]{1,100}$"), length(max = 100))]
    pub project: Option<String>,

    /// The Cloud Tasks location of the queues, such as europe-west1. Default: the operator's own.
    /// It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"), length(max = 63))]
    pub location: Option<String>,

    /// What becomes of the queues when the chain is deleted. Retain pauses the stage queues before
    /// the workers go: no task is lost for 31 days, and applying the chain again carries on. Drain
    /// serves the chain until its stage queues are empty, and then does the same. Delete
    /// deletes the stage queues with the tasks in them; their names stay blocked for days. Orphan
    /// leaves queues and workers as they are, and a chain of that name that is applied again takes
    /// them over. The notifier's queue stays in any case.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// What happens when somebody else changes a setting of a queue that this chain sets. Enforce
    /// puts it right within seconds. Report shows it in the condition Drifted and leaves rates,
    /// concurrency and backoff alone until the spec is edited. Attempts without end and the
    /// address are put right either way: on these rests that no task is lost.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// How the client is told what became of its tasks.
    pub notifier: Notifier,

    /// How each push proves that it comes from Cloud Tasks. Left out, whoever reaches a worker can
    /// run its handler. Needs a push address with https; a producer's own Authorization header then
    /// doesn't reach the handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,

    /// How pushes reach the workers: by your own ingress, or by a Gateway. Default: the cluster address
    /// of each stage's Service, which an emulator can reach and Google can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,

    /// Who sets where the queues push to. Managed: the operator writes each queue's own address, so
    /// that tasks already queued follow when the workers move.
    #[serde(default)]
    pub http_target: HttpTargetPolicy,

    /// How long a worker that is told to stop goes on accepting pushes, since load balancers learn
    /// late that it is leaving. Default 10s; behind a Google load balancer 60s is better.
    #[serde(default = "default_drain_delay")]
    pub drain_delay: Duration,

    /// The pod template of every stage that has none of its own. Its containers are the handler;
    /// they run beside the worker, start before it, and are stopped after it has drained.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub template: Option<PodTemplateSpec>,

    /// The ladder, first stage first. A stage's name is its identity: to move a stage to another
    /// queue, add a new stage and remove the old one.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<Stage>,
}

/// 10s: endpoints and kube-proxy need a moment to learn that a pod is leaving.
fn default_drain_delay() -> Duration {
    Duration::from_secs(10)
}

/// What becomes of the queues when the chain is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// Pause the stage queues, keep every task.
    #[default]
    Retain,
    /// Finish every task first.
    Drain,
    /// Delete the queues and the tasks in them.
    Delete,
    /// Leave all as it is.
    Orphan,
}

/// What happens when somebody else changes a setting that the chain sets.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DriftPolicy {
    /// Put it right.
    #[default]
    Enforce,
    /// Only show it.
    Report,
}

/// Who sets where the queues push to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HttpTargetPolicy {
    /// The operator.
    #[default]
    Managed,
    /// Somebody else.
    Unmanaged,
}

/// How the client is told what became of its tasks: a CloudEvent, POSTed through a queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notifier {
    /// The queue that carries the notifications. Several chains may share one. It can't be the
    /// queue of a stage.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// Where notifications are POSTed, as a CloudEvent in structured JSON.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: String,

    /// Which outcomes are told. Default: both. Without Failed a task that fails for good leaves no
    /// trace.
    // Not "on": kubectl reads YAML 1.1, where an unquoted on is the boolean true.
    #[serde(default = "both_outcomes")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub outcomes: Vec<Outcome>,

    /// How fast notifications are sent. What is left out is not changed on the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,
}

fn both_outcomes() -> Vec<Outcome> {
    vec![Outcome::Succeeded, Outcome::Failed]
}

/// How a task ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A handler answered 2xx.
    Succeeded,
    /// The last stage's attempts were used up, or a route led to fail.
    Failed,
}

/// The identity that Cloud Tasks pushes with. Workers then refuse every push that doesn't carry a
/// token of this account for one of the audiences; one that is refused costs its task no attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// The service account whose token each push carries. It is of the project of the queues, and the
    /// operator must be allowed to act as it (iam.serviceAccounts.actAs).
    #[schemars(length(max = 320))]
    pub service_account_email: String,
    /// The audiences that a worker accepts; the first is set on the queues. Any words will do, such as
    /// the chain's name, if no other service that trusts this account accepts the same.
    #[schemars(length(min = 1, max = 8), inner(length(max = 2083)), extend("x-kubernetes-list-type" = "atomic"))]
    pub audiences: Vec<String>,
}

/// How pushes reach the workers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// Scheme, host and port under which your own ingress reaches a stage's Service, such as
    /// `https://{stage}-{chain}-{namespace}.push.example.com`. The task keeps its path and query, so
    /// stages are told apart by host: {stage} must be in it where there are several. Let the load
    /// balancer check port 9481, path /readyz/load-balancer: on the port of the pushes a check is no
    /// push, and gets 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// A Gateway under which the operator makes an HTTPRoute for each stage, and on GKE the policies
    /// that it needs beside it. Queues push to https, port 443, at the route's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
}

/// A Gateway of the Gateway API, which is somebody else's: the operator only attaches routes to it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// Its name.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub name: String,
    /// Its namespace. Default: the chain's. The Gateway's listener must allow routes from the chain's
    /// namespace (allowedRoutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub namespace: Option<String>,
    /// The listener to attach to. Default: each that allows it; then one for plain HTTP serves the
    /// pushes too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub section_name: Option<String>,
    /// The host of a stage, such as `{stage}-{chain}-{namespace}.push.example.com`. A label that gets
    /// longer than 63 characters is cut, and a hash keeps it apart from its like. {stage} must be in it
    /// where there are several stages.
    #[schemars(length(min = 1, max = 253))]
    pub hostname: String,
}

/// One rung of the ladder: a queue, how often a task is tried there, and by what.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// The stage's identity within the chain; part of its Deployment's name. The word fail is
    /// taken: routes use it for the end.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,

    /// The Cloud Tasks queue of this stage, by id. It is created if it isn't there. It can't be
    /// changed: tasks wait in it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// How often the handler runs for a task on this stage before the task is handed on. The
    /// worker counts; the queue itself never gives a task up. What never reached the handler (a
    /// worker that was away or full) doesn't count.
    #[schemars(range(min = 1))]
    pub max_attempts: i32,

    /// How fast the queue dispatches. Changing it restarts nothing and acts at once. What is left
    /// out is not changed on the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// How long a failed task waits. Changing it restarts nothing. What is left out is not changed
    /// on the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// How many worker pods. Left out, it is not set, and an autoscaler may own it; taken out, the
    /// number stays as it is until somebody else sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// How many tasks one worker pod runs at once, default 100. Times the replicas it should cover
    /// the queue's maxConcurrentDispatches: what has no room is answered 503, which slows the
    /// queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub concurrency: Option<i32>,

    /// How long a task may stay on this stage when nobody answers for it, default 480h. Then it is
    /// handed on with the reason expired; Cloud Tasks itself drops tasks after 31 days, unsaid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<Duration>,

    /// What runs the task: a container of the pod template, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,

    /// The pod template of this stage, in place of the chain's.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub template: Option<PodTemplateSpec>,

    /// Shortcuts, first match first: a task whose attempt ended so goes to a later stage at once,
    /// or to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub routes: Vec<Route>,

    /// true pauses the queue: tasks are kept, none is dispatched. Removing it resumes what it
    /// paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// How fast a queue dispatches.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimits {
    /// Dispatches a second, retries included; above 0, at most 500, fractions allowed. A new
    /// queue's own default is 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 500))]
    pub max_dispatches_per_second: Option<f64>,

    /// Dispatches under way at once, 1 to 5000. A new queue's own default is 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_concurrent_dispatches: Option<i32>,
}

/// How long a failed task waits before its next attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The wait after the first attempt. A new queue's own default is 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Duration>,

    /// The longest wait, below 24h. A new queue's own default is 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,

    /// How often the wait doubles before it grows by addition. A new queue's own default is 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_doublings: Option<i32>,
}

/// What runs a task: any HTTP server. 2xx is success, anything else a failed attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Handler {
    /// The port that the handler's container listens on, on 127.0.0.1 of the pod. Default 8080.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Replaces the task's own path and query; more than a slash. Default: the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[^\s]+$"), length(max = 1024))]
    pub path: Option<String>,

    /// A handler outside the pod: scheme, host, port. A path in it replaces the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: Option<String>,

    /// How long one run may take, below 30m; then the attempt has failed with the reason timeout.
    /// Default 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Where a task goes at once when an attempt ended in a given way.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// What it applies to.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// A later stage of this chain, or fail: notify Failed at once.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,
}

/// What a route applies to: exactly one of the three.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    /// The handler's Executor-Reason, or timeout or connection, which the worker gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,63}$"), length(max = 63))]
    pub reason: Option<String>,
    /// The handler's status, such as 503, or a class of them, such as 4xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-5]([0-9]{2}|xx)$"), length(max = 3))]
    pub status: Option<String>,
    /// A header of the task itself: it is sent on before the handler runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderMatch>,
}

/// A header of the task and the value it must have.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// The header's name; case doesn't matter.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256))]
    pub name: String,
    /// The whole value; case matters.
    #[schemars(length(max = 1024))]
    pub value: String,
}
