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
/// to the next stage's queue. When a task succeeds, or fails on the last stage, a notification is
/// sent.
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
    /// operator's --project. Immutable, because the queues hold tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9.:-]{1,100}$"), length(max = 100))]
    pub project: Option<String>,

    /// location is the Cloud Tasks location of the queues, such as europe-west1. Defaults to the
    /// operator's --location. Immutable, because the queues hold tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"), length(max = 63))]
    pub location: Option<String>,

    /// deletionPolicy is what happens to the stage queues when the chain is deleted. Retain: the
    /// operator pauses the queues, then deletes the workers. Tasks are kept for up to 31 days after
    /// their creation. If you apply the chain again, the operator resumes the queues. Drain: the
    /// operator serves the chain until its stage queues are empty. After that, the operator does
    /// the same as with Retain. Delete: the operator deletes the queues and their tasks. Cloud
    /// Tasks blocks the names of deleted queues for up to 7 days. Orphan: queues and workers keep
    /// running. If you later apply a chain with the same name, this chain takes them over. The
    /// notifier's queue is always kept. The parking queue is deleted only with Delete. Drain
    /// doesn't wait until the parking queue is empty.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// driftPolicy is what the operator does when a queue setting of this chain is changed outside
    /// the operator. Enforce: the operator restores the setting within seconds. Report: the
    /// condition Drifted shows the change. Changed rates, concurrency, and backoff stay until the
    /// spec is edited. To prevent the loss of tasks, the operator always restores unlimited
    /// attempts, the push address, and the token.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// notifier is how the client is notified when a task ends.
    pub notifier: Notifier,

    /// parking is where tasks that end as Failed are kept, until they are redriven or discarded. If
    /// parking is unset, only a Failed notification remains of such a task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parking: Option<Parking>,

    /// oidc is the service account that Cloud Tasks uses for pushes. Each push carries a token of
    /// this account. Workers refuse a push without a valid token. If oidc is unset, anyone who can
    /// reach a worker can run its handler. Requires push addresses with https. With oidc, the token
    /// replaces a producer's own Authorization header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,

    /// push is how pushes reach the workers: through your own ingress or through a Gateway. If
    /// unset, queues push to the cluster address of each stage's Service. An emulator in the
    /// cluster can reach this address, but Google can't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,

    /// httpTarget is who sets the queues' push addresses. Managed: the operator sets each queue's
    /// address. If the address of the workers changes, queued tasks go to the new address.
    /// Unmanaged isn't supported yet.
    #[serde(default)]
    pub http_target: HttpTargetPolicy,

    /// drainDelay is how long a worker accepts pushes after SIGTERM. During this time, load
    /// balancers notice that the worker is terminating, and stop sending pushes to it. Defaults to
    /// 10s. Use 60s behind a Google load balancer.
    #[serde(default = "default_drain_delay")]
    pub drain_delay: Duration,

    /// template is the pod template of each stage that has no template of its own. The containers
    /// of the template are the handler. They start before the worker, run beside it, and are
    /// stopped after the worker has drained.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub template: Option<PodTemplateSpec>,

    /// keepHeaders is a list of headers that stay on a task. Proxies can set X-Forwarded-*,
    /// X-Envoy-*, X-Real-IP, Forwarded, and Via. By default, the handler gets these headers, but
    /// the next stage and the notification don't. If your producers set such a header, add its name
    /// to this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub keep_headers: Vec<String>,

    /// workerTemplate is what the operator adds to the worker's container and to the objects of
    /// every stage. Set labels and annotations of the pods in template.metadata instead. A change
    /// of resources, env, or securityContext rolls all stages.
    #[serde(
        default,
        deserialize_with = "template::read",
        skip_serializing_if = "Option::is_none"
    )]
    pub worker_template: Option<WorkerTemplate>,

    /// stages is the list of stages, in the order in which tasks go through them. A stage is
    /// identified by its name. To move a stage to another queue, add a new stage and remove the old
    /// stage.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<Stage>,
}

