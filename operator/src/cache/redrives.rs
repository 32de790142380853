//! The redrives and discards of chains, from watches. Without their CRDs there are none.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crds::{ChainDiscard, ChainRedrive, RedriveStatus};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::{Client, Resource, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::{self, Event, watcher};
use parking_lot::Mutex;
use plan::{Redrive, is_redrive_forgotten};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::api_server::RETRY_PAUSE;
use crate::chain::NamespacedName;
use crate::namespaces::Scope;
use crate::telemetry::metrics::Metrics;

/// After which time those that are open are looked at again: every two seconds, with the second between turns.
const PERIOD: Duration = Duration::from_secs(1);
/// How often those are looked for that were finished long ago.
const SWEEP: Duration = Duration::from_mins(1);

/// One as it is watched: one that can't be parsed doesn't end the watch of the others.
type Watched<K> = DeserializeGuard<K>;

/// A kind of which chains have objects here.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Both kinds as one.
    fn into_redrive(self) -> Redrive;
    /// Where the kind's objects are.
    fn watches(cache: &RedriveCache) -> &[ScopeWatch<Self>];
}

impl Kind for ChainRedrive {
    fn into_redrive(self) -> Redrive {
        Redrive::Move(Box::new(self))
    }

    fn watches(cache: &RedriveCache) -> &[ScopeWatch<Self>] {
        &cache.redrives
    }
}

impl Kind for ChainDiscard {
    fn into_redrive(self) -> Redrive {
        Redrive::Discard(Box::new(self))
    }

    fn watches(cache: &RedriveCache) -> &[ScopeWatch<Self>] {
        &cache.discards
    }
}

/// The redrives and discards of all chains.
pub struct RedriveCache {
    redrives: Vec<ScopeWatch<ChainRedrive>>,
    discards: Vec<ScopeWatch<ChainDiscard>>,
    known: Mutex<Known>,
    changed: Notify,
    metrics: Arc<Metrics>,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

#[derive(Default)]
struct Known {
    /// By UID, what we have written, and in which version: a watch may lag behind it.
    written: HashMap<String, (u64, RedriveStatus)>,
    /// The chains of which something has changed since they were looked at.
    changed: BTreeSet<NamespacedName>,
    /// The chains that have no open one, and no mover left.
    settled: BTreeSet<NamespacedName>,
}

/// The watch of a kind in a scope.
pub struct ScopeWatch<K: Resource<DynamicType = ()> + 'static> {
    scope: Scope,
    store: Store<Watched<K>>,
    state: Mutex<WatchState>,
}

/// What is known of a scope's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WatchState {
    /// Nothing yet.
    Unknown,
    /// What the store has, which may lag.
    Listed,
    /// The cluster doesn't have the kind.
    Absent,
}

impl RedriveCache {
    /// Watches redrives and discards in `scopes` until the value is dropped.
    pub fn new(client: &Client, scopes: &[Scope], metrics: Arc<Metrics>) -> Arc<Self> {
        let (redrives, redrive_writers) = watches::<ChainRedrive>(scopes);
        let (discards, discard_writers) = watches::<ChainDiscard>(scopes);
        let cache = Arc::new(Self {
            redrives,
            discards,
            known: Mutex::default(),
            changed: Notify::new(),
            metrics,
            watches: Mutex::default(),
        });
        {
            let mut tasks = cache.watches.lock();
            spawn(&mut tasks, &cache, client, redrive_writers);
            spawn(&mut tasks, &cache, client, discard_writers);
        }
        cache
    }

    /// The chains whose redrives are to be looked at, when there are some: something has changed, or is to be
    /// looked at again.
    pub async fn due(&self) -> BTreeSet<NamespacedName> {
        loop {
            let changed = self.changed.notified();
            let pause = if self.is_open() { PERIOD } else { SWEEP };
            let _ = tokio::time::timeout(pause, changed).await;
            let due = self.due_now(Timestamp::now());
            if !due.is_empty() {
                return due;
            }
        }
    }

    /// Those of a chain, the finished ones among them, with what was written of them. `None` if not all of
    /// them are known.
    pub fn of(&self, (namespace, chain): &NamespacedName) -> Option<Vec<Redrive>> {
        let mut found = of_kind::<ChainRedrive>(self, namespace, chain)?;
        found.extend(of_kind::<ChainDiscard>(self, namespace, chain)?);
        let known = self.known.lock();
        let found = found.into_iter();
        let with_written = found.map(|it| match known.written.get(it.uid()).cloned() {
            Some((version, status)) if version_in(it.metadata()) < Some(version) => {
                it.with_status(status)
            }
            Some(_) | None => it,
        });
        Some(with_written.collect())
    }

    /// The status of one was written, as the API server's answer has it.
    pub fn written(&self, redrive: &Redrive, now: &ObjectMeta, status: RedriveStatus) {
        if let Some(version) = version_in(now) {
            let mut known = self.known.lock();
            let uid = redrive.uid().to_owned();
            known.written.insert(uid, (version, status));
        }
    }

    /// A chain was looked at: whether it has no open one and no mover left.
    pub fn looked_at(&self, chain: &NamespacedName, is_settled: bool) {
        let mut known = self.known.lock();
        if is_settled {
            known.settled.insert(chain.clone());
        } else {
            known.settled.remove(chain);
        }
    }

    fn all(&self) -> Vec<Redrive> {
        let redrives = self.redrives.iter().flat_map(|it| it.parsed(|_| true));
        let discards = self.discards.iter().flat_map(|it| it.parsed(|_| true));
        redrives.chain(discards).collect()
    }

