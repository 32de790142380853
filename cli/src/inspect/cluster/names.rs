//! Names, for completions.

use crds::ExecutorChain;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::api::{Api, ListParams};

use super::client;
use crate::inspect::args::Place;

/// The names of the chains in the place's namespace.
pub(crate) async fn chains(place: &Place) -> Option<Vec<String>> {
    let (client, default) = client::of(place).await.ok()?;
    let namespace = place.namespace.as_deref().unwrap_or(&default);
    let api: Api<ExecutorChain> = Api::namespaced(client, namespace);
    let listed = api.list_metadata(&ListParams::default()).await.ok()?;
    Some(listed.iter().map(ResourceExt::name_any).collect())
}

/// The names of all namespaces.
pub(crate) async fn namespaces(place: &Place) -> Option<Vec<String>> {
    let (client, _) = client::of(place).await.ok()?;
    let api: Api<Namespace> = Api::all(client);
    let listed = api.list_metadata(&ListParams::default()).await.ok()?;
    Some(listed.iter().map(ResourceExt::name_any).collect())
}
