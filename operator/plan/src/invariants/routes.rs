//! No queue pushes to a host of a Gateway without a route, and pushes through a route reach the workers.

use std::time::Duration;

use cloudtasks::{QueueSettings, QueueState};
use kube::core::DynamicObject;
use serde_json::Value;

use super::simulation::{SimulatedRoute, Simulation, text};
use crate::model::{DesiredStage, GatewayResourceKind, ParentGateway, Push};
use crate::objects::names::is_ours;
use crate::objects::ownership::applied_at;

impl<'a> Simulation<'a> {
    /// A queue that pushes to a Gateway has a route there.
    pub(super) fn why_no_route(&self, settings: &QueueSettings) -> Option<&'static str> {
        let address = settings.http_target.as_ref()?.address.as_ref()?;
        let mut stages = self.desired.stages.iter();
        let is_gateways = matches!(self.desired.push, Push::Gateway(_))
            && stages.any(|stage| stage.address == *address);
        let mut routes = self.routes.values();
        let has_route = routes.any(|route| route.host == address.host);
        (is_gateways && !has_route).then_some("pushes would go to a host that has no route")
    }

    pub(super) fn why_not_unrouted(&self, name: &str) -> Option<&'static str> {
        let SimulatedRoute { host, service } = self.routes.get(name)?;
        // Without workers nobody takes them in any case.
        let has_workers = self.deployments.contains_key(service);
        let mut others = self.routes.iter().filter(|(other, _)| *other != name);
        let has_another = others.any(|(_, route)| route.host == *host);
        let mut queues = self.queues.iter();
        let is_pushed_to = queues.any(|(path, known)| {
            self.may_be_ours(path)
                && known.state != QueueState::Paused
                && known.address.as_ref().is_some_and(|it| it.host == *host)
        });
        (is_pushed_to && has_workers && !has_another)
            .then_some("pushes would go to a host that has no route")
    }

    /// The chain's own routes, as observed.
    fn own_routes(&self) -> impl Iterator<Item = &'a DynamicObject> {
        let owner = self.desired.owner.as_ref();
        let routes = self
            .observed
            .gateway_objects(GatewayResourceKind::HttpRoute);
        let routes = routes.map(|(_, route)| route);
        routes.filter(move |route| is_ours(&route.metadata, owner))
    }

    /// Whether the stage's address leads to its Service: always, unless a Gateway has to accept a route.
    pub(super) fn is_routed(&self, stage: &DesiredStage) -> bool {
        let Push::Gateway(gateway) = &self.desired.push else {
            return true;
        };
        self.own_routes().any(|route| {
            let SimulatedRoute { host, service } = SimulatedRoute::of(route);
            let parent = route.data.pointer("/spec/parentRefs/0");
            host == stage.address.host
                && service == stage.child
                && parent.is_some_and(|parent| is_gateway(parent, gateway, ""))
                && self.is_served_by(gateway, route)
        })
    }

    /// Whether a Gateway reports that it serves a route; without a report, and while it fails to update
    /// what it serves, a route is trusted when it is old enough.
    fn is_served_by(&self, gateway: &ParentGateway, route: &DynamicObject) -> bool {
        let applied = applied_at(&route.metadata);
        let age = applied.map(|then| self.observed.now.duration_since(then));
        let age = age.map_or(Duration::MAX, |age| age.try_into().unwrap_or_default());
        let is_old = age >= self.desired.timing.route_patience;
        let own = route.metadata.namespace.as_deref().unwrap_or_default();
        let parents = route
            .data
            .pointer("/status/parents")
            .and_then(Value::as_array);
        let parents = parents.into_iter().flatten();
        let reports: Vec<&Value> = parents
            .filter(|report| is_gateway(&report["parentRef"], gateway, own))
            .collect();
        let has = |report: &Value, types: &[&str], status: &str| {
            let mut conditions = report["conditions"].as_array().into_iter().flatten();
            conditions.any(|condition| {
                let generation = condition["observedGeneration"].as_i64();
                types.contains(&text(condition, "/type"))
                    && text(condition, "/status") == status
                    && generation.is_none_or(|it| Some(it) >= route.metadata.generation)
            })
        };
        let served = ["Reconciled", "Programmed"];
        let refuses = |it: &&Value| has(it, &["Accepted", "ResolvedRefs"], "False");
        let fails = |it: &&Value| has(it, &served, "False");
        let accepts = |it: &&Value| {
            // GKE's load balancer answers 404 until its controller reports this too.
            let is_gke = text(it, "/controllerName").starts_with("networking.gke.io/");
            has(it, &["Accepted"], "True") && (!is_gke || has(it, &served, "True"))
        };
        // The first report that refuses or fails decides.
        match reports.iter().copied().find(|it| refuses(it) || fails(it)) {
            Some(report) => !refuses(&report) && is_old,
            None => is_old || reports.iter().any(accepts),
        }
    }

    /// The Service that a host leads to, inside the cluster or by a route; `None` where that isn't known,
    /// or nobody is behind it.
    pub(super) fn service_behind(&self, host: &str) -> Option<String> {
        let mut routes = self.own_routes().map(SimulatedRoute::of);
        let by_route = routes.find(|route| route.host == host);
        let cluster = format!(".{}.svc.", self.desired.namespace);
        by_route.map(|route| route.service).or_else(|| {
            let (name, _) = host.split_once(&cluster)?;
            let workers = self.observed.deployments.get_key_value(name)?;
            Some(workers.0.clone())
        })
    }
}

/// Whether a reference is to a Gateway; without a namespace it is in `own`.
fn is_gateway(reference: &Value, gateway: &ParentGateway, own: &str) -> bool {
    let namespace = reference["namespace"].as_str().unwrap_or(own);
    text(reference, "/name") == gateway.name
        && namespace == gateway.namespace
        && reference["sectionName"].as_str() == gateway.section_name.as_deref()
}
