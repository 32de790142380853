//! What the operator keeps in memory, so that a reconcile needs few calls.

pub mod api_discovery;
pub mod blocked_deletions;
pub mod children;
pub mod condition_timers;
pub mod failures;
pub mod late_events;
pub mod locations;
pub mod namespace_uids;
pub mod object_cache;
pub mod overrides;
pub mod packed_object;
pub mod parked_listings;
pub mod queue_stats;
pub mod redrives;
pub mod revisions;
pub mod scrape_target;
pub mod served_chains;
pub mod status_echo;
pub mod workers;

use std::sync::Arc;

use execute::AdminClient;
use kube::Client;

use crate::args::Args;
use crate::chain::Triggers;
use crate::telemetry::metrics::Metrics;
use crate::viewers::Viewers;
use api_discovery::ApiDiscovery;
use blocked_deletions::BlockedDeletions;
use children::ChildCache;
use condition_timers::ConditionTimers;
use failures::FailureCounts;
use late_events::LateEvents;
use locations::{LocationCache, Periods};
use namespace_uids::NamespaceUids;
use overrides::OverrideCache;
use parked_listings::ParkedListings;
use redrives::RedriveCache;
use revisions::RevisionCache;
use served_chains::ServedChains;
use status_echo::StatusEchoFilter;
use workers::ScrapedWorkers;

/// The caches of one term as the leader.
pub struct Caches {
    /// The chains.
    pub served_chains: ServedChains,
    /// The queues of each location.
    pub locations: Arc<LocationCache>,
    /// The Deployments, Services and pods of chains.
    pub children: Arc<ChildCache>,
    /// What workers count.
    pub workers: Arc<ScrapedWorkers>,
    /// Which optional APIs the cluster has, and chains' objects of these.
    pub api_discovery: Arc<ApiDiscovery>,
    /// The chains' overrides.
    pub overrides: Arc<OverrideCache>,
    /// The chains' redrives and discards.
    pub redrives: Arc<RedriveCache>,
    /// The kept generations of the chains' specs.
    pub revisions: RevisionCache,
    /// Events that wait for a lull.
    pub late_events: LateEvents,
    /// Since when each timed condition has held.
    pub condition_timers: ConditionTimers,
    /// Which changes of chains are the operator's own.
    pub status_echo: StatusEchoFilter,
    /// What is parked, for people who look.
    pub parked: Arc<ParkedListings>,
    /// Failed reconciles.
    pub failures: FailureCounts,
    /// What the chains' namespaces are as owners.
    pub namespace_uids: NamespaceUids,
    /// Deletions that Cloud Tasks blocks.
    pub blocked_deletions: BlockedDeletions,
}

impl Caches {
    /// Watches and polls from now on. Chains that are to be reconciled go to `triggers`.
    pub fn new(
        args: &Args,
        served_chains: ServedChains,
        client: &Client,
        queues: &AdminClient,
        viewers: &Viewers,
        triggers: &Triggers,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let scopes = args.namespaces().scopes();
        let periods = Periods {
            queues: args.queue_poll_interval.0,
            stats: Some(args.queue_stats_interval.0).filter(|period| !period.is_zero()),
        };
        let gauges = &metrics.queues;
        let override_gauges = &metrics.overrides;
        let metrics = || Arc::clone(metrics);
        let triggers = || triggers.clone();
        let viewers = || viewers.clone();
        let locations =
            LocationCache::new(queues.clone(), metrics(), periods, viewers(), triggers());
        let numbers = Arc::downgrade(&locations);
        gauges.read_from(move || {
            let locations = numbers.upgrade();
            locations
                .map(|locations| locations.all_numbers())
                .unwrap_or_default()
        });
        let children = ChildCache::new(client, &scopes, triggers(), metrics());
        let workers = ScrapedWorkers::new(
            args.worker_poll_interval.0,
            args.baseline_slot,
            Arc::clone(&children),
            viewers(),
            triggers(),
        );
        let overrides = OverrideCache::new(client, scopes.clone(), triggers(), metrics());
        let ends = Arc::downgrade(&overrides);
        override_gauges.read_from(move || {
            let overrides = ends.upgrade();
            overrides
                .map(|overrides| overrides.ends())
                .unwrap_or_default()
        });
        let redrives = RedriveCache::new(client, &scopes, metrics());
        let limit = args.revision_history_limit;
        Self {
            served_chains,
            overrides,
            redrives,
            revisions: RevisionCache::new(client.clone(), scopes.clone(), limit),
            late_events: LateEvents::default(),
            locations,
            children,
            workers,
            parked: ParkedListings::new(queues.clone()),
            api_discovery: ApiDiscovery::new(client.clone(), scopes, triggers()),
            condition_timers: ConditionTimers::default(),
            status_echo: StatusEchoFilter::default(),
            failures: FailureCounts::default(),
            namespace_uids: NamespaceUids::default(),
            blocked_deletions: BlockedDeletions::default(),
        }
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        self.locations.forget(namespace, chain);
        self.workers.forget(namespace, chain);
        self.api_discovery.forget(namespace, chain);
        self.namespace_uids.forget(namespace);
        self.served_chains.forget(namespace, chain);
        self.revisions.forget(namespace, chain);
    }

    /// A chain is deleted: nothing of it is left to serve.
    pub fn forget_uid(&self, uid: &str) {
        self.condition_timers.forget(uid);
        self.status_echo.forget(uid);
        self.blocked_deletions.ended(uid);
    }
}
