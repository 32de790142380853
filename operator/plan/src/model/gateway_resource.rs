//! The kinds of object that a Gateway needs at a stage's Service, and whether the cluster has them.

use std::collections::BTreeMap;
use std::fmt;

use kube::core::{ApiResource, DynamicObject};

/// A kind of object that is attached to a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GatewayResourceKind {
    /// The route of a stage's host to its Service, by the Gateway API.
    HttpRoute,
    /// GKE: how long the load balancer waits for an answer.
    BackendPolicy,
    /// GKE: how the load balancer checks the health of pods.
    HealthCheckPolicy,
}

impl GatewayResourceKind {
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

impl fmt::Display for GatewayResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, kind, _] = self.names();
        f.write_str(kind)
    }
}

/// Whether the API server has a kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Availability {
    /// It doesn't know the kind.
    #[default]
    Absent,
    /// It knows the kind, and doesn't let the operator read it; with its message.
    Forbidden(String),
    /// The objects that carry the chain's label or have the name of one of its own, by name.
    Served(BTreeMap<String, DynamicObject>),
}
