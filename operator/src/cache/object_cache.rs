//! The objects of one kind, as a watch and the API server's answers to our own writes show them.
//!
//! Per object the higher resource version wins. A relist replaces everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crds::ExecutorChain;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;
use plan::objects::names::CHAIN_LABEL;
use tokio::sync::watch;

use crate::cache::packed_object::Model;
use crate::chain::{NamespacedName, name_of};
use crate::namespaces::Scope;

/// The chains that a change concerns.
type ChainNames = BTreeSet<NamespacedName>;

/// What the cache may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchState {
    /// The first list has not ended.
    Starting,
    /// The cache is complete.
    Synced,
    /// The watch has failed: the cache is stale until the next list.
    Failed,
}

/// An object of which a part is cached.
pub trait Cacheable: Resource {
    /// That part.
    type Cached: Clone + Send + 'static;
    /// Takes that part. It may be packed with a model.
    fn into_cached(self, model: &mut Model) -> Self::Cached;
}

/// The objects of one kind, by namespace and name. Of those without a chain's label, only that they
/// exist.
pub struct ObjectCache<T> {
    /// Until when reconciles wait for the first list, before they ask the API server themselves.
    first_list_deadline: Instant,
    states: BTreeMap<Scope, watch::Sender<WatchState>>,
    contents: Mutex<Contents<T>>,
}

struct Contents<T> {
    model: Model,
    watches: BTreeMap<Scope, WatchProgress>,
    objects: BTreeMap<NamespacedName, CachedObject<T>>,
    /// The names of the objects that have a chain's label.
    labeled: BTreeMap<NamespacedName, BTreeSet<String>>,
}

#[derive(Default)]
struct WatchProgress {
    /// The highest version that the watch has delivered. It delivers in order, so it has delivered
    /// every older version too, or a later deletion.
    delivered: u64,
    /// Whether a reconcile found no complete cache and asked the API server: what it read may be stale
    /// by now.
    was_missed: bool,
}

struct CachedObject<T> {
    version: Option<u64>,
    /// Whether the last list, or the watch since, has shown it.
    is_listed: bool,
    /// The chain in its label, and what is cached of it for that chain.
    labeled: Option<(String, T)>,
    /// The chains that own it.
    owners: Vec<String>,
}

impl<T: Clone> ObjectCache<T> {
    /// Empty. Reconciles wait at most `patience` for the first list.
    pub fn new(scopes: &[Scope], patience: Duration) -> Self {
        let state = |scope: &Scope| (scope.clone(), watch::Sender::new(WatchState::Starting));
        let progress = |scope: &Scope| (scope.clone(), WatchProgress::default());
        Self {
            first_list_deadline: Instant::now() + patience,
            states: scopes.iter().map(state).collect(),
            contents: Mutex::new(Contents {
                model: Model::default(),
                watches: scopes.iter().map(progress).collect(),
                objects: BTreeMap::new(),
                labeled: BTreeMap::new(),
            }),
        }
    }

    /// The objects with the label of a chain, by name. Waits for the first list; `None` if the cache
    /// isn't complete.
    pub async fn of(&self, namespace: &str, chain: &str) -> Option<BTreeMap<String, T>> {
        let mut scopes = self.states.iter();
        let (scope, state) = scopes.find(|(scope, _)| scope.covers(namespace))?;
        let mut state = state.subscribe();
        let started = state.wait_for(|state| *state != WatchState::Starting);
        let patience = self
            .first_list_deadline
            .saturating_duration_since(Instant::now());
        let state = match tokio::time::timeout(patience, started).await {
            Ok(state) => *state.ok()?,
            Err(_) => WatchState::Starting,
        };
        let mut contents = self.contents.lock();
        if state != WatchState::Synced {
            contents.progress(scope).was_missed = true;
            return None;
        }
        let chain = (namespace.to_owned(), chain.to_owned());
        Some(contents.labeled(&chain).collect())
    }

    /// As far as they are known: the cache may be stale, or not complete.
    pub fn known_of(&self, chain: &NamespacedName) -> Vec<T> {
        let contents = self.contents.lock();
        contents.labeled(chain).map(|(_, cached)| cached).collect()
    }

