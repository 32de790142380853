//! Observe: what exists of a chain, in Cloud Tasks and in Kubernetes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use cloudtasks::{LocationPath, Queue, QueuePath};
use crds::ExecutorChain;
use crds::conditions::Reason;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use plan::model::queue_headers::limits_holder;
use plan::objects::queue_settings::settings_hash;
use plan::rules::absence::{queues_to_look_up, unlisted};
use plan::rules::notifier_limits::is_marked;
use plan::{
    ChainView, Deletion, Desired, Freshness, LocationQueues, Observed, ParkedCount, Problem, Push,
    TimedCondition, timed_conditions,
};

use crate::cache::locations::WatchedQueues;
use crate::chain::has_finalizer;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::deleted_chain::DeletedChain;
use crate::reconcile::read::{
    read_children, read_gateway_resources, read_left_gateway_resources, read_pods,
};

/// A chain that is served.
#[derive(Clone, Copy)]
pub struct ServedChain<'a> {
    /// The chain.
    pub chain: &'a ExecutorChain,
    /// What all reconciles share.
    pub context: &'a Context,
    /// Its spec, parsed.
    pub desired: &'a Desired,
}

/// What exists of a chain that is served. What need not be fresh comes from the caches.
pub async fn observe(served: ServedChain<'_>, freshness: Freshness) -> Result<Observed, Error> {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let names: Vec<&str> = desired.stages.iter().map(|it| it.child.as_str()).collect();
    let metadata = &chain.metadata;
    let (queues, availability, deployments, services, pods) = futures::try_join!(
        read_queues(served, freshness),
        Box::pin(read_gateway_resources(
            metadata, context, desired, freshness
        )),
        read_children::<Deployment>(metadata, context, &names, freshness),
        read_children::<Service>(metadata, context, &names, freshness),
        read_pods(metadata, context, freshness),
    )?;
    let mut observed = Observed {
        now: Timestamp::now(),
        has_finalizer: has_finalizer(metadata),
        was_in_force: was_in_force(served),
        whole_seconds: context.queues.keeps_whole_seconds(),
        queues,
        absent_queues: BTreeSet::new(),
        other_locations: other_locations(context, desired),
        chains: BTreeMap::new(),
        deployments,
        services,
        availability,
        taken_hosts: taken_hosts(context, desired),
        pods,
        backlogs: BTreeMap::new(),
        last_backlogs: BTreeMap::new(),
        auth_failures: context.caches.workers.refusals(chain),
        health: context.caches.workers.health(chain),
        parked: BTreeMap::new(),
        elapsed: BTreeMap::new(),
    };
    look_up_queues(served, &mut observed).await;
    observe_users(served, &mut observed);
    time_conditions(served, &mut observed);
    know_parked(served, &mut observed);
    Ok(observed)
}

/// Asks for each queue whose absence would decide something. One that can't be asked for stays unknown,
/// and its workers stay: no edit waits for it.
async fn look_up_queues(served: ServedChain<'_>, observed: &mut Observed) {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let unlisted = queues_to_look_up(ChainView::new(desired, observed));
    if let Err(error) = context.queues.look_up(unlisted.clone(), observed).await {
        tracing::warn!(%error, "can't look up a queue that Cloud Tasks doesn't list: its workers stay");
    }
    let found = unlisted
        .iter()
        .filter_map(|queue| observed.queues.get(queue));
    let found: Vec<Queue> = found.cloned().collect();
    if !found.is_empty() {
        let parent = &desired.notifier.queue.parent;
        context.caches.locations.answered(chain, parent, &found);
    }
}

/// The chains on which it depends who sets the limits of the notifier's queue.
fn observe_users(served: ServedChain<'_>, observed: &mut Observed) {
    let ServedChain {
        context, desired, ..
    } = served;
    let chains = &context.caches.served_chains;
    let queue = &desired.notifier.queue;
    let mark = observed.queues.get(queue).and_then(limits_holder);
    let known = mark.and_then(|mark| Some((mark.to_owned(), chains.marked(mark)?)));
    observed.chains = known.into_iter().collect();
    if !is_marked(ChainView::new(desired, observed)) {
        observed.chains.extend(chains.users(queue));
    }
}

async fn read_queues(
    served: ServedChain<'_>,
    freshness: Freshness,
) -> Result<LocationQueues, Error> {
    let ServedChain { chain, desired, .. } = served;
    let locations = &served.context.caches.locations;
    let parent = &desired.notifier.queue.parent;
    let stages = desired.stages.iter();
    let stages = stages.map(|stage| (stage.name.clone(), stage.queue.id.clone()));
    let watched = WatchedQueues {
        queues: desired.queues().cloned().collect(),
        owner: desired.queue_owner.clone(),
        stages: stages.collect(),
    };
    let cached = locations.get(chain, parent, watched).await;
    let queues = match freshness {
        Freshness::Cached => cached,
        Freshness::Queues | Freshness::All => locations.list_now(chain, parent).await,
    };
    Ok(queues?)
}

