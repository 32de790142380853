//! The environment variables of a worker, written and read.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudtasks::QueuePath;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{EnvVar, Pod as KubernetesPod, PodSpec};
use kube::ResourceExt;
use serde_json::{Value, json};
use worker_contract::env::{
    CHAIN, CLOUD_TASKS_EMULATOR_HOST, CONCURRENCY, DELAYS, DISPATCH_DEADLINES, DOWNSTREAM_QUEUE,
    DRAIN_DELAY, GIVE_UP_AFTER, HANDLER_CLOUD_TASKS_HEADERS, HANDLER_HEADERS, HANDLER_HOST,
    HANDLER_TIMEOUT, HANDLER_TOKEN, HANDLER_URL, HOLD_ON_OUTAGE, IGNORE_RETRY_AFTER, ISOLATE,
    KEEP_HEADERS, LOOKUP_QUEUES, MAX_ATTEMPTS, NOTIFIER_OIDC_AUDIENCE,
    NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL, NOTIFIER_QUEUE, NOTIFIER_URL, NOTIFY_ON, OIDC_AUDIENCES,
    OIDC_SERVICE_ACCOUNT_EMAILS, PARKING_KEEP, PARKING_QUEUE, QUEUE, RETIRED_NOTIFIER_QUEUES,
    RETIRED_PARKING_QUEUES, RETRY_AFTER, ROUTE_TO_FAIL, ROUTES, STAGE,
};

use super::blocked_containers::blocked_containers;
use super::names::STAGE_LABEL;
use crate::model::{
    ChainView, Desired, DesiredParking, DesiredStage, IsolationRule, Observed, Pod, RequiredToken,
    Target,
};

/// The name of the worker's container.
pub(crate) const WORKER: &str = "worker";

/// Queues that the chain no longer uses, and in which an earlier dispatch may have created a
/// hand-over or a notification: a worker that doesn't look them up ends the task twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetiredQueues {
    /// Of removed stages.
    pub stages: Vec<QueuePath>,
    /// Of the notifier. Kept as long as the chain exists: there is no clock here, and a look-up more
    /// costs little.
    pub notifiers: BTreeSet<String>,
    /// Of parking. Kept as those of the notifier.
    pub parking: BTreeSet<String>,
}

impl RetiredQueues {
    /// As the Deployments say, which were applied before the edit.
    pub fn of(view: ChainView<'_>) -> Self {
        let stages = view.removed_stages();
        let ChainView { desired, observed } = view;
        let parking = desired.parking_queue();
        // Sorted, or the end of one stage's workers would roll all others.
        let mut stages: Vec<QueuePath> = stages.into_iter().map(|it| it.queue).collect();
        stages.sort();
        Self {
            stages,
            notifiers: retired(
                observed,
                [NOTIFIER_QUEUE, RETIRED_NOTIFIER_QUEUES],
                Some(&desired.notifier.queue),
            ),
            parking: retired(observed, [PARKING_QUEUE, RETIRED_PARKING_QUEUES], parking),
        }
    }
}

/// What these variables of the Deployments name, without the queue of the spec.
fn retired(observed: &Observed, names: [&str; 2], current: Option<&QueuePath>) -> BTreeSet<String> {
    let current = current.map(ToString::to_string);
    let lists = observed.deployments.values().flat_map(|deployment| {
        let lists = names.map(|name| variable(deployment, name));
        lists.into_iter().flatten()
    });
    let queues = lists.flat_map(|list| {
        let queues = list.split(',').map(str::to_owned);
        queues.collect::<Vec<_>>()
    });
    queues
        .filter(|queue| !queue.is_empty() && Some(queue) != current.as_ref())
        .collect()
}

/// The value of a variable in a Deployment's worker container.
pub fn variable(deployment: &Deployment, name: &str) -> Option<String> {
    pod_variable(deployment.spec.as_ref()?.template.spec.as_ref()?, name)
}

