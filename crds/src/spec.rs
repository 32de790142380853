//! The spec of a chain. `kubectl explain` prints the doc comments.

use std::collections::BTreeMap;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{
    EnvVar, PodTemplateSpec, ResourceRequirements, SecurityContext, VolumeMount,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::status::ExecutorChainStatus;
use crate::template;

/// ExecutorChain is an ordered list of stages for the tasks of Cloud Tasks. Each stage has its own
/// queue, retry budget, and workers. A task that exhausts its attempts on one stage is handed over
/// to the next stage's queue. A notification reports whether the task succeeded, or failed on the
/// last stage.
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
    doc = "ExecutorChain is an ordered list of stages for the tasks of Cloud Tasks. A task that exhausts its attempts on one stage is handed over to the next stage's queue. The client is notified when a task succeeds, or fails on the last stage.",
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
    printcolumn(
        name = "Overridden",
        type_ = "string",
        json_path = ".status.overridden"
    ),
    printcolumn(name = "Draining", type_ = "string", json_path = ".status.draining"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ExecutorChainSpec {
    /// project is the ID of the Google Cloud project that has the queues. Defaults to the
    /// operator's --project. Immutable, since the queues hold tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9.:-]{1,100}$"), length(max = 100))]
    pub project: Option<String>,

    /// location is the Cloud Tasks location of the queues, such as europe-west1. Defaults to the
    /// operator's --location. Immutable, since the queues hold tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"), length(max = 63))]
    pub location: Option<String>,

    /// deletionPolicy is what happens to the stage queues when the chain is deleted. Retain pauses
    /// the queues before the workers are deleted. Tasks are kept for up to 31 days after their
    /// creation, and applying the chain again resumes the queues. Drain keeps serving the chain
    /// until its stage queues are empty, then does what Retain does. Delete deletes the queues and
    /// their tasks. The names of deleted queues are blocked for up to 7 days. Orphan leaves queues
    /// and workers running. If you later apply a chain with the same name, it takes them over. The
    /// notifier's queue is always kept. The parking queue is deleted only by Delete, and Drain
    /// doesn't wait for it.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// driftPolicy is what the operator does when a queue setting of this chain is changed outside
    /// the operator. Enforce restores the setting within seconds. Report shows the change in the
    /// condition Drifted and leaves rates, concurrency, and backoff alone until the spec is edited.
    /// Both policies restore unlimited attempts, the push address, and the token, because no task
    /// may be lost.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// notifier is how the client is notified of the outcome of its tasks.
    pub notifier: Notifier,

    /// parking is where tasks that end without a success are kept, until they are run again or
    /// deleted. If unset, only a Failed notification is left of such a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parking: Option<Parking>,

    /// oidc is the identity that Cloud Tasks pushes with. Workers refuse a push without a valid
    /// token. If unset, anyone who can reach a worker can run its handler. Requires https push
    /// addresses. With oidc, a producer's own Authorization header no longer reaches the handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,

    /// push is how pushes reach the workers: through your own ingress or through a Gateway.
    /// Defaults to the cluster address of each stage's Service. An emulator in the cluster can
    /// reach this address, but Google can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,

    /// httpTarget is who sets the queues' push addresses. Managed: the operator sets each queue's
    /// address. If the address of the workers changes, queued tasks go to the new address.
    /// Unmanaged isn't supported yet.
    #[serde(default)]
    pub http_target: HttpTargetPolicy,

    /// drainDelay is how long a worker keeps accepting pushes after SIGTERM, because load balancers
    /// notice late that it is terminating. Defaults to 10s. Use 60s behind a Google load balancer.
    #[serde(default = "default_drain_delay")]
    pub drain_delay: Duration,

    /// template is the pod template of every stage without a template of its own. Its containers
    /// are the handler. They run beside the worker, start before the worker, and are stopped after
    /// the worker has drained.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub template: Option<PodTemplateSpec>,

    /// keepHeaders is the list of headers that stay on a task although proxies set them too:
    /// X-Forwarded-*, X-Envoy-*, X-Real-IP, Forwarded, or Via. A header of these names that isn't
    /// listed reaches the handler, but neither the next stage nor the notification.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub keep_headers: Vec<String>,

    /// workerTemplate is what the operator adds to the worker's container and to the objects of every
    /// stage. Labels and annotations of the pods are set in template.metadata. A change of
    /// resources, env, or securityContext rolls all stages.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub worker_template: Option<WorkerTemplate>,

    /// stages is the list of stages, in the order in which tasks pass them. A stage is identified
    /// by its name. To move a stage to another queue, add a new stage and remove the old one.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<Stage>,
}

/// WorkerTemplate is what the operator adds to the worker's container and to the objects of a stage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerTemplate {
    /// resources is the requests and limits of the worker's container. They override the chart's
    /// worker.resources (the operator's --worker-template). Set resources if a quota of the
    /// namespace requires them, or if an autoscaler uses CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub resources: Option<ResourceRequirements>,

    /// env is the list of environment variables to add to the worker's container, such as RUST_LOG.
    /// They override the chart's worker.env. Variables that the operator sets are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub env: Vec<EnvVar>,

    /// securityContext is the security context of the worker's container. Its fields override those
    /// of the chart's worker.securityContext and of the operator's default. The default satisfies
    /// the Pod Security Standard restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub security_context: Option<SecurityContext>,

    /// volumeMounts is the list of volumes to mount in the worker's container, such as your own
    /// certificate authority for SSL_CERT_FILE. Each stage's template.spec.volumes must contain
    /// these volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub volume_mounts: Vec<VolumeMount>,

    /// deploymentMetadata is the labels and annotations to add to the Deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_metadata: Option<AddedMetadata>,

    /// serviceMetadata is the labels and annotations to add to the Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_metadata: Option<AddedMetadata>,
}

impl FromStr for WorkerTemplate {
    type Err = serde_json::Error;

    /// Reads JSON, in which a quantity may be a number, as in a manifest.
    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        let template = template::read(&mut serde_json::Deserializer::from_str(text))?;
        Ok(template.unwrap_or_default())
    }
}

