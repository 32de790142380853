//! The overrides of chains, from a watch.
//!
//! A chain is not served before they are listed: an operator that starts would undo those in force.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crds::ChainOverride;
use crds::conditions::Reason;
use futures::StreamExt;
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::{Client, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::{self, Event, watcher};
use parking_lot::Mutex;
use plan::Problem;
use plan::rules::overrides::{Phase, phase, until};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api_server::RETRY_PAUSE;
use crate::chain::{NamespacedName, Triggers, trigger};
use crate::namespaces::Scope;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::override_gauges::OverrideEnd;

/// How long a reconcile waits for the first list.
const FIRST_LIST: Duration = Duration::from_secs(10);
/// How often ends are looked for of which no reconcile reminds: those of overrides whose chain doesn't exist.
const SWEEP: Duration = Duration::from_mins(1);

/// An override as it is watched: one that can't be parsed doesn't end the watch of the others.
type Watched = DeserializeGuard<ChainOverride>;

/// The overrides of all chains.
pub struct OverrideCache {
    scopes: Vec<ScopeWatch>,
    triggers: Triggers,
    metrics: Arc<Metrics>,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

struct ScopeWatch {
    scope: Scope,
    store: Store<Watched>,
    state: watch::Sender<WatchState>,
}

/// What is known of a scope's overrides.
#[derive(Debug, Clone, PartialEq, Eq)]
enum WatchState {
    /// Nothing yet.
    Starting,
    /// What the store has, which may lag.
    Listed,
    /// The cluster doesn't have the kind.
    Absent,
    /// They couldn't be listed yet, for this reason.
    Failed(String),
}

impl OverrideCache {
    /// Watches overrides in `scopes` until the value is dropped. Chains that are to be reconciled go to
    /// `triggers`.
    pub fn new(
        client: &Client,
        scopes: Vec<Scope>,
        triggers: Triggers,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let mut writers = Vec::new();
        let scopes = scopes.into_iter().map(|scope| {
            let (store, writer) = reflector::store();
            writers.push(writer);
            ScopeWatch {
                scope,
                store,
                state: watch::Sender::new(WatchState::Starting),
            }
        });
        let cache = Arc::new(Self {
            scopes: scopes.collect(),
            triggers,
            metrics,
            watches: Mutex::default(),
        });
        {
            let mut watches = cache.watches.lock();
            for (index, writer) in writers.into_iter().enumerate() {
                let weak = Arc::downgrade(&cache);
                watches.spawn(keep_watching(weak, client.clone(), index, writer));
            }
            watches.spawn(keep_sweeping(Arc::downgrade(&cache)));
        }
        cache
    }

    /// The overrides that name a chain, without those that are over and reported. Waits for the first list.
    pub async fn of(
        &self,
        namespace: &str,
        chain: &str,
    ) -> Result<Vec<Arc<ChainOverride>>, Problem> {
        let mut scopes = self.scopes.iter();
        let Some(watched) = scopes.find(|it| it.scope.covers(namespace)) else {
            return Ok(Vec::new());
        };
        let mut state = watched.state.subscribe();
        let known = state.wait_for(|state| *state != WatchState::Starting);
        let state = match tokio::time::timeout(FIRST_LIST, known).await {
            Ok(Ok(state)) => state.clone(),
            Ok(Err(_)) | Err(_) => WatchState::Failed("the API server doesn't answer".to_owned()),
        };
        match state {
            WatchState::Absent => Ok(Vec::new()),
            WatchState::Listed => Ok(watched.of(namespace, chain)),
            WatchState::Starting => Err(unknown("they are not listed yet")),
            WatchState::Failed(why) => Err(unknown(&why)),
        }
    }

    /// When those of all chains end, as far as they are known.
    pub fn ends(&self) -> Vec<OverrideEnd> {
        let now = Timestamp::now();
        let all = self.scopes.iter().flat_map(|it| it.parsed(|_| true));
        let end = |it: Arc<ChainOverride>| OverrideEnd {
            namespace: it.namespace().unwrap_or_default(),
            name: it.name_any(),
            chain: it.spec.chain.clone(),
            until: matches!(phase(&it, now), Phase::InForce(_)).then(|| until(&it)),
        };
        all.map(end).collect()
    }

    fn take(&self, index: usize, writer: &mut Writer<Watched>, event: &Event<Watched>) {
        let watched = &self.scopes[index];
        let is_start = *watched.state.borrow() != WatchState::Listed;
        let mut concerned: BTreeSet<NamespacedName> = BTreeSet::new();
        match event {
            Event::Apply(now) => concerned.extend(watched.changed(now)),
            Event::Delete(gone) => concerned.extend(chain_of(gone)),
            // Changes may have been missed, and deletions.
            Event::InitDone => concerned.extend(watched.chains()),
            Event::Init | Event::InitApply(_) => {}
        }
        writer.apply_watcher_event(event);
        if matches!(event, Event::InitDone) {
            watched.state.send_replace(WatchState::Listed);
            concerned.extend(watched.chains());
        }
        // At a start every chain that exists is reconciled in any case.
        if !is_start || matches!(event, Event::InitDone) {
            for chain in &concerned {
                trigger(&self.triggers, chain);
            }
        }
    }

    fn failed(&self, index: usize, error: &watcher::Error) {
        let watched = &self.scopes[index];
        let is_absent = matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
        self.metrics.watch_failed();
        watched.state.send_if_modified(|state| {
            if *state == WatchState::Listed && !is_absent {
                return false;
            }
            *state = if is_absent {
                WatchState::Absent
            } else {
                WatchState::Failed(error.to_string())
            };
            true
        });
        if is_absent {
            tracing::debug!("the cluster has no ChainOverrides: their CRD isn't installed");
        } else {
            tracing::warn!(%error, "the watch of ChainOverrides has failed");
        }
    }

    /// Reconciles the chains of overrides whose end no status says yet.
    fn sweep(&self, now: Timestamp) {
        let scopes = self.scopes.iter();
        let due = scopes.flat_map(|it| it.parsed(|it| is_due(it, now)));
        let chains: BTreeSet<NamespacedName> = due
            .map(|it| (it.namespace().unwrap_or_default(), it.spec.chain.clone()))
            .collect();
        for chain in &chains {
            trigger(&self.triggers, chain);
        }
    }
}

impl ScopeWatch {
    /// Without those that are history: there may be many.
    fn of(&self, namespace: &str, chain: &str) -> Vec<Arc<ChainOverride>> {
        let now = Timestamp::now();
        self.parsed(|it| {
            it.spec.chain == chain
                && it.metadata.namespace.as_deref() == Some(namespace)
                && !is_history(it, now)
        })
    }

    fn parsed(&self, wanted: impl Fn(&ChainOverride) -> bool) -> Vec<Arc<ChainOverride>> {
        let is_wanted = |it: &Watched| it.0.as_ref().is_ok_and(&wanted);
        let found = self.store.state_filter(is_wanted).into_iter();
        found
            .filter_map(|it| it.0.clone().ok().map(Arc::new))
            .collect()
    }

    fn chains(&self) -> Vec<NamespacedName> {
        let found = self.store.state();
        found.iter().filter_map(|it| chain_of(it)).collect()
    }

    /// The chain that a change concerns, if it changes what is in force. A status that we have written
    /// doesn't, but for its end.
    fn changed(&self, now: &Watched) -> Option<NamespacedName> {
        let before = self.store.get(&ObjectRef::from_obj(now));
        let matters = |it: &Watched| {
            let it = it.0.as_ref().ok()?;
            let ended = it.status.as_ref().and_then(|it| it.ended_at.clone());
            Some((
                it.spec.clone(),
                it.metadata.deletion_timestamp.clone(),
                ended,
            ))
        };
        let is_same = before.is_some_and(|before| matters(&before) == matters(now));
        chain_of(now).filter(|_| !is_same)
    }
}

fn chain_of(it: &Watched) -> Option<NamespacedName> {
    let it = it.0.as_ref().ok()?;
    Some((it.namespace()?, it.spec.chain.clone()))
}

/// Whether nothing is to be done for it any more, for now.
fn is_history(it: &ChainOverride, now: Timestamp) -> bool {
    let status = it.status.as_ref();
    let is_reported = status.is_some_and(|status| {
        let mut conditions = status.conditions.iter();
        status.ended_at.is_some() && conditions.all(|it| it.status != "True")
    });
    is_reported && phase(it, now) == Phase::Over && !plan::is_forgotten(it, now)
}

/// Whether its end is to be reported, or it is to be deleted.
fn is_due(it: &ChainOverride, now: Timestamp) -> bool {
    let status = it.status.as_ref();
    let reported = status.is_some_and(|status| status.ended_at.is_some());
    let is_over = phase(it, now) == Phase::Over;
    status.is_none() || (is_over && (!reported || plan::is_forgotten(it, now)))
}

fn unknown(why: &str) -> Problem {
    Problem::new(
        Reason::KubernetesError,
        format!(
            "the operator can't read ChainOverrides, so it changes nothing: {why}. Check that the CRD chainoverrides.executor-chain.dev exists, and that the operator may list and watch it"
        ),
    )
}

async fn keep_watching(
    cache: Weak<OverrideCache>,
    client: Client,
    index: usize,
    mut writer: Writer<Watched>,
) {
    loop {
        let Some(scope) = cache
            .upgrade()
            .map(|cache| cache.scopes[index].scope.clone())
        else {
            return;
        };
        let api = scope.api::<Watched>(&client);
        let mut events = Box::pin(watcher(api, watcher::Config::default()));
        while let Some(event) = events.next().await {
            let Some(cache) = cache.upgrade() else {
                return;
            };
            match event {
                Ok(event) => cache.take(index, &mut writer, &event),
                Err(error) => {
                    cache.failed(index, &error);
                    break;
                }
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

async fn keep_sweeping(cache: Weak<OverrideCache>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(cache) = cache.upgrade() else {
            return;
        };
        cache.sweep(Timestamp::now());
    }
}
