//! Pods as the API server has them.

use std::net::IpAddr;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

/// What tells the pods of one template from those of another.
pub const HASH_LABEL: &str = "pod-template-hash";

/// Pods without a node are deleted at once, however long they were given.
const NODE: &str = "test-node";

/// The object of a new pod.
pub async fn create(
    pods: &Api<Pod>,
    name: &str,
    hash: &str,
    owner: &Deployment,
    template: &PodTemplateSpec,
) -> Result<(), kube::Error> {
    let metadata = template.metadata.clone().unwrap_or_default();
    let mut labels = metadata.labels.unwrap_or_default();
    labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
    let mut spec = template.spec.clone().unwrap_or_default();
    spec.node_name = Some(NODE.to_owned());
    let pod = Pod {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: owner.namespace(),
            labels: Some(labels),
            annotations: metadata.annotations,
            owner_references: owner
                .controller_owner_ref(&())
                .map(|reference| vec![reference]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    };
    let created = pods.create(&PostParams::default(), &pod).await;
    created.map(drop).or_else(|error| allow(409, error))
}

/// Says where a pod is, and whether it is ready.
pub async fn tell_ready(
    pods: &Api<Pod>,
    name: &str,
    address: IpAddr,
    is_ready: bool,
) -> Result<(), kube::Error> {
    let holds = if is_ready { "True" } else { "False" };
    let status = json!({"status": {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": "Initialized", "status": "True"},
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": holds},
            {"type": "Ready", "status": holds},
        ],
    }});
    let parameters = PatchParams::default();
    let told = pods
        .patch_status(name, &parameters, &Patch::Merge(status))
        .await;
    told.map(drop).or_else(|error| allow(404, error))
}

/// Asks a pod to end within `grace` seconds; 0 removes the object.
pub async fn delete(pods: &Api<Pod>, name: &str, grace: u32) -> Result<(), kube::Error> {
    let parameters = DeleteParams {
        grace_period_seconds: Some(grace),
        ..DeleteParams::default()
    };
    let deleted = pods.delete(name, &parameters).await;
    deleted.map(drop).or_else(|error| allow(404, error))
}

fn allow(code: u16, error: kube::Error) -> Result<(), kube::Error> {
    match error {
        kube::Error::Api(status) if status.code == code => Ok(()),
        error => Err(error),
    }
}