/// AddedMetadata is the labels and annotations that the operator adds to its own. Keys that the
/// operator sets itself are refused.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct AddedMetadata {
    /// labels is the labels to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// annotations is the annotations to add.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// 10s: endpoints and kube-proxy need a moment to notice a terminating pod.
fn default_drain_delay() -> Duration {
    Duration::from_secs(10)
}

/// DeletionPolicy is what happens to the stage queues when the chain is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DeletionPolicy {
    /// Pause the queues and keep their tasks.
    #[default]
    Retain,
    /// Finish all tasks, then do what Retain does.
    Drain,
    /// Delete the queues and the tasks in them.
    Delete,
    /// Leave queues and workers running.
    Orphan,
}

/// DriftPolicy is what the operator does about changes made outside it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DriftPolicy {
    /// Restore the setting.
    #[default]
    Enforce,
    /// Only report the change.
    Report,
}

/// HttpTargetPolicy is who sets the queues' push addresses.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum HttpTargetPolicy {
    /// The operator sets them.
    #[default]
    Managed,
    /// The operator leaves them alone.
    Unmanaged,
}

/// Notifier is how the client is notified: a CloudEvent for each task that ends, sent through a
/// queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notifier {
    /// queue is the ID of the queue that carries the notifications. Chains may share it. It must
    /// not be a stage's queue.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// url is the address that notifications are POSTed to, as CloudEvents in structured JSON.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: String,

    /// outcomes is the list of outcomes to notify about. Defaults to both. Without Failed, a task
    /// that fails on the last stage leaves no trace, unless the chain has parking.
    // Not "on": kubectl reads YAML 1.1, where an unquoted on is the boolean true.
    #[serde(default = "both_outcomes")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub outcomes: Vec<Outcome>,

    /// rateLimits is how fast notifications are sent. A field that is unset is neither set nor
    /// corrected on the queue. If several chains share the queue, the first that uses it sets its
    /// limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// oidc is the token that notifications carry, for a receiver that requires one. Requires an
    /// https url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<NotifierOidc>,
}

/// NotifierOidc is the token that notifications carry. Cloud Tasks creates it for each request.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotifierOidc {
    /// serviceAccountEmail is the service account that the token is for. It must belong to the
    /// project of the queue. Without the permission iam.serviceAccounts.actAs on this account, the
    /// workers can't create notifications.
    #[schemars(length(max = 320))]
    pub service_account_email: String,
    /// audience is the audience of the token, such as the receiver's URL.
    #[schemars(length(min = 1, max = 2083))]
    pub audience: String,
}

fn both_outcomes() -> Vec<Outcome> {
    vec![Outcome::Succeeded, Outcome::Failed]
}

/// Outcome is how a task ended.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A handler answered 2xx.
    Succeeded,
    /// The task exhausted its attempts on the last stage, expired there, or was sent to fail by a
    /// route or by the handler.
    Failed,
}