    fn is_open(&self) -> bool {
        let all = self.all();
        let known = self.known.lock();
        !known.changed.is_empty() || all.iter().any(|it| !known.settled.contains(&chain_of(it)))
    }

    fn due_now(&self, now: Timestamp) -> BTreeSet<NamespacedName> {
        let all = self.all();
        let mut known = self.known.lock();
        let mut due = std::mem::take(&mut known.changed);
        let is_due =
            |it: &&Redrive| !known.settled.contains(&chain_of(it)) || is_redrive_forgotten(it, now);
        due.extend(all.iter().filter(is_due).map(chain_of));
        due
    }

    fn take<K: Kind>(
        &self,
        index: usize,
        writer: &mut Writer<Watched<K>>,
        event: &Event<Watched<K>>,
    ) {
        let watched = &K::watches(self)[index];
        let mut concerned = BTreeSet::new();
        match event {
            Event::Apply(now) => concerned.extend(watched.changed(now)),
            Event::Delete(gone) => {
                concerned.extend(redrive(gone).as_ref().map(chain_of));
                let uid = gone.uid().unwrap_or_default();
                self.known.lock().written.remove(&uid);
            }
            // Changes may have been missed, and deletions.
            Event::InitDone => concerned.extend(watched.chains()),
            Event::Init | Event::InitApply(_) => {}
        }
        writer.apply_watcher_event(event);
        if matches!(event, Event::InitDone) {
            *watched.state.lock() = WatchState::Listed;
            concerned.extend(watched.chains());
        }
        if !concerned.is_empty() {
            self.known.lock().changed.extend(concerned);
            self.changed.notify_one();
        }
    }

    fn failed<K: Kind>(&self, index: usize, error: &watcher::Error) {
        let kind = K::kind(&());
        self.metrics.watch_failed();
        let is_absent = matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404);
        let mut state = K::watches(self)[index].state.lock();
        if !is_absent {
            tracing::warn!(%kind, %error, "a watch has failed");
        } else if *state != WatchState::Absent {
            *state = WatchState::Absent;
            tracing::info!(%kind, "the cluster doesn't have this kind: install its CRD to use it");
        }
    }
}

fn of_kind<K: Kind>(cache: &RedriveCache, namespace: &str, chain: &str) -> Option<Vec<Redrive>> {
    let mut all = K::watches(cache).iter();
    let Some(watched) = all.find(|it| it.scope.covers(namespace)) else {
        return Some(Vec::new());
    };
    let state = *watched.state.lock();
    match state {
        WatchState::Unknown => None,
        WatchState::Absent => Some(Vec::new()),
        WatchState::Listed => Some(watched.parsed(|it| {
            let (its_namespace, its_chain) = chain_of(it);
            its_namespace == namespace && its_chain == chain
        })),
    }
}

impl<K: Kind> ScopeWatch<K> {
    fn parsed(&self, wanted: impl Fn(&Redrive) -> bool) -> Vec<Redrive> {
        let found = self.store.state().into_iter();
        found
            .filter_map(|it| redrive(&it).filter(&wanted))
            .collect()
    }

    fn chains(&self) -> Vec<NamespacedName> {
        self.parsed(|_| true).iter().map(chain_of).collect()
    }

    /// The chain that a change concerns. A status that we have written concerns none.
    fn changed(&self, now: &Watched<K>) -> Option<NamespacedName> {
        let before = self.store.get(&ObjectRef::from_obj(now));
        let matters = |it: &Watched<K>| {
            let metadata = it.meta();
            let deleted = metadata.deletion_timestamp.clone();
            (metadata.uid.clone(), metadata.generation, deleted)
        };
        let is_same = before.is_some_and(|before| matters(&before) == matters(now));
        redrive(now).as_ref().map(chain_of).filter(|_| !is_same)
    }
}

fn redrive<K: Kind>(it: &Watched<K>) -> Option<Redrive> {
    it.0.as_ref().ok().cloned().map(Kind::into_redrive)
}

fn version_in(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

fn chain_of(it: &Redrive) -> NamespacedName {
    (it.namespace(), it.chain().to_owned())
}

type Watches<K> = (Vec<ScopeWatch<K>>, Vec<Writer<Watched<K>>>);

fn watches<K: Kind>(scopes: &[Scope]) -> Watches<K> {
    let watches = scopes.iter().map(|scope| {
        let (store, writer) = reflector::store();
        let watched = ScopeWatch {
            scope: scope.clone(),
            store,
            state: Mutex::new(WatchState::Unknown),
        };
        (watched, writer)
    });
    watches.unzip()
}

fn spawn<K: Kind>(
    tasks: &mut JoinSet<()>,
    cache: &Arc<RedriveCache>,
    client: &Client,
    writers: Vec<Writer<Watched<K>>>,
) {
    for (index, writer) in writers.into_iter().enumerate() {
        let weak = Arc::downgrade(cache);
        tasks.spawn(keep_watching::<K>(weak, client.clone(), index, writer));
    }
}

async fn keep_watching<K: Kind>(
    cache: Weak<RedriveCache>,
    client: Client,
    index: usize,
    mut writer: Writer<Watched<K>>,
) {
    loop {
        let Some(scope) = cache
            .upgrade()
            .map(|cache| K::watches(&cache)[index].scope.clone())
        else {
            return;
        };
        let api = scope.api::<Watched<K>>(&client);
        let mut events = Box::pin(watcher(api, watcher::Config::default()));
        while let Some(event) = events.next().await {
            let Some(cache) = cache.upgrade() else {
                return;
            };
            match event {
                Ok(event) => cache.take(index, &mut writer, &event),
                Err(error) => {
                    cache.failed::<K>(index, &error);
                    break;
                }
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