/// WorkerTemplate is what the operator adds to the worker's container and to the objects of a stage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerTemplate {
    /// resources is the requests and limits of the worker's container. They override the chart's
    /// worker.resources, which the operator gets as --worker-template. Set resources if a quota of
    /// the namespace requires them, or if an autoscaler uses CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub resources: Option<ResourceRequirements>,

    /// env is the list of environment variables to add to the worker's container, such as RUST_LOG.
    /// They override the chart's worker.env. A variable that the operator sets itself is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub env: Vec<EnvVar>,

    /// securityContext is the security context of the worker's container. Its fields override the
    /// fields of the chart's worker.securityContext and of the operator's default. The default
    /// satisfies the Pod Security Standard restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(not(feature = "schema"), schemars(with = "serde_json::Value"))]
    pub security_context: Option<SecurityContext>,

    /// volumeMounts is the list of volumes to mount in the worker's container, such as a volume
    /// with your own certificate authority for SSL_CERT_FILE. Each stage's template.spec.volumes
    /// must contain these volumes.
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

    /// Reads JSON. A quantity may be a number, as in a manifest.
    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        let template = template::read(&mut serde_json::Deserializer::from_str(text))?;
        Ok(template.unwrap_or_default())
    }
}

/// AddedMetadata is labels and annotations that the operator adds to its own. A key that the
/// operator sets itself is refused.
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
    /// Finish all tasks, then do the same as with Retain.
    Drain,
    /// Delete the queues and the tasks in them.
    Delete,
    /// Leave queues and workers running.
    Orphan,
}

/// DriftPolicy is what the operator does about changes made outside the operator.
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
    /// The operator sets the addresses.
    #[default]
    Managed,
    /// The operator leaves the addresses alone.
    Unmanaged,
}

/// Notifier is how the client is notified: for each task that ends, a CloudEvent is sent through a
/// queue.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notifier {
    /// queue is the ID of the queue that carries the notifications. Several chains can use the same
    /// notifier's queue. It must not be a stage's queue.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// url is the address to which notifications are POSTed, as CloudEvents in structured JSON.
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: String,

    /// outcomes is the list of outcomes for which notifications are sent: Succeeded, Failed, or
    /// both. Defaults to both. If Failed isn't listed and the chain has no parking, a task that
    /// fails on the last stage leaves no trace.
    // Not "on": kubectl reads YAML 1.1, where an unquoted on is the boolean true.
    #[serde(default = "both_outcomes")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub outcomes: Vec<Outcome>,

    /// rateLimits is how fast notifications are sent. If a field is unset, the operator leaves the
    /// queue's value alone. If several chains share the queue, the first chain that uses the queue
    /// sets its limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// oidc configures the token that Cloud Tasks adds to each notification. Set it if the receiver
    /// requires a token. Requires a url with https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<NotifierOidc>,
}

/// NotifierOidc configures the token of notifications. Cloud Tasks creates a new token for each
/// request.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NotifierOidc {
    /// serviceAccountEmail is the service account that the token identifies. The account must
    /// belong to the project of the queue. To create notifications, the workers need the permission
    /// iam.serviceAccounts.actAs on this account.
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
    /// The task exhausted its attempts on the last stage, or expired there. Or a route to fail, or
    /// the handler's verdict fail, ended the task.
    Failed,
}

/// Parking configures the queue that keeps tasks that end as Failed. This queue is always paused.
/// Each task is kept with its body and headers for up to 31 days after it was parked. The Failed
/// notification is sent after the task is parked.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Parking {
    /// queue is the ID of the queue that keeps the tasks. The queue must not be a stage's queue,
    /// the notifier's queue, or a queue of another chain. The operator creates the queue and keeps
    /// it paused, even if a person resumes it. If you remove parking or set another queue, the old
    /// queue stays paused and keeps its tasks.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// keep is the list of causes for which a task is parked: Exhausted, Fail, Route, Expired,
    /// Loop, and Unpassable. Defaults to all causes.
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