    /// What is cached of an object.
    pub fn cached(&self, key: &NamespacedName) -> Option<T> {
        let contents = self.contents.lock();
        let (_, cached) = contents.objects.get(key)?.labeled.as_ref()?;
        Some(cached.clone())
    }

    /// Whether an object of that name exists.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        self.contents.lock().objects.contains_key(&key)
    }

    /// Whether the cache is complete.
    pub fn watch_state(&self, scope: &Scope) -> WatchState {
        self.states
            .get(scope)
            .map_or(WatchState::Failed, |state| *state.borrow())
    }

    /// The watch has failed.
    pub fn failed(&self, scope: &Scope) {
        self.set_state(scope, WatchState::Failed);
    }

    /// A list of everything begins.
    pub fn relist_began(&self, scope: &Scope) {
        let mut contents = self.contents.lock();
        contents.progress(scope).delivered = 0;
        let objects = contents.objects.iter_mut();
        for (_, object) in objects.filter(|(key, _)| scope.covers(&key.0)) {
            object.is_listed = false;
        }
    }

    /// The list shows an object. It replaces a newer one too: versions go back when an etcd is restored.
    /// Returns the chains that this concerns: none if it is the version that is cached.
    pub fn relisted<K: Cacheable<Cached = T>>(&self, scope: &Scope, object: K) -> ChainNames {
        let version = version(&object);
        let mut contents = self.contents.lock();
        contents.delivered(scope, version);
        if let Some(known) = contents.objects.get_mut(&name_of(&object))
            && version.is_some()
            && known.version == version
        {
            known.is_listed = true;
            return ChainNames::new();
        }
        contents.put(object, true)
    }

    /// The list has ended: what it has not shown doesn't exist. Returns the chains that have lost an
    /// object, and all chains if a reconcile did not wait for the list.
    pub fn relist_ended(&self, scope: &Scope) -> ChainNames {
        let mut contents = self.contents.lock();
        let objects = contents.objects.iter();
        let gone = objects.filter(|(key, object)| scope.covers(&key.0) && !object.is_listed);
        let gone: Vec<NamespacedName> = gone.map(|(key, _)| key.clone()).collect();
        let mut concerned = ChainNames::new();
        for key in gone {
            concerned.extend(contents.remove(&key));
        }
        if std::mem::take(&mut contents.progress(scope).was_missed) {
            let all = contents.labeled.keys();
            concerned.extend(all.filter(|key| scope.covers(&key.0)).cloned());
        }
        drop(contents);
        self.set_state(scope, WatchState::Synced);
        concerned
    }

    /// The watch shows an object. Returns the chains that this concerns: none if a version as new is
    /// cached.
    pub fn applied<K: Cacheable<Cached = T>>(&self, scope: &Scope, object: K) -> ChainNames {
        let version = version(&object);
        let mut contents = self.contents.lock();
        contents.delivered(scope, version);
        if contents.has_version(&name_of(&object), version) {
            return ChainNames::new();
        }
        contents.put(object, true)
    }

    /// The watch shows a deletion. Returns the chains that this concerns: none if a newer object of that
    /// name is cached.
    pub fn deleted(&self, scope: &Scope, object: &impl Resource) -> ChainNames {
        let key = name_of(object);
        let version = version(object);
        let mut contents = self.contents.lock();
        contents.delivered(scope, version);
        let known = contents.objects.get(&key).and_then(|known| known.version);
        if version.is_some() && known > version {
            return ChainNames::new();
        }
        contents.remove(&key)
    }

    /// The API server has answered us with an object.
    pub fn answered<K: Cacheable<Cached = T>>(&self, object: K) {
        let key = name_of(&object);
        let version = version(&object);
        let mut contents = self.contents.lock();
        let mut watches = contents.watches.iter();
        let watch = watches.find(|(scope, _)| scope.covers(&key.0));
        // It may have been deleted since, which the watch shows once.
        let is_late =
            watch.is_some_and(|(_, watch)| version.is_some_and(|it| it <= watch.delivered));
        if !is_late && !contents.has_version(&key, version) {
            let is_listed = contents.objects.get(&key).is_some_and(|it| it.is_listed);
            contents.put(object, is_listed);
        }
    }

    /// The API server has listed the objects of a chain, at `version`: older ones that are not `listed`
    /// don't exist.
    pub fn has_only(&self, chain: &NamespacedName, listed: &BTreeSet<String>, version: &str) {
        let Ok(version) = version.parse::<u64>() else {
            return;
        };
        let mut contents = self.contents.lock();
        let names = contents.labeled.get(chain).into_iter().flatten();
        let others = names.filter(|name| !listed.contains(*name));
        let keys = others.map(|name| (chain.0.clone(), name.clone()));
        let is_older = |key: &NamespacedName| {
            let known = contents.objects.get(key).and_then(|known| known.version);
            known.is_some_and(|known| known <= version)
        };
        let gone: Vec<NamespacedName> = keys.filter(is_older).collect();
        for key in gone {
            contents.remove(&key);
        }
    }

    fn set_state(&self, scope: &Scope, state: WatchState) {
        if let Some(known) = self.states.get(scope) {
            known.send_replace(state);
        }
    }
}

