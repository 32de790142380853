//! Observe: what is there of a chain, in Cloud Tasks and in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cloudtasks::{LocationPath, QueuePath};
use crds::ExecutorChain;
use crds::conditions::Reason;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DynamicObject, GetParams, ListParams, ObjectList};
use kube::{Api, Resource, ResourceExt};
use plan::model::gateway_resource::{Availability, GatewayResourceKind};
use plan::objects::names::served_queue;
use plan::objects::names::{CHAIN_LABEL, FINALIZER};
use plan::objects::queue_settings::settings_hash;
use plan::rules::drain::{is_at_rest, queues_to_count};
use plan::{
    Backlog, ChainView, Desired, Freshness, Observed, Problem, Push, TimedCondition,
    timed_conditions,
};
use serde::de::DeserializeOwned;

use crate::api_server::call;
use crate::cache::auth_failures::ScrapeTarget;
use crate::cache::children::{Child, PackedObject};
use crate::cache::locations::WatchedQueues;
use crate::context::Context;
use crate::error::Error;

/// How often the tasks of a queue are counted that is empty, paused, and nobody's any more. Before it is
/// deleted it is counted each time, since a task may have come.
const REST_LOOK: Duration = Duration::from_mins(1);

/// What a chain that is served has: the queues of its location, its Deployments and Services. What is
/// not looked at is as it was told: queues by the last list and by answers, which are seconds old at
/// most, the rest by watches.
pub async fn observe(
    context: &Context,
    chain: &ExecutorChain,
    desired: &Desired,
    look: Freshness,
) -> Result<Observed, Error> {
    let parent = &desired.notifier.queue.parent;
    let names: Vec<&str> = desired.stages.iter().map(|it| it.child.as_str()).collect();
    let metadata = &chain.metadata;
    let queues = async {
        let watched = WatchedQueues {
            queues: desired.queues().cloned().collect(),
            owner: desired.queue_owner.clone(),
        };
        let told = context.caches.locations.get(chain, parent, watched).await;
        let queues = match look {
            Freshness::Cached => told,
            Freshness::Queues | Freshness::All => {
                context.caches.locations.list_now(chain, parent).await
            }
        };
        queues.map_err(Error::from)
    };
    let (queues, offers, deployments, services, (pods, targets)) = futures::try_join!(
        queues,
        Box::pin(offers(context, metadata, Some(desired), look)),
        children::<Deployment>(context, metadata, &names, look),
        children::<Service>(context, metadata, &names, look),
        pods(context, metadata, look),
    )?;
    context.caches.auth_failures.watch(chain, targets);
    let mut observed = Observed {
        now: Timestamp::now(),
        has_finalizer: has_finalizer(metadata),
        was_in_force: was_in_force(context, chain, desired),
        queues,
        deployments,
        services,
        availability: offers,
        taken_hosts: taken_hosts(context, desired),
        pods,
        backlogs: BTreeMap::new(),
        last_backlogs: BTreeMap::new(),
        auth_failures: context.caches.auth_failures.reasons(chain),
        elapsed: BTreeMap::new(),
    };
    remember(context, metadata, desired, &mut observed);
    Ok(observed)
}

/// Counts the tasks of queues that drain, as far as that is due. None of it is worth a round: what
/// can't be counted is left as it is.
pub async fn count(
    context: &Context,
    chain: &ExecutorChain,
    desired: &Desired,
    observed: &mut Observed,
) {
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let last = context
        .caches
        .condition_timers
        .backlogs(uid, Instant::now());
    observed.backlogs.clear();
    // What was never counted first, then what was longest ago: where there are too many for the limit,
    // each gets its turn.
    let age = |queue: &QueuePath| last.get(queue).map(|(_, age)| *age);
    let mut due = queues_to_count(ChainView::new(desired, observed));
    due.sort_by_key(|queue| std::cmp::Reverse(age(queue).unwrap_or(Duration::MAX)));
    for queue in due {
        let age = age(&queue);
        if is_at_rest(ChainView::new(desired, observed), &queue)
            && age.is_some_and(|age| age < REST_LOOK)
        {
            continue;
        }
        match context.queues.count_tasks(&queue, Backlog::ENOUGH).await {
            Ok(tasks) => {
                let counted = tasks.map(|tasks| (queue, Backlog::of(tasks)));
                observed.backlogs.extend(counted);
            }
            Err(error) => tracing::warn!(%queue, %error, "its tasks could not be counted"),
        }
    }
    context
        .memory
        .counted(uid, &observed.backlogs, Instant::now());
    remember(context, &chain.metadata, desired, observed);
}