/// Oidc is the service account that Cloud Tasks uses for pushes. A worker accepts a push only if it
/// has a token of this account for one of the audiences. A refused push doesn't count as an
/// attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Oidc {
    /// serviceAccountEmail is the service account whose token each push carries. The account must
    /// belong to the project of the queues. The operator needs the permission
    /// iam.serviceAccounts.actAs on this account.
    #[schemars(length(max = 320))]
    pub service_account_email: String,
    /// audiences is the list of audiences that workers accept. Cloud Tasks creates tokens for the
    /// first audience. Use an audience that no other service accepts from this account, such as the
    /// chain's name.
    #[schemars(length(min = 1, max = 8), inner(length(max = 2083)), extend("x-kubernetes-list-type" = "atomic"))]
    pub audiences: Vec<String>,
}

/// Push is how pushes reach the workers. Exactly one of url and gateway must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Push {
    /// url is the address of a stage behind your own ingress: scheme, host, and port, such as
    /// `https://{stage}-{chain}-{namespace}.push.example.com`. If the chain has several stages, url
    /// must contain {stage}. Tasks keep their own path and query, so only the host distinguishes
    /// the stages. Configure the load balancer's health check with port 9481 and path
    /// /readyz/load-balancer. A health check of the push port gets 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// gateway is the Gateway that receives the pushes. For each stage, the operator attaches an
    /// HTTPRoute to the Gateway. On GKE, the operator also creates the policies that the route
    /// needs. Queues push to the route's host over https, port 443.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
}

