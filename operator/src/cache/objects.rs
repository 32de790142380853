//! What is known of the objects of one kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crds::ExecutorChain;
use kube::{Resource, ResourceExt};
use plan::objects::names::CHAIN_LABEL;
use tokio::sync::watch;

use crate::chain::{NamespacedName, name_of};
use crate::namespaces::Scope;

/// What a watch shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchState {
    /// Nothing yet.
    Starting,
    /// All that is there.
    Synced,
    /// What was there once: it has failed.
    Failed,
}

/// The objects of one kind, by namespace and name. Of those without a chain's label, no more than
/// that they are there.
pub struct ObjectCache<T> {
    /// Until when rounds wait for the first list of a watch, before they look for themselves.
    patience: Instant,
    states: BTreeMap<Scope, watch::Sender<WatchState>>,
    contents: Mutex<Contents<T>>,
}

struct Contents<T> {
    watches: BTreeMap<Scope, WatchProgress>,
    objects: BTreeMap<NamespacedName, Object<T>>,
    /// The names of what has a chain's label.
    labelled: BTreeMap<NamespacedName, BTreeSet<String>>,
}

/// How far a watch is.
#[derive(Default)]
struct WatchProgress {
    /// The newest version that it has told. It tells all in their order, so whatever is older has been
    /// told, or is gone again.
    told: u64,
    /// The newest one of the list with which it begins.
    listed: u64,
    /// Whether a round has looked for itself, since there was no list: what it saw may be old by the
    /// time of the next one.
    was_missed: bool,
}

/// An object of which a part is cached.
pub trait Cacheable: Resource {
    /// That part.
    type Cached: Clone + Send + 'static;
    /// Takes that part.
    fn into_cached(self) -> Self::Cached;
}

/// From when something is known, beside the list with which a watch begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    /// Before it.
    Before,
    /// An answer came while it was under way.
    Answered,
    /// That list, or the watch after it.
    Told,
}

struct Object<T> {
    version: Option<u64>,
    since: Since,
    /// The chain that it has the label of, and what is kept of it for that.
    labelled: Option<(String, T)>,
    /// The chains that own it.
    owners: Vec<String>,
}

impl<T: Clone> ObjectCache<T> {
    pub fn new(scopes: &[Scope], patience: Duration) -> Self {
        let state = |scope: &Scope| (scope.clone(), watch::Sender::new(WatchState::Starting));
        let watch = |scope: &Scope| (scope.clone(), WatchProgress::default());
        Self {
            patience: Instant::now() + patience,
            states: scopes.iter().map(state).collect(),
            contents: Mutex::new(Contents {
                watches: scopes.iter().map(watch).collect(),
                objects: BTreeMap::new(),
                labelled: BTreeMap::new(),
            }),
        }
    }

    /// What has the label of a chain, by name. The first list is waited for; nothing where the watch
    /// has failed.
    pub async fn of(&self, namespace: &str, chain: &str) -> Option<BTreeMap<String, T>> {
        let mut scopes = self.states.iter();
        let (scope, state) = scopes.find(|(scope, _)| scope.covers(namespace))?;
        let mut state = state.subscribe();
        let begun = state.wait_for(|state| *state != WatchState::Starting);
        let patience = self.patience.saturating_duration_since(Instant::now());
        let state = match tokio::time::timeout(patience, begun).await {
            Ok(state) => *state.ok()?,
            Err(_) => WatchState::Starting,
        };
        let mut contents = self.lock();
        if state != WatchState::Synced {
            contents
                .watches
                .entry(scope.clone())
                .or_default()
                .was_missed = true;
            return None;
        }
        let names = contents
            .labelled
            .get(&(namespace.to_owned(), chain.to_owned()));
        let found = names.into_iter().flatten().filter_map(|name| {
            let key = (namespace.to_owned(), name.clone());
            let (_, kept) = contents.objects.get(&key)?.labelled.clone()?;
            Some((key.1, kept))
        });
        Some(found.collect())
    }

