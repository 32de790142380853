//! Reads a chain's objects: from the caches, or from the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crds::conditions::Reason;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, GetParams, ListParams, ObjectList};
use kube::{Api, Resource, ResourceExt};
use plan::model::gateway_resource::{Availability, GatewayResourceKind};
use plan::objects::names::CHAIN_LABEL;
use plan::{Desired, Freshness, Problem, Push};
use serde::de::DeserializeOwned;

use crate::api_server::call;
use crate::cache::children::Child;
use crate::cache::packed_object::PackedObject;
use crate::chain::name_in;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::deleted_chain::DeletedChain;

/// The pods of the chain's stages, terminating ones included.
pub async fn read_pods(
    chain: &ObjectMeta,
    context: &Context,
    freshness: Freshness,
) -> Result<Vec<plan::Pod>, Error> {
    if freshness != Freshness::All
        && let Some(cached) = context.caches.children.pods(chain).await
    {
        return Ok(cached);
    }
    let list: ObjectList<Pod> = list_children(chain, context).await?;
    Ok(list.items.iter().filter_map(plan::Pod::of).collect())
}

/// The objects with the chain's label, and those that merely have a child's name: the plan has to see
/// that a name is taken.
pub async fn read_children<K>(
    chain: &ObjectMeta,
    context: &Context,
    names: &[&str],
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Child<Cached = PackedObject>,
{
    let api: Api<K> = Api::namespaced(context.client.clone(), &name_in(chain).0);
    let kind = K::kind(&());
    if freshness != Freshness::All
        && let Some(cached) = context.caches.children.of::<K>(chain, names).await
    {
        let mut found = cached.labeled;
        let others = cached.others.iter().map(String::as_str);
        found.extend(get_named(&api, &kind, others, freshness).await?);
        return Ok(found);
    }
    let list: ObjectList<K> = list_children(chain, context).await?;
    with_names(&api, &kind, list, names, Freshness::All).await
}

/// What exists of each kind that the cluster may lack. A kind that we may not read blocks no chain that
/// doesn't use it.
pub async fn read_gateway_resources(
    chain: &ObjectMeta,
    context: &Context,
    desired: &Desired,
    freshness: Freshness,
) -> Result<BTreeMap<GatewayResourceKind, Availability>, Error> {
    let (namespace, name) = name_in(chain);
    let discovery = &context.caches.api_discovery;
    let uses_gateway = matches!(desired.push, Push::Gateway(_));
    if uses_gateway {
        // Before that not even that a kind is absent is known. Other chains don't wait.
        discovery.first_answer().await?;
    }
    let kinds = discovery.of(&namespace, &name, uses_gateway);
    let names = |kind| desired.gateway_resource_names(kind);
    read_kinds(chain, context, kinds, names, freshness).await
}

/// What is left of a deleted chain of each kind that the cluster may lack. What can't be read would be
/// left behind, or with Orphan go with the chain: so an error is returned. Without a permission, only a
/// chain that uses a Gateway can have some.
pub async fn read_left_gateway_resources(
    chain: &DeletedChain<'_>,
    context: &Context,
) -> Result<BTreeMap<GatewayResourceKind, Availability>, Error> {
    let (namespace, name) = name_in(chain.metadata);
    let discovery = &context.caches.api_discovery;
    match discovery.first_answer().await {
        Err(error) if !chain.uses_gateway && error.forbidden().is_some() => {}
        answered => answered?,
    }
    let kinds = discovery.of(&namespace, &name, chain.uses_gateway);
    let none = |_| Vec::new();
    let found = read_kinds(chain.metadata, context, kinds, none, Freshness::All).await?;
    let routes = found.get(&GatewayResourceKind::HttpRoute);
    match routes {
        Some(Availability::Forbidden(said)) if chain.uses_gateway => Err(Problem::new(
            Reason::KubernetesError,
            format!("the deleted chain may have routes, but the operator may not read them: {said}. Grant the operator's role get, list, and delete on routes"),
        )
        .into()),
        Some(Availability::Forbidden(_) | Availability::Served(_) | Availability::Absent)
        | None => Ok(found),
    }
}

/// The objects of each kind that have the chain's label, or one of these names.
async fn read_kinds(
    chain: &ObjectMeta,
    context: &Context,
    kinds: BTreeSet<GatewayResourceKind>,
    names: impl Fn(GatewayResourceKind) -> Vec<String>,
    freshness: Freshness,
) -> Result<BTreeMap<GatewayResourceKind, Availability>, Error> {
    let (namespace, _) = name_in(chain);
    let names = &names;
    let reads = kinds.into_iter().map(async |kind| {
        let names = names(kind);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let client = context.client.clone();
        let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind.resource());
        let kind_name = kind.to_string();
        let labeled = labeled(chain, freshness);
        let read = async {
            let list = call(format!("list {kind}s"), api.list(&labeled)).await?;
            with_names(&api, &kind_name, list, &names, freshness).await
        };
        match read.await {
            Ok(found) => Ok((kind, Availability::Served(found))),
            Err(error) if error.is_not_found() => {
                context.caches.api_discovery.is_gone(kind);
                Ok((kind, Availability::Absent))
            }
            Err(error) => match error.forbidden() {
                Some(said) => Ok((kind, Availability::Forbidden(said.to_owned()))),
                None => Err(error),
            },
        }
    });
    let found = futures::future::try_join_all(reads).await?;
    Ok(found.into_iter().collect())
}