/// Gateway refers to a Gateway of the Gateway API. The operator attaches routes to the Gateway and
/// never changes the Gateway itself.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gateway {
    /// name is the name of the Gateway.
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub name: String,
    /// namespace is the namespace of the Gateway. Defaults to the chain's namespace. The
    /// allowedRoutes of the Gateway's listener must include the chain's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        length(min = 1, max = 63)
    )]
    pub namespace: Option<String>,
    /// sectionName is the name of the listener to attach to. If unset, the route is attached to
    /// every listener that allows it, including a plain HTTP listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"),
        length(min = 1, max = 253)
    )]
    pub section_name: Option<String>,
    /// hostname is the host of a stage, such as `{stage}-{chain}-{namespace}.push.example.com`. If
    /// the chain has several stages, hostname must contain {stage}. If a label is longer than 63
    /// characters, the operator shortens it and adds a hash to keep it unique.
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
    /// doesn't exist. Immutable, because the queue holds tasks.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,100}$"), length(max = 100))]
    pub queue: String,

    /// maxAttempts is how many times the handler runs a task on this stage before the task is
    /// handed over. The worker counts these attempts. The queue itself has unlimited attempts. If
    /// the worker is down or at capacity, a push doesn't count as an attempt.
    #[schemars(range(min = 1))]
    pub max_attempts: i32,

    /// rateLimits is how fast the queue dispatches. A change takes effect within a second and
    /// restarts no pods. If a field is unset, the operator leaves the queue's value alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,

    /// backoff is how long a failed task waits before the next attempt. A change takes effect
    /// within a second and restarts no pods. If a field is unset, the operator leaves the queue's
    /// value alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,

    /// replicas is the number of worker pods. If unset, the operator leaves the number to an
    /// autoscaler. If you remove the field, the current number stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,

    /// concurrency is the number of tasks that one worker pod runs at the same time. Defaults to
    /// 100. The capacity of a stage is replicas times concurrency. It should be at least the
    /// queue's maxConcurrentDispatches. Pushes over the capacity get 503, which makes Cloud Tasks
    /// throttle the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub concurrency: Option<i32>,

    /// giveUpAfter is how long a task can stay on this stage after its first push here. The limit
    /// applies only if at least 10 dispatches of the task on this stage got no response or a 5xx.
    /// After this time, the worker hands the task over with the reason expired. Defaults to 480h.
    /// Such a task is handed over at the latest 30.5 days after its creation. Otherwise, Cloud
    /// Tasks would delete the task silently after 31 days.
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

    /// routes is a list of shortcuts. A task that matches a route goes directly to a later stage,
    /// or ends as Failed. The first route that matches applies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub routes: Vec<Route>,

    /// isolate is a list of rules for categories of tasks, such as the tasks of one customer. As
    /// long as the tasks of a category hang or fail, they go to a later stage. The other tasks
    /// stay, and are not slowed down. Each pod decides by its own runs. The last stage can't have
    /// rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "atomic"))]
    pub isolate: Vec<IsolationRule>,

    /// holdOnOutage is the maximum duration of a hold, from 10s to 24h. A pod holds when its
    /// handler fails for nearly all tasks. During a hold, tasks wait, and no attempts are counted.
    /// Only one task a second runs, to find out whether the handler has recovered. If unset, pods
    /// don't hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_on_outage: Option<Duration>,

    /// retryAfter is whether the handler can set the time of a task's next attempt. Follow: the
    /// header Retry-After or the verdict later sets this time. Ignore: the queue's backoff sets
    /// this time, and the verdict later counts as a failed attempt. Defaults to Follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<RetryAfter>,

    /// delay is the time between a hand-over to this stage and the task's first attempt here. At
    /// most 24h. If unset, the queue dispatches the task as soon as its rate limits allow. The
    /// first stage can't have a delay, because producers create its tasks. Producers can set
    /// scheduleTime on a task instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,

    /// paused is whether the queue is paused. If true, the operator pauses the queue: tasks are
    /// kept and not dispatched. If false, the operator resumes the queue whenever it is paused. If
    /// unset, the operator resumes the queue only if the operator itself has paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// RateLimits is how fast a queue dispatches.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RateLimits {
    /// maxDispatchesPerSecond is the maximum number of dispatches per second, including retries.
    /// Fractions are allowed. Cloud Tasks' default for a new queue is 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 0, "exclusiveMinimum" = true, "maximum" = 500))]
    pub max_dispatches_per_second: Option<f64>,

    /// maxConcurrentDispatches is the maximum number of dispatches in flight. Cloud Tasks' default
    /// for a new queue is 1000.
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

    /// maxDoublings is how many times the wait doubles. After that, the wait grows linearly. Cloud
    /// Tasks' default for a new queue is 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_doublings: Option<i32>,
}

/// Handler is an HTTP server that runs tasks. A 2xx response is success. A redirect to the same
/// scheme, host, and port is followed. Any other response is a failed attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Handler {
    /// port is the port on which the handler's container listens, at localhost of the pod. Defaults
    /// to 8080. If the handler doesn't listen on this port, the pod isn't ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// path replaces the path and query of the task. A single slash isn't allowed. Defaults to the
    /// task's own path and query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^/[^\s]+$"), length(max = 1024))]
    pub path: Option<String>,

    /// url is the address of a handler outside the pod. If the URL has a path, this path replaces
    /// the path and query of the task. If url is set, port and path can't be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^\s]+$"), length(max = 2083))]
    pub url: Option<String>,

    /// timeout is the maximum duration of a run. Must be below 30m. Defaults to 60s. A longer run
    /// is a failed attempt with the reason timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,

    /// host is the Host header of requests to the handler, for servers that check it. Defaults to
    /// the host and port that the worker connects to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._-]+(:[0-9]{1,5})?$"), length(max = 255))]
    pub host: Option<String>,

    /// headers is a list of headers that the worker adds to each request to the handler. An added
    /// header replaces the task's header of the same name. Don't put secrets into the values,
    /// because the chain and the Deployment show the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub headers: Vec<HandlerHeader>,

    /// cloudTasksHeaders is whether the handler gets the X-CloudTasks-* headers: Pass or Drop.
    /// Defaults to Pass. On every stage, these headers have the name and queue of the task that the
    /// producer created. Their counts include the attempts on all stages.
    // Not On and Off, which are booleans in YAML 1.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_tasks_headers: Option<Passing>,

    /// token is whether the handler gets the verified token of a push: Pass or Drop. Defaults to
    /// Drop. Pass requires spec.oidc. A handler that has the token can push to this stage until the
    /// token expires, after one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Passing>,
}