/// The value of a variable in a pod's worker container.
pub fn pod_variable(pod: &PodSpec, name: &str) -> Option<String> {
    let mut containers = pod.containers.iter();
    let worker = containers.find(|container| container.name == WORKER)?;
    let mut variables = worker.env.iter().flatten();
    variables
        .find(|variable| variable.name == name)?
        .value
        .as_deref()
        .map(unescaped)
}

/// The variables of hand-overs and look-ups as [`worker_env`] has them: those that follow each other, and
/// the one after them, which is always set.
const HAND_OVERS: [(&[&str], &str); 2] = [
    (&[DOWNSTREAM_QUEUE, LOOKUP_QUEUES], NOTIFIER_QUEUE),
    (&[ROUTES, ISOLATE, DISPATCH_DEADLINES, DELAYS], DRAIN_DELAY),
];

/// Takes the variables of hand-overs and look-ups from the pods that `former` describes. Each stays
/// where [`worker_env`] puts it: another order is another template, and rolls the pods.
pub(crate) fn keep_hand_overs(variables: &mut Vec<EnvVar>, former: &PodSpec) {
    let worker = former.containers.iter().find(|it| it.name == WORKER);
    let former = worker.and_then(|worker| worker.env.as_deref());
    let former = former.unwrap_or_default();
    for (names, next) in HAND_OVERS {
        variables.retain(|variable| !names.contains(&variable.name.as_str()));
        let kept = names.iter().filter_map(|name| {
            let mut former = former.iter();
            former.find(|it| it.name == *name).cloned()
        });
        let place = variables.iter().position(|it| it.name == next);
        let place = place.unwrap_or(variables.len());
        variables.splice(place..place, kept);
    }
}

/// Kubernetes expands `$(NAME)` in a variable's value and takes `$$` for `$`.
pub(super) fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}

fn unescaped(value: &str) -> String {
    value.replace("$$", "$")
}

/// The environment of the workers of the stage at `index`, which require the token `required`.
pub fn worker_env(
    desired: &Desired,
    index: usize,
    retired: &RetiredQueues,
    required: Option<&RequiredToken>,
) -> Vec<EnvVar> {
    let stage = &desired.stages[index];
    let notifier = &desired.notifier;
    let outcomes: Vec<String> = notifier
        .outcomes
        .iter()
        .map(|outcome| format!("{outcome:?}"))
        .collect();
    let lookup: Vec<String> = desired
        .stages
        .iter()
        .map(|stage| &stage.queue)
        .chain(&retired.stages)
        .map(ToString::to_string)
        .collect();
    let retired_notifiers = list(&retired.notifiers);
    let retired_parking = list(&retired.parking);
    let parking = desired.parking.as_ref();
    let variables = [
        (
            CHAIN,
            Some(format!("{}/{}", desired.namespace, desired.name)),
        ),
        (STAGE, Some(stage.name.clone())),
        (QUEUE, Some(stage.queue.to_string())),
        (MAX_ATTEMPTS, Some(stage.max_attempts.to_string())),
        (
            DOWNSTREAM_QUEUE,
            desired.downstream(index).map(ToString::to_string),
        ),
        (LOOKUP_QUEUES, Some(lookup.join(","))),
        (NOTIFIER_QUEUE, Some(notifier.queue.to_string())),
        (
            RETIRED_NOTIFIER_QUEUES,
            (!retired_notifiers.is_empty()).then_some(retired_notifiers),
        ),
        (PARKING_QUEUE, parking.map(|it| it.queue.to_string())),
        (PARKING_KEEP, parking.and_then(parking_keep)),
        (
            RETIRED_PARKING_QUEUES,
            (!retired_parking.is_empty()).then_some(retired_parking),
        ),
        (NOTIFIER_URL, Some(notifier.url.clone())),
        (NOTIFY_ON, Some(outcomes.join(","))),
        (HANDLER_URL, Some(stage.handler.url())),
        (
            HANDLER_TIMEOUT,
            Some(crds::Duration(stage.timeout).to_string()),
        ),
    ];
    let limits = [
        (
            CONCURRENCY,
            stage.concurrency.map(|slots| slots.to_string()),
        ),
        (
            GIVE_UP_AFTER,
            stage
                .give_up_after
                .map(|time| crds::Duration(time).to_string()),
        ),
        (
            HOLD_ON_OUTAGE,
            stage
                .hold_on_outage
                .map(|time| crds::Duration(time).to_string()),
        ),
        (RETRY_AFTER, retry_after(stage)),
        (ROUTES, routes(stage)),
        (ISOLATE, isolation(stage)),
        (DISPATCH_DEADLINES, deadlines(desired, index)),
        (DELAYS, delays(desired, index)),
        (
            DRAIN_DELAY,
            Some(crds::Duration(desired.drain_delay).to_string()),
        ),
        (OIDC_AUDIENCES, required.map(|it| list(&it.audiences))),
        (
            OIDC_SERVICE_ACCOUNT_EMAILS,
            required.map(|it| list(&it.emails)),
        ),
        (CLOUD_TASKS_EMULATOR_HOST, desired.emulator_host.clone()),
    ];
    variables
        .into_iter()
        .chain(request_variables(desired, stage))
        .chain(limits)
        .filter_map(|(name, value)| Some((name, value?)))
        .map(|(name, value)| EnvVar {
            name: name.to_owned(),
            value: Some(escaped(&value)),
            value_from: None,
        })
        .collect()
}