/// Parking is where tasks that end without a success are kept: a queue that is always paused,
/// because Cloud Tasks has no dead-letter queue. A task is kept with its body and headers for up to
/// 31 days after it was parked. It is parked before its Failed notification is sent.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Parking {
    /// queue is the ID of the queue that keeps the tasks. It must be neither a stage's queue nor
    /// the notifier's, and chains can't share it. The operator creates and pauses the queue, and
    /// pauses it again if a person resumes it. If you remove parking or name another queue, the
    /// former queue stays paused and keeps its tasks.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// keep is the list of causes for which a task is parked: Exhausted, Fail, Route, Expired, Loop,
    /// and Unpassable. Defaults to all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 6), extend("x-kubernetes-list-type" = "set"))]
    pub keep: Option<Vec<EndCause>>,
}

/// EndCause is why a task ended without a success.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The task exhausted its attempts on the last stage.
    Exhausted,
    /// The handler's verdict was fail.
    Fail,
    /// A route led to fail.
    Route,
    /// The task was on the last stage for longer than giveUpAfter.
    Expired,
    /// The task was handed over more often than a chain has stages.
    Loop,
    /// Cloud Tasks refuses to create the task on the next stage's queue.
    Unpassable,
}

impl EndCause {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Exhausted,
        Self::Fail,
        Self::Route,
        Self::Expired,
        Self::Loop,
        Self::Unpassable,
    ];
}

/// Oidc is the identity that Cloud Tasks pushes with. Workers refuse each push that lacks a token
/// of this account for one of the audiences. A refused push doesn't count as an attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// serviceAccountEmail is the service account whose token each push carries. It must belong to
    /// the project of the queues. The operator needs the permission iam.serviceAccounts.actAs on
    /// it.
    #[schemars(length(max = 320))]
    pub service_account_email: String,
    /// audiences is the list of audiences that workers accept. The queues use the first audience.
    /// Use an audience that no other service accepts from this account, such as the chain's name.
    #[schemars(length(min = 1, max = 8), inner(length(max = 2083)), extend("x-kubernetes-list-type" = "atomic"))]
    pub audiences: Vec<String>,
}

/// Push is how pushes reach the workers. Exactly one of url and gateway must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// url is the address of a stage behind your own ingress: scheme, host, and port, such as
    /// `https://{stage}-{chain}-{namespace}.push.example.com`. It must contain {stage} if the chain
    /// has several stages: tasks keep their own path and query, so only the host distinguishes the
    /// stages. Point the load balancer's health check at port 9481, path /readyz/load-balancer. On
    /// the push port, a health check gets 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// gateway is a Gateway to which the operator attaches an HTTPRoute for each stage, and on GKE
    /// the policies that the route needs. Queues push to the route's host over https, port 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
}

/// Gateway refers to a Gateway of the Gateway API. The operator attaches routes to it and never
/// changes it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// name is the name of the Gateway.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub name: String,
    /// namespace is the namespace of the Gateway. Defaults to the chain's namespace. The Gateway's
    /// listener must allow routes from the chain's namespace (allowedRoutes).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub namespace: Option<String>,
    /// sectionName is the name of the listener to attach to. Defaults to every listener that allows
    /// the route, including a plain HTTP listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub section_name: Option<String>,
    /// hostname is the host of a stage, such as `{stage}-{chain}-{namespace}.push.example.com`. It
    /// must contain {stage} if the chain has several stages. A label longer than 63 characters is
    /// shortened and made unique with a hash.
    #[schemars(length(min = 1, max = 253))]
    pub hostname: String,
}