/// For how long what holds has held, and what was counted last.
fn remember(context: &Context, chain: &ObjectMeta, desired: &Desired, observed: &mut Observed) {
    let uid = chain.uid.as_deref().unwrap_or_default();
    let now = Instant::now();
    let last = context
        .caches
        .condition_timers
        .backlogs(uid, now)
        .into_iter();
    observed.last_backlogs = last.map(|(queue, (backlog, _))| (queue, backlog)).collect();
    let known = context.caches.condition_timers.known(uid);
    let known = |fact: &TimedCondition| known.as_ref().map(|known| known.contains(fact));
    let hold = timed_conditions(ChainView::new(desired, observed), known);
    observed.elapsed = context.caches.condition_timers.elapsed(uid, hold, now);
}

/// The pods of the chain's stages, those that are about to end too; and those among them that demand
/// tokens and can be asked what they have refused.
async fn pods(
    context: &Context,
    chain: &ObjectMeta,
    look: Freshness,
) -> Result<(Vec<plan::Pod>, Vec<ScrapeTarget>), Error> {
    if look != Freshness::All
        && let Some(told) = context.caches.children.pods(chain).await
    {
        return Ok(told);
    }
    let list: ObjectList<Pod> = list_labelled(context, chain).await?;
    let pods = list.items.iter().filter_map(plan::Pod::of).collect();
    Ok((
        pods,
        list.items.iter().filter_map(ScrapeTarget::of).collect(),
    ))
}

/// All of a kind that carries the chain's label, as it is now, for the next rounds too.
async fn list_labelled<K: Child>(
    context: &Context,
    chain: &ObjectMeta,
) -> Result<ObjectList<K>, Error> {
    let namespace = chain.namespace.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(context.client.clone(), namespace);
    let labelled = labelled(chain, Freshness::All);
    let list = call(format!("list {}s", K::kind(&())), api.list(&labelled)).await?;
    context.caches.children.listed(chain, &list);
    Ok(list)
}

/// What carries the chain's label: as it is now, or a few milliseconds ago, which costs the API server
/// 50 to 100 ms less.
fn labelled(chain: &ObjectMeta, look: Freshness) -> ListParams {
    let name = chain.name.as_deref().unwrap_or_default();
    let labelled = ListParams::default().labels(&format!("{CHAIN_LABEL}={name}"));
    match look {
        Freshness::Cached | Freshness::Queues => labelled.match_any(),
        Freshness::All => labelled,
    }
}

