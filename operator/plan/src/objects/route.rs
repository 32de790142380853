//! The route of a stage under a Gateway.
//!
//! A route has the host of one stage, under one Gateway, and leads to one Service. Its host and
//! Gateway never change: a new route is created beside it, and the old one is deleted when no queue
//! pushes to it. So an acceptance is always that of the wanted route.
//!
//! It uses only the core of the Gateway API: GKE's Gateway has no path rewrites, timeouts, method or
//! query matches, no port in a parent, no named rules and no regular expressions.

use std::collections::BTreeSet;

use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::json;

use super::gateway_resources::object;
use super::names::is_ours;
use crate::model::{
    ChainView, Desired, DesiredStage, GatewayResourceKind, ParentGateway, Push, SERVICE_PORT, hash,
};

const GROUP: &str = "gateway.networking.k8s.io";

/// The route of a stage, where the chain's pushes come by a Gateway.
pub fn route(desired: &Desired, stage: &DesiredStage) -> Option<DynamicObject> {
    let Push::Gateway(gateway) = &desired.push else {
        return None;
    };
    let ParentGateway {
        name,
        namespace,
        section_name,
    } = gateway;
    let mut parent = json!({
        "group": GROUP,
        "kind": "Gateway",
        "name": name,
        "namespace": namespace,
    });
    if let Some(section) = section_name {
        parent["sectionName"] = json!(section);
    }
    let host = &stage.address.host;
    let spec = json!({
        "parentRefs": [parent],
        "hostnames": [host],
        "rules": [{"backendRefs": [{
            "group": "",
            "kind": "Service",
            "name": stage.child,
            "port": SERVICE_PORT,
        }]}],
    });
    let place = json!([host, gateway.namespace, gateway.name, gateway.section_name]);
    let name = format!("{}-{}", stage.child, hash(&place.to_string()));
    let kind = GatewayResourceKind::HttpRoute;
    Some(object(desired, stage, kind, name, spec))
}

/// The host of a route.
pub fn host(route: &DynamicObject) -> Option<&str> {
    route.data.pointer("/spec/hostnames/0")?.as_str()
}

/// The Service that a route leads to.
pub fn backend(route: &DynamicObject) -> Option<&str> {
    let name = "/spec/rules/0/backendRefs/0/name";
    route.data.pointer(name)?.as_str()
}

impl<'a> ChainView<'a> {
    /// The chain's own routes.
    pub(crate) fn routes(self) -> impl Iterator<Item = (&'a String, &'a DynamicObject)> {
        let owner = self.desired.owner.as_ref();
        let routes = self
            .observed
            .gateway_objects(GatewayResourceKind::HttpRoute);
        routes.filter(move |(_, route)| is_ours(&route.metadata, owner))
    }
}

impl Desired {
    /// The names that the chain's objects of a kind have, or would have.
    pub fn gateway_resource_names(&self, kind: GatewayResourceKind) -> Vec<String> {
        let stages = self.stages.iter();
        match kind {
            GatewayResourceKind::HttpRoute => stages
                .filter_map(|stage| route(self, stage))
                .map(|route| route.name_any())
                .collect(),
            GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy => {
                let is_wanted = matches!(self.push, Push::Gateway(_));
                let names = stages.map(|stage| stage.child.clone());
                names.filter(|_| is_wanted).collect()
            }
        }
    }
}

/// The chain's routes that no stage has.
pub(crate) fn left_routes(view: ChainView<'_>) -> impl Iterator<Item = (&String, &DynamicObject)> {
    let stages = view.desired.stages.iter();
    let wanted = stages.filter_map(|stage| route(view.desired, stage));
    let wanted: BTreeSet<String> = wanted.map(|route| route.name_any()).collect();
    let routes = view.routes();
    routes.filter(move |(name, _)| !wanted.contains(*name))
}
