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

/// How a stage's route stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteState {
    /// It isn't there, or isn't as it should be.
    Missing,
    /// Nobody has said anything of it, for this long at least.
    Unheard(Duration),
    /// Its Gateway refuses it, in its own words.
    Refused(String),
    /// Its Gateway takes it, and what serves it has failed to, for this long at most; in its own
    /// words. It may serve what there was before.
    Failing(String, Duration),
    /// Its Gateway takes it, and serves it as far as is told.
    Accepted,
}

/// How the route of a stage stands; `None` where the chain has none.
pub fn state(view: ChainView<'_>, stage: &DesiredStage) -> Option<RouteState> {
    let wanted = route(view.desired, stage)?;
    let found = view
        .observed
        .gateway_object(GatewayResourceKind::HttpRoute, &wanted.name_any())
        .filter(|found| is_applied(*found, &wanted));
    Some(found.map_or(RouteState::Missing, |found| said(found, view.observed.now)))
}

/// Whether a queue may begin to push to a stage's host: its Gateway takes the route. Not every
/// controller says so; who says nothing for long enough is trusted.
pub fn may_push(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    match state(view, stage) {
        None | Some(RouteState::Accepted) => true,
        Some(RouteState::Unheard(since)) => since >= view.desired.timing.route_patience,
        Some(RouteState::Missing | RouteState::Refused(_) | RouteState::Failing(..)) => false,
    }
}

/// Whether pushes come through to a stage's Service, as far as that can be seen. An old route is
/// trusted to go on although the newest state of its Gateway could not be brought about.
pub fn is_open(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let patience = view.desired.timing.route_patience;
    may_push(view, stage)
        || matches!(state(view, stage), Some(RouteState::Failing(_, since)) if since >= patience)
}

/// How long it takes until a route of which nobody says anything is trusted.
pub fn until_trusted(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let (RouteState::Unheard(since) | RouteState::Failing(_, since)) = state(view, stage)? else {
        return None;
    };
    let left = view.desired.timing.route_patience.saturating_sub(since);
    (!left.is_zero()).then_some(left)
}

/// What is said of a route by those who serve its Gateway.
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

/// What every controller says: the Gateway takes the route, and the Service is found.
const ACCEPTED: &str = "Accepted";

const RESOLVED: &str = "ResolvedRefs";

/// What some add, once the route is where it is served; GKE's says the first
/// (<https://github.com/kubernetes-sigs/gateway-api-inference-extension/issues/846>).
const SERVED: [&str; 2] = ["Reconciled", "Programmed"];

/// Until it says so its load balancer answers 404, which Cloud Tasks counts as an attempt.
const SAYS_SERVED: &str = "networking.gke.io/";

fn said(route: &DynamicObject, now: Timestamp) -> RouteState {
    let status = route.data.get("status").cloned().unwrap_or_default();
    let status: Status = serde_json::from_value(status).unwrap_or_default();
    let wanted = route.data.pointer("/spec/parentRefs/0");
    let parents = status.parents.iter();
    let ours = parents.filter(|said| wanted.is_some_and(|it| is_same(&said.reference, it, route)));
    let generation = route.metadata.generation;
    // What was said of an older route says nothing of this one.
    let is_of_this = |it: &&Condition| {
        it.observed_generation
            .is_none_or(|of| Some(of) >= generation)
    };
    let since = unheard_for(&route.metadata, now);
    let mut said = RouteState::Unheard(since);
    for parent in ours {
        let conditions = parent.conditions.iter().filter(is_of_this);
        let find = |status: &str, kinds: &[&str]| {
            let mut conditions = conditions.clone();
            conditions.find(|it| it.status == status && kinds.contains(&it.kind.as_str()))
        };
        let says_served = parent.controller_name.starts_with(SAYS_SERVED);
        if let Some(refusal) = find("False", &[ACCEPTED, RESOLVED]) {
            return RouteState::Refused(refusal.to_string());
        } else if let Some(failure) = find("False", &SERVED) {
            return RouteState::Failing(failure.to_string(), since);
        } else if find("True", &[ACCEPTED]).is_some()
            && (!says_served || find("True", &SERVED).is_some())
        {
            said = RouteState::Accepted;
        }
    }
    said
}

/// Since we have last changed the route. Where nothing tells when that was, it is long ago.
fn unheard_for(route: &ObjectMeta, now: Timestamp) -> Duration {
    let age = applied_at(route).map(|then| now.duration_since(then));
    age.map_or(Duration::MAX, |age| age.try_into().unwrap_or_default())
}

/// Whether a controller speaks of the parent that the route asks for. What it leaves out has its
/// default there.
fn is_same(said: &ParentRef, wanted: &Value, route: &DynamicObject) -> bool {
    let text = |key: &str| wanted.get(key).and_then(Value::as_str);
    let namespace = said
        .namespace
        .as_ref()
        .or(route.metadata.namespace.as_ref());
    Some(said.name.as_str()) == text("name")
        && namespace.map(String::as_str) == text("namespace")
        && said.section_name.as_deref() == text("sectionName")
}
