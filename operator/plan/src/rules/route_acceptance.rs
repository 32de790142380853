//! Whether a stage's route is accepted and served, as its Gateway reports.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde::Deserialize;
use serde_json::Value;

use crate::model::{ChainView, DesiredStage, GatewayResourceKind};
use crate::objects::names::is_applied;
use crate::objects::ownership::applied_at;
use crate::objects::route::route;

/// The state of a stage's route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteState {
    /// It doesn't exist, or differs.
    Missing,
    /// No controller has reported on it, for this long at least.
    Unreported(Duration),
    /// Its Gateway refuses it, with this message.
    Refused(String),
    /// Its Gateway accepts it and fails to serve it, with this message, for this long at most. It may
    /// serve an older state.
    Failing(String, Duration),
    /// Its Gateway accepts it, and serves it as far as it reports.
    Accepted,
}

/// The state of a stage's route; `None` where the chain has no Gateway.
pub fn state(view: ChainView<'_>, stage: &DesiredStage) -> Option<RouteState> {
    let wanted = route(view.desired, stage)?;
    let found = view
        .observed
        .gateway_object(GatewayResourceKind::HttpRoute, &wanted.name_any())
        .filter(|found| is_applied(*found, &wanted));
    Some(found.map_or(RouteState::Missing, |found| {
        reported(found, view.observed.now)
    }))
}

/// Whether a queue may begin to push to a stage's host: its Gateway accepts the route. Not every
/// controller reports; without a report a route is trusted after a while.
pub fn may_push(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    match state(view, stage) {
        None | Some(RouteState::Accepted) => true,
        Some(RouteState::Unreported(since)) => since >= view.desired.timing.route_patience,
        Some(RouteState::Missing | RouteState::Refused(_) | RouteState::Failing(..)) => false,
    }
}

/// Whether pushes reach a stage's Service, as far as the operator can tell. An old route is trusted
/// to work although its Gateway fails to apply its newest state.
pub fn is_open(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let patience = view.desired.timing.route_patience;
    may_push(view, stage)
        || matches!(state(view, stage), Some(RouteState::Failing(_, since)) if since >= patience)
}

/// How long it takes until a route without a report is trusted.
pub fn until_trusted(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let (RouteState::Unreported(since) | RouteState::Failing(_, since)) = state(view, stage)?
    else {
        return None;
    };
    let left = view.desired.timing.route_patience.saturating_sub(since);
    (!left.is_zero()).then_some(left)
}

/// The status of a route, by the controllers of its Gateway.
#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    parents: Vec<Parent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parent {
    #[serde(rename = "parentRef")]
    reference: ParentRef,
    controller_name: String,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParentRef {
    name: String,
    namespace: Option<String>,
    section_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    #[serde(default)]
    message: String,
    observed_generation: Option<i64>,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            status,
            reason,
            message,
            observed_generation: _,
        } = self;
        write!(f, "{kind} is {status}, {reason}: {message}")
    }
}

/// What every controller reports: the Gateway accepts the route, and the Service is found.
const ACCEPTED: &str = "Accepted";

const RESOLVED: &str = "ResolvedRefs";

/// What some report once the route is served; GKE's reports the first
/// (<https://github.com/kubernetes-sigs/gateway-api-inference-extension/issues/846>).
const SERVED: [&str; 2] = ["Reconciled", "Programmed"];

/// Until it reports that, its load balancer answers 404, which Cloud Tasks counts as an attempt.
const REPORTS_SERVED: &str = "networking.gke.io/";

fn reported(route: &DynamicObject, now: Timestamp) -> RouteState {
    let status = route.data.get("status").cloned().unwrap_or_default();
    let status: Status = serde_json::from_value(status).unwrap_or_default();
    let wanted = route.data.pointer("/spec/parentRefs/0");
    let parents = status.parents.iter();
    let ours =
        parents.filter(|report| wanted.is_some_and(|it| is_same(&report.reference, it, route)));
    let generation = route.metadata.generation;
    // A report on an older generation says nothing of this one.
    let is_of_this = |it: &&Condition| {
        it.observed_generation
            .is_none_or(|of| Some(of) >= generation)
    };
    let since = unreported_for(&route.metadata, now);
    let mut state = RouteState::Unreported(since);
    for parent in ours {
        let conditions = parent.conditions.iter().filter(is_of_this);
        let find = |status: &str, kinds: &[&str]| {
            let mut conditions = conditions.clone();
            conditions.find(|it| it.status == status && kinds.contains(&it.kind.as_str()))
        };
        let reports_served = parent.controller_name.starts_with(REPORTS_SERVED);
        if let Some(refusal) = find("False", &[ACCEPTED, RESOLVED]) {
            return RouteState::Refused(refusal.to_string());
        } else if let Some(failure) = find("False", &SERVED) {
            return RouteState::Failing(failure.to_string(), since);
        } else if find("True", &[ACCEPTED]).is_some()
            && (!reports_served || find("True", &SERVED).is_some())
        {
            state = RouteState::Accepted;
        }
    }
    state
}

/// Since the operator last changed the route; without a record, long ago.
fn unreported_for(route: &ObjectMeta, now: Timestamp) -> Duration {
    let age = applied_at(route).map(|then| now.duration_since(then));
    age.map_or(Duration::MAX, |age| age.try_into().unwrap_or_default())
}

/// Whether a report is about the route's own parent. What it omits has its default.
fn is_same(report: &ParentRef, wanted: &Value, route: &DynamicObject) -> bool {
    let text = |key: &str| wanted.get(key).and_then(Value::as_str);
    let namespace = report
        .namespace
        .as_ref()
        .or(route.metadata.namespace.as_ref());
    Some(report.name.as_str()) == text("name")
        && namespace.map(String::as_str) == text("namespace")
        && report.section_name.as_deref() == text("sectionName")
}