/// Lists the objects with the chain's label, consistently, and caches them.
async fn list_children<K: Child>(
    chain: &ObjectMeta,
    context: &Context,
) -> Result<ObjectList<K>, Error> {
    let api: Api<K> = Api::namespaced(context.client.clone(), &name_in(chain).0);
    let labeled = labeled(chain, Freshness::All);
    let list = call(format!("list {}s", K::kind(&())), api.list(&labeled)).await?;
    context.caches.children.listed(chain, &list);
    Ok(list)
}

/// Selects the objects with the chain's label: consistently, or from the API server's cache, which is
/// milliseconds old and 50 to 100 ms faster.
fn labeled(chain: &ObjectMeta, freshness: Freshness) -> ListParams {
    let labeled = ListParams::default().labels(&format!("{CHAIN_LABEL}={}", name_in(chain).1));
    match freshness {
        Freshness::Cached | Freshness::Queues => labeled.match_any(),
        Freshness::All => labeled,
    }
}

/// What was listed, and what merely has one of these names.
async fn with_names<K>(
    api: &Api<K>,
    kind: &str,
    list: ObjectList<K>,
    names: &[&str],
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let mut found: BTreeMap<String, K> = list
        .items
        .into_iter()
        .map(|object| (object.name_any(), object))
        .collect();
    let missing = names.iter().filter(|name| !found.contains_key(**name));
    let others = get_named(api, kind, missing.copied(), freshness).await?;
    found.extend(others);
    Ok(found)
}

/// The objects of these names that exist, read concurrently.
async fn get_named<'a, K>(
    api: &Api<K>,
    kind: &str,
    names: impl Iterator<Item = &'a str>,
    freshness: Freshness,
) -> Result<Vec<(String, K)>, Error>
where
    K: Resource + Clone + DeserializeOwned + Debug,
{
    let parameters = match freshness {
        Freshness::Cached | Freshness::Queues => GetParams::any(),
        Freshness::All => GetParams::default(),
    };
    let gets = names.map(|name| {
        let parameters = parameters.clone();
        async move {
            let action = format!("get {kind} {name}");
            match call(action, api.get_with(name, &parameters)).await {
                Ok(object) => Ok(Some((name.to_owned(), object))),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(error),
            }
        }
    });
    let found = futures::future::try_join_all(gets).await?;
    Ok(found.into_iter().flatten().collect())
}