impl<T: Clone> Contents<T> {
    fn labeled(&self, chain: &NamespacedName) -> impl Iterator<Item = (String, T)> {
        let names = self.labeled.get(chain).into_iter().flatten();
        names.filter_map(|name| {
            let key = (chain.0.clone(), name.clone());
            let (_, cached) = self.objects.get(&key)?.labeled.clone()?;
            Some((key.1, cached))
        })
    }
}

impl<T> Contents<T> {
    fn progress(&mut self, scope: &Scope) -> &mut WatchProgress {
        self.watches.entry(scope.clone()).or_default()
    }

    fn delivered(&mut self, scope: &Scope, version: Option<u64>) {
        let watch = self.progress(scope);
        watch.delivered = watch.delivered.max(version.unwrap_or_default());
    }

    /// Whether a version as new is cached.
    fn has_version(&self, key: &NamespacedName, version: Option<u64>) -> bool {
        let known = self.objects.get(key).and_then(|known| known.version);
        known.is_some() && version.is_some() && version <= known
    }

    /// Replaces what is cached of an object. Returns the chains that this concerns.
    fn put<K: Cacheable<Cached = T>>(&mut self, object: K, is_listed: bool) -> ChainNames {
        let key = name_of(&object);
        let mut concerned = self.remove(&key);
        let chain = object.labels().get(CHAIN_LABEL).cloned();
        let object = CachedObject {
            version: version(&object),
            is_listed,
            owners: owners(&object),
            labeled: chain.map(|chain| (chain, object.into_cached(&mut self.model))),
        };
        concerned.extend(object.chains(&key.0));
        if let Some((chain, _)) = &object.labeled {
            let chain = (key.0.clone(), chain.clone());
            let names = self.labeled.entry(chain).or_default();
            names.insert(key.1.clone());
        }
        self.objects.insert(key, object);
        concerned
    }

    /// Removes an object. Returns the chains that this concerns.
    fn remove(&mut self, key: &NamespacedName) -> ChainNames {
        let Some(object) = self.objects.remove(key) else {
            return ChainNames::new();
        };
        let concerned = object.chains(&key.0);
        if let Some((chain, _)) = object.labeled {
            let chain = (key.0.clone(), chain);
            if let Some(names) = self.labeled.get_mut(&chain) {
                names.remove(&key.1);
                if names.is_empty() {
                    self.labeled.remove(&chain);
                }
            }
        }
        concerned
    }
}

impl<T> CachedObject<T> {
    /// The chains that are reconciled when it changes.
    fn chains(&self, namespace: &str) -> ChainNames {
        let labeled = self.labeled.iter().map(|(chain, _)| chain);
        let chains = labeled.chain(&self.owners);
        chains
            .map(|chain| (namespace.to_owned(), chain.clone()))
            .collect()
    }
}

/// Versions of one kind can be compared as numbers
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>). One that is no
/// number counts as new.
fn version(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

fn owners(object: &impl Resource) -> Vec<String> {
    let ours = ExecutorChain::group(&());
    let owners = object.meta().owner_references.iter().flatten();
    owners
        .filter(|owner| owner.kind == ExecutorChain::kind(&()))
        .filter(|owner| owner.api_version.split('/').next() == Some(&*ours))
        .map(|owner| owner.name.clone())
        .collect()
}

#[cfg(test)]
mod tests;