/// Stage is one step of the chain: a queue, its retry budget, and the workers that serve it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// name identifies the stage within the chain and is part of its Deployment's name. The name
    /// fail isn't allowed, because a route to fail ends the task.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub name: String,

    /// queue is the ID of the Cloud Tasks queue of this stage. The operator creates the queue if it
    /// doesn't exist. Immutable, since the queue holds tasks.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// maxAttempts is the number of times the handler runs for a task on this stage before the task
    /// is handed over. The worker counts the attempts; the queue has unlimited attempts. A push
    /// that doesn't reach the handler, because the worker is down or at capacity, doesn't count.
    #[schemars(range(min = 1))]
    pub max_attempts: i32,

    /// rateLimits is how fast the queue dispatches. A change takes effect within a second and
    /// restarts no pods. A field that is unset is neither set nor corrected on the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// backoff is how long a failed task waits before the next attempt. A change takes effect
    /// within a second and restarts no pods. A field that is unset is neither set nor corrected on
    /// the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// replicas is the number of worker pods. If unset, the operator leaves the number to an
    /// autoscaler. Removing the field keeps the current number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// concurrency is the number of tasks that one worker pod runs at once. Defaults to 100.
    /// Replicas times concurrency should be at least the queue's maxConcurrentDispatches: pushes
    /// over the workers' capacity get 503, which throttles the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub concurrency: Option<i32>,

    /// giveUpAfter is the longest time that a task stays on this stage, counted from its first
    /// push. After this time, the worker hands the task over with the reason expired, if at least
    /// 10 of its dispatches got no answer or a 5xx. Defaults to 480h. The worker hands over such a
    /// task at the latest 30.5 days after its creation, because Cloud Tasks deletes a task silently
    /// after 31 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub give_up_after: Option<Duration>,

    /// handler is the HTTP server that runs the tasks: a container of the pod template, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<Handler>,

    /// template is the pod template of this stage. It replaces the chain's template.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub template: Option<PodTemplateSpec>,

    /// routes is a list of shortcuts: a task that matches goes directly to a later stage, or ends
    /// as Failed. The first match applies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub routes: Vec<Route>,

    /// isolate is a list of rules that keep one category of tasks, such as the tasks of one
    /// customer, from slowing down all others. While a category hangs or fails, its tasks go to a
    /// later stage, and the other tasks stay. Each pod decides from its own runs. The last stage
    /// can't have rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "atomic"))]
    pub isolate: Vec<IsolationRule>,

    /// holdOnOutage is the maximum time that a pod holds while its handler fails for nearly all
    /// tasks. While a pod holds, its tasks wait, and no attempt is counted. The pod still runs one
    /// task a second, to find out whether the handler has recovered. From 10s to 24h. If unset,
    /// pods don't hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_on_outage: Option<Duration>,

    /// retryAfter is whether the handler can set the time of a task's next attempt, with the header
    /// Retry-After or the verdict later. Follow or Ignore. Defaults to Follow. With Ignore, the
    /// queue's backoff sets this time, and the verdict later counts as a failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,

    /// delay is the time between a hand-over to this stage and the task's first attempt here. At
    /// most 24h. The first stage can't have a delay: its tasks come from producers, which can set
    /// scheduleTime. If unset, a task waits only for its turn in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,

    /// paused pauses the queue if true: tasks are kept and not dispatched. If false, the operator
    /// keeps the queue running and lifts any pause. If unset, the operator lifts only pauses that
    /// it has made itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// RateLimits is how fast a queue dispatches.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RateLimits {
    /// maxDispatchesPerSecond is the number of dispatches per second, retries included. Fractions
    /// are allowed. Cloud Tasks' default for a new queue is 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 500))]
    pub max_dispatches_per_second: Option<f64>,

    /// maxConcurrentDispatches is the number of dispatches that may be in flight at once. Cloud
    /// Tasks' default for a new queue is 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_concurrent_dispatches: Option<i32>,
}

/// Backoff is how long a failed task waits before its next attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// min is the wait after the first attempt. Cloud Tasks' default for a new queue is 100ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Duration>,

    /// max is the longest wait. Must be below 24h. Cloud Tasks' default for a new queue is 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Duration>,

    /// maxDoublings is the number of times the wait doubles before it grows linearly. Cloud Tasks'
    /// default for a new queue is 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_doublings: Option<i32>,
}

/// Handler is an HTTP server that runs tasks. A 2xx response is success. A redirect to the same
/// scheme, host, and port is followed. Any other response is a failed attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Handler {
    /// port is the port that the handler's container listens on, at localhost of the pod. Defaults
    /// to 8080. A pod whose handler doesn't listen there isn't ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// path replaces the path and query of the task. A single slash isn't allowed. Defaults to the
    /// task's own path and query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[^\s]+$"), length(max = 1024))]
    pub path: Option<String>,

    /// url is the address of a handler outside the pod. A path in the URL replaces the path and
    /// query of the task. With url, port and path can't be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: Option<String>,

    /// timeout is how long one run may take. Must be below 30m. Defaults to 60s. A longer run is a
    /// failed attempt with the reason timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,

    /// host is the Host header of requests to the handler, for servers that check it. Defaults to
    /// the host and port that the worker connects to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+(:[0-9]{1,5})?$"), length(max = 255))]
    pub host: Option<String>,

    /// headers is a list of headers that the worker adds. They replace the task's headers with the
    /// same names. Don't put secrets into the values, because the chain and the Deployment show
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<HandlerHeader>,

    /// cloudTasksHeaders is whether the handler gets the X-CloudTasks-* headers: Pass or Drop.
    /// Defaults to Pass. On every stage, these headers name the first task and its queue, and count
    /// the attempts on all stages.
    // Not On and Off, which are booleans in YAML 1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_tasks_headers: Option<Passing>,

    /// token is whether the handler gets the token of a push, once the worker has verified it: Pass
    /// or Drop. Defaults to Drop. Pass requires spec.oidc. With the token, the handler can push to
    /// this stage until the token expires, after one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Passing>,
}