/// For how long each timed condition has held, and the last count of each queue.
pub fn time_conditions(served: ServedChain<'_>, observed: &mut Observed) {
    let uid = served.chain.metadata.uid.as_deref().unwrap_or_default();
    let timers = &served.context.caches.condition_timers;
    let now = Instant::now();
    let last = timers.backlogs(uid, now).into_iter();
    observed.last_backlogs = last.map(|(queue, (backlog, _))| (queue, backlog)).collect();
    let known = timers.known(uid);
    let known = |condition: &TimedCondition| known.as_ref().map(|it| it.contains(condition));
    let hold = timed_conditions(ChainView::new(served.desired, observed), known);
    observed.elapsed = timers.elapsed(uid, hold, now);
}

/// How many tasks parking queues keep: as Cloud Tasks says, or as they were counted last.
pub fn know_parked(served: ServedChain<'_>, observed: &mut Observed) {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let caches = &context.caches;
    let count = |queue: &QueuePath| {
        let numbers = caches.locations.queue_numbers(queue);
        let said = numbers.value().map(|it| ParkedCount::About(it.tasks));
        let counted = || caches.condition_timers.parked(uid, queue, Instant::now());
        said.or_else(|| counted().map(|(count, _)| count))
    };
    let view = ChainView::new(desired, observed);
    let known = view.parking_queues();
    observed.parked = known
        .filter_map(|queue| Some((queue.path.clone(), count(&queue.path)?)))
        .collect();
}

/// What exists of a deleted chain. Its queues are where its Deployments and its spec say.
pub async fn observe_deleted(
    chain: &DeletedChain<'_>,
    context: &Context,
    deletion: Deletion,
) -> Result<Observed, Error> {
    let metadata = chain.metadata;
    let (availability, deployments, services) = futures::try_join!(
        Box::pin(read_left_gateway_resources(chain, context)),
        read_children::<Deployment>(metadata, context, &[], Freshness::All),
        read_children::<Service>(metadata, context, &[], Freshness::All),
    )?;
    let mut observed = Observed {
        now: Timestamp::now(),
        has_finalizer: has_finalizer(metadata),
        deployments,
        services,
        availability,
        // The plan of a deletion depends on nothing else.
        ..Observed::default()
    };
    if deletion.needs_queues() {
        read_left_queues(chain, context, &mut observed).await?;
    }
    Ok(observed)
}

/// All queues of each location where a deleted chain may have some.
async fn read_left_queues(
    chain: &DeletedChain<'_>,
    context: &Context,
    observed: &mut Observed,
) -> Result<(), Error> {
    let named = || chain.queues.iter();
    let unlisted = |observed: &Observed| unlisted(named(), chain.owner.as_ref(), observed);
    let mut locations: BTreeSet<LocationPath> = chain.location.iter().cloned().collect();
    locations.extend(unlisted(observed).into_iter().map(|queue| queue.parent));
    for location in locations {
        match context.queues.list_queues(&location).await {
            Ok(found) => observed.queues.extend(found),
            // A project that doesn't exist has no queues to pause.
            Err(error) if Problem::from(&error).reason == Reason::ProjectNotFound => {
                let mut gone = unlisted(observed);
                gone.retain(|queue| queue.parent == location);
                observed.absent_queues.extend(gone);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let unlisted = unlisted(observed);
    Ok(context.queues.look_up(unlisted, observed).await?)
}

/// The queues of other locations, where they matter: another chain's may push to a stage's host.
fn other_locations(context: &Context, desired: &Desired) -> Vec<LocationQueues> {
    if desired.push == Push::Cluster {
        return Vec::new();
    }
    let parent = &desired.notifier.queue.parent;
    context.caches.locations.all_but(parent)
}

/// The stages' hosts to which another chain's route leads.
fn taken_hosts(context: &Context, desired: &Desired) -> BTreeMap<String, String> {
    if desired.push == Push::Cluster {
        return BTreeMap::new();
    }
    let stages = desired.stages.iter();
    let hosts = stages.map(|stage| stage.address.host.as_str());
    let discovery = &context.caches.api_discovery;
    discovery.taken(&desired.namespace, &desired.name, hosts)
}

/// Whether the queues were as the spec says, and the spec says the same now. The status that we wrote
/// last decides: the chain that we were given may have an older one, by which our own last edit would
/// be drift.
fn was_in_force(served: ServedChain<'_>) -> bool {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let wanted = settings_hash(desired);
    let written = context.caches.status_echo.has_queues_hash(uid, &wanted);
    written.unwrap_or_else(|| {
        let status = chain.status.as_ref();
        status.and_then(|status| status.queues_hash.as_ref()) == Some(&wanted)
    })
}
