//! What is attached to a stage's Service so that a Gateway leads pushes to it: its route, and on GKE
//! the policies of the load balancer behind that Gateway.
//!
//! Their kinds are CRDs that a cluster may have or not, so nothing here is in `k8s-openapi`.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::core::{ApiResource, DynamicObject};
use serde_json::Value;

use crate::child::{self, is_ours};
use crate::desired::{Desired, DesiredStage, Push};
use crate::observed::Observed;
use crate::route::{self, HOST_ANNOTATION};

/// A kind of object that is attached to a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The route of a stage's host to its Service, by the Gateway API.
    HttpRoute,
    /// GKE: how long the load balancer waits for an answer.
    BackendPolicy,
    /// GKE: how the load balancer finds out which pods are well.
    HealthCheckPolicy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [
        Self::HttpRoute,
        Self::BackendPolicy,
        Self::HealthCheckPolicy,
    ];

    /// What the API server calls it: group, version, kind, plural.
    const fn names(self) -> [&'static str; 4] {
        match self {
            Self::HttpRoute => ["gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"],
            Self::BackendPolicy => [
                "networking.gke.io",
                "v1",
                "GCPBackendPolicy",
                "gcpbackendpolicies",
            ],
            Self::HealthCheckPolicy => [
                "networking.gke.io",
                "v1",
                "HealthCheckPolicy",
                "healthcheckpolicies",
            ],
        }
    }

    /// As a client asks for it.
    pub fn resource(self) -> ApiResource {
        let [group, version, kind, plural] = self.names();
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: format!("{group}/{version}"),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// As a role names it.
    pub fn plural_and_group(self) -> String {
        let [group, _, _, plural] = self.names();
        format!("{plural}.{group}")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, kind, _] = self.names();
        f.write_str(kind)
    }
}

/// What the API server has of a kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Offer {
    /// It doesn't know the kind.
    #[default]
    Absent,
    /// It knows the kind, and doesn't let us see any; in its own words.
    Forbidden(String),
    /// The objects that carry the chain's label or have the name of one of its own, by name.
    Served(BTreeMap<String, DynamicObject>),
}

/// The name of an attached object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Observed {
    /// The objects of a kind that are there.
    pub fn attached(&self, kind: Kind) -> impl Iterator<Item = (&String, &DynamicObject)> {
        let served = match self.offers.get(&kind) {
            Some(Offer::Served(objects)) => Some(objects),
            Some(Offer::Absent | Offer::Forbidden(_)) | None => None,
        };
        served.into_iter().flatten()
    }

    /// The object of that kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<&DynamicObject> {
        let mut objects = self.attached(kind);
        objects.find(|(it, _)| *it == name).map(|(_, found)| found)
    }

    /// Whether the API server knows a kind and lets us have some.
    pub(crate) fn serves(&self, kind: Kind) -> bool {
        matches!(self.offers.get(&kind), Some(Offer::Served(_)))
    }

    /// The chain's own routes.
    pub(crate) fn routes<'a>(
        &'a self,
        desired: &'a Desired,
    ) -> impl Iterator<Item = (&'a String, &'a DynamicObject)> {
        let owner = desired.owner.as_ref();
        let routes = self.attached(Kind::HttpRoute);
        routes.filter(move |(_, route)| is_ours(&route.metadata, owner))
    }
}

impl Desired {
    /// The names that the chain's objects of a kind have, or would have.
    pub fn attached_names(&self, kind: Kind) -> Vec<String> {
        let stages = self.stages.iter();
        match kind {
            Kind::HttpRoute => stages
                .filter_map(|stage| route::route(self, stage))
                .map(|route| route.name_any())
                .collect(),
            Kind::BackendPolicy | Kind::HealthCheckPolicy => {
                let is_wanted = matches!(self.push, Push::Gateway(_));
                let names = stages.map(|stage| stage.child.clone());
                names.filter(|_| is_wanted).collect()
            }
        }
    }
}

/// An object of a kind, attached to the Service of a stage.
pub(crate) fn object(
    desired: &Desired,
    stage: &DesiredStage,
    Name { kind, name }: Name,
    spec: Value,
) -> DynamicObject {
    let mut object = DynamicObject::new(&name, &kind.resource());
    object.metadata = ObjectMeta {
        name: Some(name),
        ..child::metadata(desired, stage)
    };
    object.data = Value::Object([("spec".to_owned(), spec)].into_iter().collect());
    let mut annotations = BTreeMap::from([child::applied(&object)]);
    if kind == Kind::HttpRoute {
        let host = stage.address.host.clone();
        annotations.insert(HOST_ANNOTATION.to_owned(), host);
    }
    object.metadata.annotations = Some(annotations);
    object
}