/// What the requests to the handler and to the receiver of notifications carry.
fn request_variables(
    desired: &Desired,
    stage: &DesiredStage,
) -> [(&'static str, Option<String>); 7] {
    let requests = stage.requests.as_ref();
    let passing = |passing: Option<crds::Passing>| passing.map(|it| format!("{it:?}"));
    let keep = &desired.keep_headers;
    let oidc = desired.notifier.oidc.as_ref();
    [
        (
            HANDLER_CLOUD_TASKS_HEADERS,
            passing(requests.and_then(|it| it.cloud_tasks_headers)),
        ),
        (HANDLER_TOKEN, passing(requests.and_then(|it| it.token))),
        (HANDLER_HOST, requests.and_then(|it| it.host.clone())),
        (HANDLER_HEADERS, requests.and_then(handler_headers)),
        (KEEP_HEADERS, (!keep.is_empty()).then(|| keep.join(","))),
        (
            NOTIFIER_OIDC_SERVICE_ACCOUNT_EMAIL,
            oidc.map(|it| it.service_account_email.clone()),
        ),
        (NOTIFIER_OIDC_AUDIENCE, oidc.map(|it| it.audience.clone())),
    ]
}

/// Nothing for what workers do without it.
fn parking_keep(parking: &DesiredParking) -> Option<String> {
    let causes: Vec<String> = parking.keep.iter().map(|it| format!("{it:?}")).collect();
    (!causes.is_empty()).then(|| causes.join(","))
}

fn list(words: &BTreeSet<String>) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    words.join(",")
}

/// The dispatch deadlines of the stages that this one hands over to: Cloud Tasks gives up a push to a
/// dead or hung worker as soon as no answer can come.
fn deadlines(desired: &Desired, index: usize) -> Option<String> {
    by_target(desired, index, |stage| Some(stage.dispatch_deadline()))
}

/// How long tasks wait on the stages that this one hands over to.
fn delays(desired: &Desired, index: usize) -> Option<String> {
    by_target(desired, index, |stage| stage.delay)
}

/// A time of each stage that has one and that this one hands over to, by its queue.
fn by_target(
    desired: &Desired,
    index: usize,
    time: impl Fn(&DesiredStage) -> Option<Duration>,
) -> Option<String> {
    let targets = desired.hand_over_targets(index);
    let later = desired
        .stages
        .iter()
        .filter(|stage| targets.contains(&stage.queue));
    let times: Vec<String> = later
        .filter_map(|stage| Some(format!("{}={}", stage.queue, crds::Duration(time(stage)?))))
        .collect();
    (!times.is_empty()).then(|| times.join(","))
}

/// Nothing for what workers do without it.
fn retry_after(stage: &DesiredStage) -> Option<String> {
    match stage.retry_after {
        crds::RetryAfter::Follow => None,
        crds::RetryAfter::Ignore => Some(IGNORE_RETRY_AFTER.to_owned()),
    }
}