    /// Whether there is one of that name.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().objects.contains_key(&key)
    }

    /// What a watch shows.
    pub fn watch_state(&self, scope: &Scope) -> WatchState {
        self.states
            .get(scope)
            .map_or(WatchState::Failed, |state| *state.borrow())
    }

    /// A watch has failed.
    pub fn failed(&self, scope: &Scope) {
        self.set_state(scope, WatchState::Failed);
    }

    /// A watch begins to tell of all that is there.
    pub fn relist_began(&self, scope: &Scope) {
        let mut contents = self.lock();
        contents.watches.entry(scope.clone()).or_default().listed = 0;
        let objects = contents.objects.iter_mut();
        for (_, object) in objects.filter(|(key, _)| scope.covers(&key.0)) {
            object.since = Since::Before;
        }
    }

    /// A watch has told of all that is there. The chains that have lost something, and all of them if
    /// one didn't wait for this.
    ///
    /// What was answered and is not in the list goes too. It may have been deleted before the list was
    /// made, which nobody will tell; if it was made after the list, the watch tells of it next.
    pub fn relist_ended(&self, scope: &Scope) -> BTreeSet<NamespacedName> {
        let mut contents = self.lock();
        let known = contents.objects.iter();
        let gone =
            known.filter(|(key, object)| scope.covers(&key.0) && object.since != Since::Told);
        let gone: Vec<NamespacedName> = gone.map(|(key, _)| key.clone()).collect();
        let mut concerned = BTreeSet::new();
        for key in gone {
            concerned.extend(contents.take(&key));
        }
        let watch = contents.watches.entry(scope.clone()).or_default();
        watch.told = watch.listed;
        if std::mem::take(&mut watch.was_missed) {
            let all = contents.labelled.keys();
            concerned.extend(all.filter(|key| scope.covers(&key.0)).cloned());
        }
        drop(contents);
        self.set_state(scope, WatchState::Synced);
        concerned
    }

    /// Takes an object from the list with which a watch begins. The chains that this concerns: none, if
    /// it is no news.
    ///
    /// Unless a newer one was answered since that list began, it is taken whatever is known: versions
    /// may have gone back, with an etcd that somebody restored.
    pub fn relisted<K: Cacheable<Cached = T>>(
        &self,
        scope: &Scope,
        object: K,
    ) -> BTreeSet<NamespacedName> {
        let mut contents = self.lock();
        let version = version(&object);
        let watch = contents.watches.entry(scope.clone()).or_default();
        watch.listed = watch.listed.max(version.unwrap_or_default());
        if let Some(known) = contents.objects.get_mut(&name_of(&object)) {
            let is_newer = known.since == Since::Answered && known.version >= version;
            if version.is_some() && (known.version == version || is_newer) {
                known.since = Since::Told;
                return BTreeSet::new();
            }
        }
        contents.put(object, version, Since::Told)
    }

    /// Takes an object as a watch tells it. The chains that this concerns: none, if it is no news.
    pub fn applied<K: Cacheable<Cached = T>>(
        &self,
        scope: &Scope,
        object: K,
    ) -> BTreeSet<NamespacedName> {
        let mut contents = self.lock();
        let version = version(&object);
        contents.has_told(scope, version);
        if contents.is_old(&name_of(&object), version) {
            return BTreeSet::new();
        }
        contents.put(object, version, Since::Told)
    }

    /// Takes that an object is gone, as a watch tells it. The chains that this concerns: none, if it is
    /// there again.
    pub fn deleted(&self, scope: &Scope, object: &impl Resource) -> BTreeSet<NamespacedName> {
        let key = name_of(object);
        let version = version(object);
        let mut contents = self.lock();
        contents.has_told(scope, version);
        let known = contents.objects.get(&key).and_then(|known| known.version);
        if version.is_some() && known > version {
            return BTreeSet::new();
        }
        contents.take(&key)
    }

    /// Takes an object as the API server has answered it to us. What a watch has told is newer, or says
    /// that it is gone.
    pub fn answered<K: Cacheable<Cached = T>>(&self, object: K) {
        let key = name_of(&object);
        let version = version(&object);
        let mut contents = self.lock();
        let mut watches = contents.watches.iter();
        let watch = watches.find(|(scope, _)| scope.covers(&key.0));
        let was_told =
            watch.is_some_and(|(_, watch)| version.is_some_and(|version| version <= watch.told));
        if !was_told && !contents.is_old(&key, version) {
            contents.put(object, version, Since::Answered);
        }
    }

    /// Takes that of a chain nothing but `there` was there when the API server was at `version`.
    pub fn has_only(&self, chain: &NamespacedName, there: &BTreeSet<String>, version: &str) {
        let Ok(version) = version.parse::<u64>() else {
            return;
        };
        let mut contents = self.lock();
        let known = contents.labelled.get(chain).into_iter().flatten();
        let others = known.filter(|name| !there.contains(*name));
        let keys = others.map(|name| (chain.0.clone(), name.clone()));
        let is_older = |key: &NamespacedName| {
            let known = contents.objects.get(key).and_then(|known| known.version);
            known.is_some_and(|known| known <= version)
        };
        let gone: Vec<NamespacedName> = keys.filter(is_older).collect();
        for key in gone {
            contents.take(&key);
        }
    }

    fn set_state(&self, scope: &Scope, state: WatchState) {
        if let Some(known) = self.states.get(scope) {
            known.send_replace(state);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Contents<T>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Contents<T> {
    fn has_told(&mut self, scope: &Scope, version: Option<u64>) {
        let watch = self.watches.entry(scope.clone()).or_default();
        watch.told = watch.told.max(version.unwrap_or_default());
    }

    /// Whether something as new is known already.
    fn is_old(&self, key: &NamespacedName, version: Option<u64>) -> bool {
        let known = self.objects.get(key).and_then(|known| known.version);
        known.is_some() && version.is_some() && version <= known
    }

    /// Puts an object in the place of what was known of it. The chains that it concerns.
    fn put<K: Cacheable<Cached = T>>(
        &mut self,
        object: K,
        version: Option<u64>,
        since: Since,
    ) -> BTreeSet<NamespacedName> {
        let key = name_of(&object);
        let mut concerned = self.take(&key);
        let owners = owners(&object);
        let chain = object.labels().get(CHAIN_LABEL).cloned();
        let object = Object {
            version,
            since,
            owners,
            labelled: chain.map(|chain| (chain, object.into_cached())),
        };
        concerned.extend(object.chains(&key.0));
        if let Some((chain, _)) = &object.labelled {
            let chain = (key.0.clone(), chain.clone());
            let names = self.labelled.entry(chain).or_default();
            names.insert(key.1.clone());
        }
        self.objects.insert(key, object);
        concerned
    }

    /// Takes an object away. The chains that it concerned.
    fn take(&mut self, key: &NamespacedName) -> BTreeSet<NamespacedName> {
        let Some(object) = self.objects.remove(key) else {
            return BTreeSet::new();
        };
        let concerned = object.chains(&key.0);
        if let Some((chain, _)) = object.labelled {
            let chain = (key.0.clone(), chain);
            if let Some(names) = self.labelled.get_mut(&chain) {
                names.remove(&key.1);
                if names.is_empty() {
                    self.labelled.remove(&chain);
                }
            }
        }
        concerned
    }
}

impl<T> Object<T> {
    /// The chains that have a round when it changes.
    fn chains(&self, namespace: &str) -> BTreeSet<NamespacedName> {
        let labelled = self.labelled.iter().map(|(chain, _)| chain);
        let chains = labelled.chain(&self.owners);
        chains
            .map(|chain| (namespace.to_owned(), chain.clone()))
            .collect()
    }
}

/// Versions of one kind of object can be compared: as numbers, the newer is the larger
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>). One that is no
/// number counts as news.
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
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, json};

    use super::*;
    use crate::cache::children::PackedObject;
    use crate::namespaces::Namespaces;

    const ORDERS: Option<&str> = Some("orders");

    fn service(name: &str, version: &str, chain: Option<&str>) -> Service {
        let labels = chain.map_or(Value::Null, |chain| json!({CHAIN_LABEL: chain}));
        serde_json::from_value(json!({"metadata": {
            "namespace": "shop", "name": name, "resourceVersion": version, "labels": labels,
        }}))
        .unwrap()
    }

    fn begun() -> (ObjectCache<PackedObject>, Scope) {
        let scopes = Namespaces::All.scopes();
        (ObjectCache::new(&scopes, Duration::ZERO), scopes[0].clone())
    }

    /// One whose watch has listed nothing.
    fn empty() -> (ObjectCache<PackedObject>, Scope) {
        let (cache, scope) = begun();
        cache.relist_ended(&scope);
        (cache, scope)
    }

    fn shop(names: &[&str]) -> BTreeSet<NamespacedName> {
        let names = names.iter();
        names
            .map(|name| ("shop".to_owned(), (*name).to_owned()))
            .collect()
    }

    async fn names(cache: &ObjectCache<PackedObject>, chain: &str) -> Vec<String> {
        let found = cache.of("shop", chain).await.unwrap();
        found.into_keys().collect()
    }

    fn has_only(cache: &ObjectCache<PackedObject>, chain: &str, there: &[&str], version: &str) {
        let chain = ("shop".to_owned(), chain.to_owned());
        let there = there.iter().map(|name| (*name).to_owned()).collect();
        cache.has_only(&chain, &there, version);
    }

    #[tokio::test]
    async fn what_is_older_than_what_is_known_is_no_news() {
        let (cache, scope) = empty();
        let told = |version| cache.applied(&scope, service("a", version, ORDERS));
        assert_eq!(told("10"), shop(&["orders"]));
        assert_eq!(told("10"), shop(&[]));
        assert_eq!(told("9"), shop(&[]));
        assert_eq!(cache.deleted(&scope, &service("a", "9", ORDERS)), shop(&[]));
        assert_eq!(names(&cache, "orders").await, ["a"]);
        assert_eq!(told("no number"), shop(&["orders"]));
        assert_eq!(told("11"), shop(&["orders"]));
        let gone = cache.deleted(&scope, &service("a", "no number", ORDERS));
        assert_eq!(gone, shop(&["orders"]));
        assert_eq!(names(&cache, "orders").await, [""; 0]);
        assert!(!cache.has("shop", "a"));
    }

    #[tokio::test]
    async fn an_answer_counts_until_the_watch_has_told_more() {
        let (cache, scope) = empty();
        cache.answered(service("a", "10", ORDERS));
        assert_eq!(names(&cache, "orders").await, ["a"]);
        let echo = cache.applied(&scope, service("a", "10", ORDERS));
        assert_eq!(echo, shop(&[]), "our own write");
        // Made anew before the watch tells that the former one is gone.
        cache.answered(service("a", "15", ORDERS));
        assert_eq!(
            cache.deleted(&scope, &service("a", "12", ORDERS)),
            shop(&[])
        );
        assert_eq!(names(&cache, "orders").await, ["a"]);
        let gone = cache.deleted(&scope, &service("a", "16", ORDERS));
        assert_eq!(gone, shop(&["orders"]));
        // An answer that comes late makes nothing come back.
        cache.answered(service("a", "15", ORDERS));
        assert_eq!(names(&cache, "orders").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_list_says_what_is_there_and_answers_how_it_is() {
        let (cache, scope) = empty();
        for name in ["a", "b", "c"] {
            cache.applied(&scope, service(name, "100", ORDERS));
        }
        cache.relist_began(&scope);
        cache.answered(service("c", "101", ORDERS));
        cache.answered(service("new", "102", ORDERS));
        // As an etcd that somebody restored tells it.
        let restored = cache.relisted(&scope, service("a", "7", Some("parcels")));
        assert_eq!(restored, shop(&["orders", "parcels"]));
        let older = cache.relisted(&scope, service("c", "99", Some("parcels")));
        assert_eq!(older, shop(&[]), "the answer is newer");
        let gone = cache.relist_ended(&scope);
        assert_eq!(gone, shop(&["orders"]));
        assert_eq!(names(&cache, "orders").await, ["c"]);
        assert_eq!(names(&cache, "parcels").await, ["a"]);
        // Made after the list: the watch goes on with it.
        cache.applied(&scope, service("new", "102", ORDERS));
        cache.applied(&scope, service("a", "8", ORDERS));
        assert_eq!(names(&cache, "orders").await, ["a", "c", "new"]);
    }

    #[tokio::test]
    async fn a_closer_look_takes_away_what_is_not_there() {
        let (cache, scope) = empty();
        for (name, version) in [("a", "1"), ("b", "2"), ("c", "9")] {
            cache.applied(&scope, service(name, version, ORDERS));
        }
        has_only(&cache, "orders", &["a"], "no number");
        has_only(&cache, "parcels", &[], "5");
        assert_eq!(names(&cache, "orders").await, ["a", "b", "c"]);
        has_only(&cache, "orders", &["a"], "5");
        assert_eq!(names(&cache, "orders").await, ["a", "c"], "c is newer");
    }

    #[tokio::test]
    async fn both_chains_hear_of_a_label_that_changes() {
        let (cache, scope) = empty();
        cache.applied(&scope, service("a", "1", ORDERS));
        let moved = cache.applied(&scope, service("a", "2", Some("parcels")));
        assert_eq!(moved, shop(&["orders", "parcels"]));
        assert_eq!(names(&cache, "orders").await, [""; 0]);
        assert_eq!(names(&cache, "parcels").await, ["a"]);
        let mut owned = service("a", "3", None);
        owned.metadata.owner_references = serde_json::from_value(json!([
            {"apiVersion": ExecutorChain::api_version(&()), "kind": "ExecutorChain", "name": "orders", "uid": ""},
            {"apiVersion": "example.com/v1", "kind": "ExecutorChain", "name": "others", "uid": ""},
        ]))
        .unwrap();
        assert_eq!(cache.applied(&scope, owned), shop(&["orders", "parcels"]));
        assert_eq!(names(&cache, "parcels").await, [""; 0]);
        assert!(cache.has("shop", "a"), "that it is there is known");
        let gone = cache.deleted(&scope, &service("a", "4", None));
        assert_eq!(gone, shop(&["orders"]));
    }

    #[tokio::test]
    async fn a_watch_that_shows_nothing_is_not_taken_for_an_empty_one() {
        let (cache, scope) = begun();
        cache.relisted(&scope, service("a", "1", ORDERS));
        assert!(cache.of("shop", "orders").await.is_none(), "not listed yet");
        let concerned = cache.relist_ended(&scope);
        assert_eq!(concerned, shop(&["orders"]), "it had not waited");
        assert_eq!(names(&cache, "orders").await, ["a"]);
        cache.relist_began(&scope);
        assert_eq!(cache.relisted(&scope, service("a", "1", ORDERS)), shop(&[]));
        assert_eq!(cache.relist_ended(&scope), shop(&[]), "nothing has changed");
        cache.failed(&scope);
        assert!(cache.of("shop", "orders").await.is_none());
        cache.relist_began(&scope);
        let concerned = cache.relist_ended(&scope);
        assert_eq!(concerned, shop(&["orders"]), "it has lost something");
        assert_eq!(names(&cache, "orders").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_namespace_that_is_not_watched_shows_nothing() {
        let scopes = Namespaces::of(&["hall".to_owned()]).scopes();
        let cache: ObjectCache<PackedObject> = ObjectCache::new(&scopes, Duration::ZERO);
        cache.relist_ended(&scopes[0]);
        assert!(cache.of("shop", "orders").await.is_none());
        assert!(cache.of("hall", "orders").await.is_some());
    }
}
