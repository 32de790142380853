//! Observe: what is there of a chain, in Cloud Tasks and in Kubernetes.

use std::collections::BTreeMap;

use cloudtasks::LocationPath;
use crds::ExecutorChain;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use plan::child::{CHAIN_LABEL, FINALIZER, child_name};
use plan::{Desired, Observed};
use serde::de::DeserializeOwned;

use crate::context::{Context, call};
use crate::error::Error;

/// How new the look at Kubernetes has to be.
#[derive(Debug, Clone, Copy)]
pub enum Freshness {
    /// From the API server's cache, a few milliseconds old: to plan from. An edit should not wait
    /// for what a consistent list costs, 50 to 100 ms, and whatever a plan does once too often
    /// harms nothing.
    Cached,
    /// With all that was just written: to report from.
    Consistent,
}

/// Looks at the queues of the chain's location and at the chain's children. Without `desired` the
/// location isn't known, and no queue is looked at.
pub async fn observe(
    context: &Context,
    chain: &ExecutorChain,
    desired: Option<&Desired>,
    freshness: Freshness,
) -> Result<Observed, Error> {
    let names: Vec<String> = chain
        .spec
        .stages
        .iter()
        .map(|stage| child_name(&chain.name_any(), &stage.name))
        .collect();
    let (queues, deployments, services) = futures::try_join!(
        queues(
            context,
            desired.map(|desired| &desired.notifier.queue.parent)
        ),
        children::<Deployment>(context, chain, &names, freshness),
        children::<Service>(context, chain, &names, freshness),
    )?;
    let has_finalizer = chain
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    Ok(Observed {
        has_finalizer,
        queues,
        deployments,
        services,
    })
}

async fn queues(
    context: &Context,
    parent: Option<&LocationPath>,
) -> Result<BTreeMap<cloudtasks::QueuePath, cloudtasks::Queue>, Error> {
    let Some(parent) = parent else {
        return Ok(BTreeMap::new());
    };
    let queues = context.queues.list_queues(parent).await?;
    Ok(queues
        .into_iter()
        .map(|queue| (queue.path.clone(), queue))
        .collect())
}

/// The objects with the chain's label, and those that merely have a child's name: the plan has to
/// see that a name is taken.
async fn children<K>(
    context: &Context,
    chain: &ExecutorChain,
    names: &[String],
    freshness: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let namespace = chain.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(context.client.clone(), &namespace);
    let kind = K::kind(&()).into_owned();
    let labelled = ListParams::default().labels(&format!("{CHAIN_LABEL}={}", chain.name_any()));
    let labelled = match freshness {
        Freshness::Cached => labelled.match_any(),
        Freshness::Consistent => labelled,
    };
    let list = call(format!("list {kind}s"), api.list(&labelled)).await?;
    let mut found: BTreeMap<String, K> = list
        .items
        .into_iter()
        .map(|object| (object.name_any(), object))
        .collect();
    for name in names
        .iter()
        .filter(|name| !found.contains_key(*name))
        .cloned()
        .collect::<Vec<_>>()
    {
        if let Some(object) = call(format!("get {kind} {name}"), api.get_opt(&name)).await? {
            found.insert(name, object);
        }
    }
    Ok(found)
}