fn handler_headers(requests: &crds::Handler) -> Option<String> {
    let headers = &requests.headers;
    (!headers.is_empty()).then(|| json!(headers).to_string())
}

fn routes(stage: &DesiredStage) -> Option<String> {
    let routes: Vec<_> = stage
        .routes
        .iter()
        .map(|(matches, to)| {
            let to = match to {
                Target::Queue(queue) => queue.to_string(),
                Target::Fail => ROUTE_TO_FAIL.to_owned(),
            };
            json!({"match": matches, "to": to})
        })
        .collect();
    (!routes.is_empty()).then(|| json!(routes).to_string())
}

fn isolation(stage: &DesiredStage) -> Option<String> {
    let rules: Vec<_> = stage
        .isolate
        .iter()
        .map(|rule| {
            let IsolationRule {
                header,
                to,
                max_share,
                failures,
            } = rule;
            let mut rule = json!({"header": header, "to": to.to_string()});
            if let Some(share) = max_share {
                rule["maxShare"] = json!(share.get());
            }
            if let Some(failures) = failures {
                rule["failures"] = json!({"of": failures.of(), "atLeast": failures.at_least()});
            }
            rule
        })
        .collect();
    (!rules.is_empty()).then(|| json!(rules).to_string())
}

impl Pod {
    /// A pod that may still run: `None` for one that has ended, or has no worker.
    pub fn of(pod: &KubernetesPod) -> Option<Self> {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let spec = pod.spec.as_ref()?;
        Some(Self {
            name: pod.name_any(),
            queue: pod_variable(spec, QUEUE)?.parse().ok()?,
            targets: hand_over_targets_of(spec),
            required_token: RequiredToken::of_pod(spec),
            stage: pod.labels().get(STAGE_LABEL).cloned().unwrap_or_default(),
            blocked: blocked_containers(pod),
        })
    }
}

/// Whether a pod's worker may hold, or isolate tasks.
pub fn reports_health(pod: &KubernetesPod) -> bool {
    let spec = pod.spec.as_ref();
    let has = |name| spec.is_some_and(|spec| pod_variable(spec, name).is_some());
    has(HOLD_ON_OUTAGE) || has(ISOLATE)
}

/// The queues that the workers of a Deployment hand tasks over to.
pub fn hand_over_targets(deployment: &Deployment) -> BTreeSet<QueuePath> {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let spec = template.and_then(|template| template.spec.as_ref());
    spec.map(hand_over_targets_of).unwrap_or_default()
}

fn hand_over_targets_of(spec: &PodSpec) -> BTreeSet<QueuePath> {
    let downstream = pod_variable(spec, DOWNSTREAM_QUEUE);
    let rules = [ROUTES, ISOLATE].map(|name| pod_variable(spec, name));
    let rules = rules.into_iter().flatten().flat_map(|rules| {
        let rules = serde_json::from_str::<Vec<Value>>(&rules);
        rules.unwrap_or_default()
    });
    let to = rules.filter_map(|rule| Some(rule.get("to")?.as_str()?.to_owned()));
    let targets = downstream.into_iter().chain(to);
    targets.filter_map(|queue| queue.parse().ok()).collect()
}

impl RequiredToken {
    /// What a pod's worker requires; `None`: it accepts every push.
    pub fn of_pod(pod: &PodSpec) -> Option<Self> {
        let list = |name| -> BTreeSet<String> {
            let value = pod_variable(pod, name).unwrap_or_default();
            let words = value.split(',').filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let (emails, audiences) = (list(OIDC_SERVICE_ACCOUNT_EMAILS), list(OIDC_AUDIENCES));
        let is_none = emails.is_empty() && audiences.is_empty();
        (!is_none).then_some(Self { emails, audiences })
    }

    /// What the workers of a Deployment require.
    pub fn of_deployment(deployment: &Deployment) -> Option<Self> {
        let template = deployment.spec.as_ref().map(|spec| &spec.template);
        template?.spec.as_ref().and_then(Self::of_pod)
    }
}
