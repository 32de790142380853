//! What a cluster keeps of a chain: its spec, earlier ones, overrides, and Events.

use crds::{ChainOverride, ExecutorChain};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use plan::objects::names::CHAIN_LABEL;
use serde_json::{Value, json};

use super::target::FIELD_MANAGER;
use crate::inspect::cluster::Cluster;
use crate::inspect::cluster::client::limited;
use crate::inspect::seen::{Gap, Right};

const CHAINS: &str = "executorchains.executor-chain.dev";

/// The kept generations of a chain's spec.
pub(super) async fn revisions(
    cluster: &Cluster,
    namespace: &str,
    chain: &str,
) -> Result<Vec<ControllerRevision>, Gap> {
    let right = Right::new("list", "controllerrevisions.apps", Some(namespace));
    let api: Api<ControllerRevision> = Api::namespaced(cluster.client().clone(), namespace);
    let parameters = ListParams::default().labels(&format!("{CHAIN_LABEL}={chain}"));
    Ok(limited(right, api.list(&parameters)).await?.items)
}

/// The Events of a chain.
pub(super) async fn events(
    cluster: &Cluster,
    namespace: &str,
    chain: &str,
) -> Result<Vec<Event>, Gap> {
    let right = Right::new("list", "events", Some(namespace));
    let api: Api<Event> = Api::namespaced(cluster.client().clone(), namespace);
    let of_chain = format!("involvedObject.kind=ExecutorChain,involvedObject.name={chain}");
    let parameters = ListParams::default().fields(&of_chain);
    Ok(limited(right, api.list(&parameters)).await?.items)
}

/// The overrides of a namespace.
pub(super) async fn overrides(
    cluster: &Cluster,
    namespace: &str,
) -> Result<Vec<ChainOverride>, Gap> {
    let right = Right::new("list", "chainoverrides.executor-chain.dev", Some(namespace));
    let api: Api<ChainOverride> = Api::namespaced(cluster.client().clone(), namespace);
    Ok(limited(right, api.list(&ListParams::default()))
        .await?
        .items)
}

/// A chain as it is on the API server: its spec may be one that this program can't parse.
pub(super) async fn chain(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
) -> Result<Option<DynamicObject>, Gap> {
    let right = Right::new("get", CHAINS, Some(namespace));
    limited(right, chains(cluster, namespace).get_opt(name)).await
}

/// Replaces the spec of a chain, if it is still that of `generation`.
pub(super) async fn replace_spec(
    cluster: &Cluster,
    namespace: &str,
    name: &str,
    generation: Option<i64>,
    spec: &Value,
) -> Result<DynamicObject, Gap> {
    let right = Right::new("patch", CHAINS, Some(namespace));
    let patch = json!([
        {"op": "test", "path": "/metadata/generation", "value": generation},
        {"op": "replace", "path": "/spec", "value": spec},
    ]);
    let patch: Patch<DynamicObject> = Patch::Json(
        serde_json::from_value(patch).expect("tests and replacements are a JSON patch"),
    );
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let chains = chains(cluster, namespace);
    limited(right, chains.patch(name, &parameters, &patch)).await
}

fn chains(cluster: &Cluster, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<ExecutorChain>(&());
    Api::namespaced_with(cluster.client().clone(), namespace, &resource)
}