/// HandlerHeader is a header that the worker adds to each request to the handler.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HandlerHeader {
    /// name is the name of the header. It can't be one that Cloud Tasks, the worker, or the
    /// connection sets, such as Executor-Attempt, Content-Length, or Host.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256))]
    pub name: String,
    /// value is the value of the header, in printable ASCII.
    #[schemars(regex(pattern = r"^[ -~]*$"), length(max = 1024))]
    pub value: String,
}

/// Passing is whether something reaches the handler.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
// kube replaces an optional field's description by that of its enum.
#[schemars(description = "")]
pub enum Passing {
    /// It reaches the handler.
    Pass,
    /// The worker drops it.
    Drop,
}

/// Route sends matching tasks directly to a later stage, or to their end.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// match is the condition for the route.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// to is the name of a later stage of this chain, or fail, which ends the task as Failed.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,
}

/// RouteMatch is the condition for a route. Exactly one field must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    /// reason matches a failed attempt by its reason: the handler's Executor-Reason, or timeout,
    /// connection, redirect, or tls, which the worker sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,63}$"), length(max = 63))]
    pub reason: Option<String>,
    /// status matches a failed attempt by the handler's response code, such as 503, or a class of
    /// codes, such as 4xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-5]([0-9]{2}|xx)$"), length(max = 3))]
    pub status: Option<String>,
    /// header matches a header of the task, before the handler runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderMatch>,
}

/// IsolationRule sends the tasks of a category to a later stage while the category hangs or fails. At
/// least one of maxShare and failures must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationRule {
    /// by is how tasks are grouped into categories.
    pub by: CategoryKey,
    /// to is the name of a later stage of this chain, to which isolated tasks go. Defaults to the next
    /// stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub to: Option<String>,
    /// maxShare is the share of a pod's run slots that a category may take, such as 25%. From 1% to
    /// 100%. The limit applies while at least three quarters of the slots are taken. The pod
    /// isolates tasks over this share. If unset, a category may take all slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub max_share: Option<String>,
    /// failures is how many of a category's last attempts on a pod must fail before the pod
    /// isolates the category. The pod isolates it only if less than a third of the other tasks'
    /// attempts fail. Now and then, the pod tries some tasks of an isolated category. If these
    /// succeed, the isolation ends. {} takes the defaults. If unset, failures don't isolate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<FailureThreshold>,
}

/// CategoryKey is how tasks are grouped into categories.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CategoryKey {
    /// header is the name of a task header. Case doesn't matter. Each value of the header is a
    /// category. Tasks without the header are never isolated.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256))]
    pub header: String,
}

/// FailureThreshold is how many of a category's last attempts must fail.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FailureThreshold {
    /// of is the number of most recent attempts that count.
    #[serde(default = "default_of")]
    #[schemars(range(min = 1, max = 64))]
    pub of: i32,
    /// atLeast is how many of these attempts must have failed. The field of is the maximum.
    #[serde(default = "default_at_least")]
    #[schemars(range(min = 1, max = 64))]
    pub at_least: i32,
}

/// As many as a category with a few tasks a second has in a few seconds.
const fn default_of() -> i32 {
    16
}

/// Three quarters: if half of a category's tasks fail, retries serve it better.
const fn default_at_least() -> i32 {
    12
}

/// RetryAfter is whether the handler can set the time of a task's next attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
// kube replaces an optional field's description by that of its enum.
#[schemars(description = "")]
pub enum RetryAfter {
    /// It can.
    #[default]
    Follow,
    /// The queue's backoff decides.
    Ignore,
}

/// HeaderMatch is a header of the task and the value that it must have.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderMatch {
    /// name is the name of the header. Case doesn't matter.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256))]
    pub name: String,
    /// value is the exact value of the header. Case matters.
    #[schemars(length(max = 1024))]
    pub value: String,
}