/// HandlerHeader is a header that the worker adds to each request to the handler.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HandlerHeader {
    /// name is the name of the header. A header that Cloud Tasks, the worker, or the connection
    /// sets isn't allowed, such as Executor-Attempt, Content-Length, or Host.
    #[schemars(regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_|~-]+$"), length(max = 256))]
    pub name: String,
    /// value is the value of the header, in printable ASCII.
    #[schemars(regex(pattern = r"^[ -~]*$"), length(max = 1024))]
    pub value: String,
}

/// Passing is whether the handler gets a header.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
// kube replaces an optional field's description by that of its enum.
#[schemars(description = "")]
pub enum Passing {
    /// The handler gets the header.
    Pass,
    /// The worker drops the header.
    Drop,
}

/// Route sends matching tasks directly to a later stage, or ends them as Failed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// match is the condition for the route.
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    /// to is the name of a later stage of this chain, or fail. A route to fail ends the task as
    /// Failed.
    #[schemars(length(min = 1, max = 63))]
    pub to: String,
}

/// RouteMatch is the condition for a route. Exactly one field must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteMatch {
    /// reason matches a failed attempt with this reason. The handler sets the reason with the
    /// header Executor-Reason. The worker sets the reasons timeout, connection, redirect, and tls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.-]{1,63}$"), length(max = 63))]
    pub reason: Option<String>,
    /// status matches a failed attempt with this response code of the handler, such as 503. A class
    /// of codes, such as 4xx, matches every code of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[1-5]([0-9]{2}|xx)$"), length(max = 3))]
    pub status: Option<String>,
    /// header matches a task that has this header. The header is matched before the handler runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderMatch>,
}

/// IsolationRule sends the tasks of a category to a later stage, as long as the category hangs or
/// fails. At least one of maxShare and failures must be set.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IsolationRule {
    /// by is how tasks are grouped into categories.
    pub by: CategoryKey,
    /// to is the name of the stage to which isolated tasks go. It must be a later stage of this
    /// chain. Defaults to the next stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub to: Option<String>,
    /// maxShare is the maximum share of a pod's run slots that a category can take, such as 25%.
    /// From 1% to 100%. The limit applies only if at least three quarters of the pod's slots are
    /// taken. The pod isolates tasks that exceed the limit. If unset, a category can take all
    /// slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub max_share: Option<String>,
    /// failures is how many of a category's last attempts on a pod must fail before the pod
    /// isolates the category. If a third or more of the other tasks' attempts fail too, the pod
    /// doesn't isolate the category. After 5 to 10 s, the pod runs some tasks of the category
    /// again. If two runs succeed, the isolation ends. {} sets the defaults. If unset, the pod
    /// isolates no category because of failures.
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
    /// of is how many of the category's most recent attempts are counted.
    #[serde(default = "default_of")]
    #[schemars(range(min = 1, max = 64))]
    pub of: i32,
    /// atLeast is how many of the counted attempts must have failed. It can't be larger than the
    /// field of.
    #[serde(default = "default_at_least")]
    #[schemars(range(min = 1, max = 64))]
    pub at_least: i32,
}

/// A category with a few tasks a second has this many attempts in a few seconds.
const fn default_of() -> i32 {
    16
}

/// Three quarters: if only half of a category's tasks fail, retries serve the category better.
const fn default_at_least() -> i32 {
    12
}

/// RetryAfter is whether the handler can set the time of a task's next attempt.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
// kube replaces an optional field's description by that of its enum.
#[schemars(description = "")]
pub enum RetryAfter {
    /// The handler can set this time.
    #[default]
    Follow,
    /// The queue's backoff sets this time.
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
