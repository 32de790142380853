//! What a Gateway needs to route pushes to a stage's Service: a route, and on GKE the policies of its
//! load balancer.
//!
//! Their kinds are CRDs that a cluster may lack, so `k8s-openapi` doesn't have them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::Value;

use super::names;
use crate::model::{Desired, DesiredStage, GatewayResourceKind};

/// The host of a route, for readers of metadata alone.
pub const HOST_ANNOTATION: &str = "executor-chain.dev/host";

/// An object of a kind, attached to the Service of a stage.
pub(crate) fn object(
    desired: &Desired,
    stage: &DesiredStage,
    kind: GatewayResourceKind,
    name: String,
    spec: Value,
) -> DynamicObject {
    let mut object = DynamicObject::new(&name, &kind.resource());
    object.metadata = ObjectMeta {
        name: Some(name),
        ..names::metadata(desired, stage, None)
    };
    object.data = Value::Object([("spec".to_owned(), spec)].into_iter().collect());
    let mut annotations = BTreeMap::from([names::applied(&object)]);
    if kind == GatewayResourceKind::HttpRoute {
        let host = stage.address.host.clone();
        annotations.insert(HOST_ANNOTATION.to_owned(), host);
    }
    object.metadata.annotations = Some(annotations);
    object
}