/// What a chain that ends has. Where its queues are is told by its Deployments, and by its spec if
/// that can be read. Without `queues` none is looked at.
pub async fn observe_end(
    context: &Context,
    chain: &ObjectMeta,
    desired: Option<&Desired>,
    with_queues: bool,
) -> Result<Observed, Error> {
    let (offers, deployments, services) = futures::try_join!(
        Box::pin(offers(context, chain, None, Freshness::All)),
        children::<Deployment>(context, chain, &[], Freshness::All),
        children::<Service>(context, chain, &[], Freshness::All),
    )?;
    let served: Vec<QueuePath> = deployments.values().filter_map(served_queue).collect();
    let named = desired.map(|desired| &desired.notifier.queue);
    let parents: BTreeSet<&LocationPath> = if with_queues {
        served
            .iter()
            .chain(named)
            .map(|queue| &queue.parent)
            .collect()
    } else {
        BTreeSet::new()
    };
    let mut queues = Vec::new();
    for parent in parents {
        match context.queues.list_queues(parent).await {
            Ok(found) => queues.extend(found),
            // A place that isn't there has no queues to pause.
            Err(error) if Problem::from(&error).reason == Reason::ProjectNotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Observed {
        now: Timestamp::now(),
        has_finalizer: has_finalizer(chain),
        was_in_force: false,
        queues: queues.into_iter().collect(),
        deployments,
        services,
        availability: offers,
        taken_hosts: BTreeMap::new(),
        pods: Vec::new(),
        backlogs: BTreeMap::new(),
        last_backlogs: BTreeMap::new(),
        auth_failures: BTreeMap::new(),
        elapsed: BTreeMap::new(),
    })
}

/// What there is of each kind that the cluster may have or not. One that we may not look at is no
/// obstacle to a chain that has no use for it.
async fn offers(
    context: &Context,
    chain: &ObjectMeta,
    desired: Option<&Desired>,
    look: Freshness,
) -> Result<BTreeMap<GatewayResourceKind, Availability>, Error> {
    let namespace = chain.namespace.as_deref().unwrap_or_default();
    let name = chain.name.as_deref().unwrap_or_default();
    let asks = desired.is_some_and(|desired| matches!(desired.push, Push::Gateway(_)));
    let kinds = context
        .caches
        .api_discovery
        .of(namespace, name, asks)
        .await?;
    let looks = kinds.into_iter().map(async |kind| {
        let names = desired.map_or_else(Vec::new, |desired| desired.gateway_resource_names(kind));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let resource = kind.resource();
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), namespace, &resource);
        match children_of(api, &kind.to_string(), chain, &names, look).await {
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
    let offers = futures::future::try_join_all(looks).await?;
    Ok(offers.into_iter().collect())
}

/// The hosts of the stages that another chain has.
fn taken_hosts(context: &Context, desired: &Desired) -> BTreeMap<String, String> {
    if !matches!(desired.push, Push::Gateway(_)) {
        return BTreeMap::new();
    }
    let stages = desired.stages.iter();
    let hosts = stages.map(|stage| stage.address.host.as_str());
    context
        .caches
        .api_discovery
        .taken(&desired.namespace, &desired.name, hosts)
}

/// Whether the queues were as the spec says, and the same is still to be set on them. What we have told
/// ourselves since the chain that we were given counts for more: by that, our own last edit would be
/// somebody else's.
fn was_in_force(context: &Context, chain: &ExecutorChain, desired: &Desired) -> bool {
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let wanted = settings_hash(desired);
    let has_set = context.caches.status_echo.has_queues_hash(uid, &wanted);
    has_set.unwrap_or_else(|| {
        let status = chain.status.as_ref();
        status.and_then(|status| status.queues_hash.as_ref()) == Some(&wanted)
    })
}

/// Whether a chain has our finalizer.
pub fn has_finalizer(chain: &ObjectMeta) -> bool {
    let mut finalizers = chain.finalizers.iter().flatten();
    finalizers.any(|finalizer| finalizer == FINALIZER)
}

/// The objects with the chain's label, and those that merely have a child's name: the plan has to
/// see that a name is taken.
async fn children<K>(
    context: &Context,
    chain: &ObjectMeta,
    names: &[&str],
    look: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Child<Cached = PackedObject>,
{
    let namespace = chain.namespace.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(context.client.clone(), namespace);
    let kind = K::kind(&());
    if look != Freshness::All
        && let Some(told) = context.caches.children.of::<K>(chain, names).await
    {
        let mut found = told.labelled;
        let others = told.others.iter().map(String::as_str);
        found.extend(named(&api, &kind, others, look).await?);
        return Ok(found);
    }
    let list: ObjectList<K> = list_labelled(context, chain).await?;
    with_names(&api, &kind, list, names, Freshness::All).await
}

async fn children_of<K>(
    api: Api<K>,
    kind: &str,
    chain: &ObjectMeta,
    names: &[&str],
    look: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let labelled = labelled(chain, look);
    let list = call(format!("list {kind}s"), api.list(&labelled)).await?;
    with_names(&api, kind, list, names, look).await
}

/// What was listed, with what merely has one of these names.
async fn with_names<K>(
    api: &Api<K>,
    kind: &str,
    list: ObjectList<K>,
    names: &[&str],
    look: Freshness,
) -> Result<BTreeMap<String, K>, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut found: BTreeMap<String, K> = list
        .items
        .into_iter()
        .map(|object| (object.name_any(), object))
        .collect();
    let missing = names.iter().filter(|name| !found.contains_key(**name));
    let others = named(api, kind, missing.copied(), look).await?;
    found.extend(others);
    Ok(found)
}

/// Those of a name that are there, asked for together.
async fn named<'a, K>(
    api: &Api<K>,
    kind: &str,
    names: impl Iterator<Item = &'a str>,
    look: Freshness,
) -> Result<Vec<(String, K)>, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let parameters = match look {
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
