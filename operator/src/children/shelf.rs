//! What is known of the objects of one kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crds::ExecutorChain;
use kube::{Resource, ResourceExt};
use plan::objects::names::CHAIN_LABEL;
use tokio::sync::watch;

use super::Child;
use crate::name::{Name, name};
use crate::namespaces::Scope;

/// What a watch shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing yet.
    Waiting,
    /// All that is there.
    Listed,
    /// What was there once: it has failed.
    Deaf,
}

/// The objects of one kind, by namespace and name. Of those without a chain's label, no more than
/// that they are there.
pub(crate) struct Shelf<T> {
    /// Until when rounds wait for the first list of a watch, before they look for themselves.
    patience: Instant,
    sights: BTreeMap<Scope, watch::Sender<Sight>>,
    seen: Mutex<Seen<T>>,
}

struct Seen<T> {
    watches: BTreeMap<Scope, Watch>,
    objects: BTreeMap<Name, Object<T>>,
    /// The names of what has a chain's label.
    labelled: BTreeMap<Name, BTreeSet<String>>,
}

/// How far a watch is.
#[derive(Default)]
struct Watch {
    /// The newest version that it has told. It tells all in their order, so whatever is older has been
    /// told, or is gone again.
    told: u64,
    /// The newest one of the list with which it begins.
    listed: u64,
    /// Whether a round has looked for itself, since there was no list: what it saw may be old by the
    /// time of the next one.
    was_missed: bool,
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

impl<T: Clone> Shelf<T> {
    pub(super) fn new(scopes: &[Scope], patience: Duration) -> Self {
        let sight = |scope: &Scope| (scope.clone(), watch::Sender::new(Sight::Waiting));
        let watch = |scope: &Scope| (scope.clone(), Watch::default());
        Self {
            patience: Instant::now() + patience,
            sights: scopes.iter().map(sight).collect(),
            seen: Mutex::new(Seen {
                watches: scopes.iter().map(watch).collect(),
                objects: BTreeMap::new(),
                labelled: BTreeMap::new(),
            }),
        }
    }

    /// What has the label of a chain, by name. The first list is waited for; nothing where the watch
    /// has failed.
    pub(super) async fn of(&self, namespace: &str, chain: &str) -> Option<BTreeMap<String, T>> {
        let mut scopes = self.sights.iter();
        let (scope, sight) = scopes.find(|(scope, _)| scope.covers(namespace))?;
        let mut sight = sight.subscribe();
        let begun = sight.wait_for(|sight| *sight != Sight::Waiting);
        let patience = self.patience.saturating_duration_since(Instant::now());
        let sight = match tokio::time::timeout(patience, begun).await {
            Ok(sight) => *sight.ok()?,
            Err(_) => Sight::Waiting,
        };
        let mut seen = self.seen();
        if sight != Sight::Listed {
            seen.watches.entry(scope.clone()).or_default().was_missed = true;
            return None;
        }
        let names = seen.labelled.get(&(namespace.to_owned(), chain.to_owned()));
        let found = names.into_iter().flatten().filter_map(|name| {
            let key = (namespace.to_owned(), name.clone());
            let (_, kept) = seen.objects.get(&key)?.labelled.clone()?;
            Some((key.1, kept))
        });
        Some(found.collect())
    }

    /// Whether there is one of that name.
    pub(super) fn has(&self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        self.seen().objects.contains_key(&key)
    }

    /// What a watch shows.
    pub(super) fn sight(&self, scope: &Scope) -> Sight {
        self.sights
            .get(scope)
            .map_or(Sight::Deaf, |sight| *sight.borrow())
    }

    /// A watch has failed.
    pub(super) fn is_deaf(&self, scope: &Scope) {
        self.now_shows(scope, Sight::Deaf);
    }

    /// A watch begins to tell of all that is there.
    pub(super) fn lists(&self, scope: &Scope) {
        let mut seen = self.seen();
        seen.watches.entry(scope.clone()).or_default().listed = 0;
        let objects = seen.objects.iter_mut();
        for (_, object) in objects.filter(|(key, _)| scope.covers(&key.0)) {
            object.since = Since::Before;
        }
    }

    /// A watch has told of all that is there. The chains that have lost something, and all of them if
    /// one didn't wait for this.
    ///
    /// What was answered and is not in the list goes too. It may have been deleted before the list was
    /// made, which nobody will tell; if it was made after the list, the watch tells of it next.
    pub(super) fn has_listed(&self, scope: &Scope) -> BTreeSet<Name> {
        let mut seen = self.seen();
        let known = seen.objects.iter();
        let gone =
            known.filter(|(key, object)| scope.covers(&key.0) && object.since != Since::Told);
        let gone: Vec<Name> = gone.map(|(key, _)| key.clone()).collect();
        let mut concerned = BTreeSet::new();
        for key in gone {
            concerned.extend(seen.take(&key));
        }
        let watch = seen.watches.entry(scope.clone()).or_default();
        watch.told = watch.listed;
        if std::mem::take(&mut watch.was_missed) {
            let all = seen.labelled.keys();
            concerned.extend(all.filter(|key| scope.covers(&key.0)).cloned());
        }
        drop(seen);
        self.now_shows(scope, Sight::Listed);
        concerned
    }

    /// Takes an object from the list with which a watch begins. The chains that this concerns: none, if
    /// it is no news.
    ///
    /// Unless a newer one was answered since that list began, it is taken whatever is known: versions
    /// may have gone back, with an etcd that somebody restored.
    pub(super) fn listed<K: Child<Kept = T>>(&self, scope: &Scope, object: K) -> BTreeSet<Name> {
        let mut seen = self.seen();
        let version = version(&object);
        let watch = seen.watches.entry(scope.clone()).or_default();
        watch.listed = watch.listed.max(version.unwrap_or_default());
        if let Some(known) = seen.objects.get_mut(&name(&object)) {
            let is_newer = known.since == Since::Answered && known.version >= version;
            if version.is_some() && (known.version == version || is_newer) {
                known.since = Since::Told;
                return BTreeSet::new();
            }
        }
        seen.put(object, version, Since::Told)
    }

    /// Takes an object as a watch tells it. The chains that this concerns: none, if it is no news.
    pub(super) fn told<K: Child<Kept = T>>(&self, scope: &Scope, object: K) -> BTreeSet<Name> {
        let mut seen = self.seen();
        let version = version(&object);
        seen.has_told(scope, version);
        if seen.is_old(&name(&object), version) {
            return BTreeSet::new();
        }
        seen.put(object, version, Since::Told)
    }

    /// Takes that an object is gone, as a watch tells it. The chains that this concerns: none, if it is
    /// there again.
    pub(super) fn gone(&self, scope: &Scope, object: &impl Resource) -> BTreeSet<Name> {
        let key = name(object);
        let version = version(object);
        let mut seen = self.seen();
        seen.has_told(scope, version);
        let known = seen.objects.get(&key).and_then(|known| known.version);
        if version.is_some() && known > version {
            return BTreeSet::new();
        }
        seen.take(&key)
    }

    /// Takes an object as the API server has answered it to us. What a watch has told is newer, or says
    /// that it is gone.
    pub(super) fn answered<K: Child<Kept = T>>(&self, object: K) {
        let key = name(&object);
        let version = version(&object);
        let mut seen = self.seen();
        let mut watches = seen.watches.iter();
        let watch = watches.find(|(scope, _)| scope.covers(&key.0));
        let was_told =
            watch.is_some_and(|(_, watch)| version.is_some_and(|version| version <= watch.told));
        if !was_told && !seen.is_old(&key, version) {
            seen.put(object, version, Since::Answered);
        }
    }

    /// Takes that of a chain nothing but `there` was there when the API server was at `version`.
    pub(super) fn has_only(&self, chain: &Name, there: &BTreeSet<String>, version: &str) {
        let Ok(version) = version.parse::<u64>() else {
            return;
        };
        let mut seen = self.seen();
        let known = seen.labelled.get(chain).into_iter().flatten();
        let others = known.filter(|name| !there.contains(*name));
        let keys = others.map(|name| (chain.0.clone(), name.clone()));
        let is_older = |key: &Name| {
            let known = seen.objects.get(key).and_then(|known| known.version);
            known.is_some_and(|known| known <= version)
        };
        let gone: Vec<Name> = keys.filter(is_older).collect();
        for key in gone {
            seen.take(&key);
        }
    }

    fn now_shows(&self, scope: &Scope, sight: Sight) {
        if let Some(known) = self.sights.get(scope) {
            known.send_replace(sight);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen<T>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Seen<T> {
    fn has_told(&mut self, scope: &Scope, version: Option<u64>) {
        let watch = self.watches.entry(scope.clone()).or_default();
        watch.told = watch.told.max(version.unwrap_or_default());
    }

    /// Whether something as new is known already.
    fn is_old(&self, key: &Name, version: Option<u64>) -> bool {
        let known = self.objects.get(key).and_then(|known| known.version);
        known.is_some() && version.is_some() && version <= known
    }

    /// Puts an object in the place of what was known of it. The chains that it concerns.
    fn put<K: Child<Kept = T>>(
        &mut self,
        object: K,
        version: Option<u64>,
        since: Since,
    ) -> BTreeSet<Name> {
        let key = name(&object);
        let mut concerned = self.take(&key);
        let owners = owners(&object);
        let chain = object.labels().get(CHAIN_LABEL).cloned();
        let object = Object {
            version,
            since,
            owners,
            labelled: chain.map(|chain| (chain, object.keep())),
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
    fn take(&mut self, key: &Name) -> BTreeSet<Name> {
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
    fn chains(&self, namespace: &str) -> BTreeSet<Name> {
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

    use super::super::Packed;
    use super::*;
    use crate::namespaces::Namespaces;

    const ORDERS: Option<&str> = Some("orders");

    fn service(name: &str, version: &str, chain: Option<&str>) -> Service {
        let labels = chain.map_or(Value::Null, |chain| json!({CHAIN_LABEL: chain}));
        serde_json::from_value(json!({"metadata": {
            "namespace": "shop", "name": name, "resourceVersion": version, "labels": labels,
        }}))
        .unwrap()
    }

    fn begun() -> (Shelf<Packed>, Scope) {
        let scopes = Namespaces::All.scopes();
        (Shelf::new(&scopes, Duration::ZERO), scopes[0].clone())
    }

    /// One whose watch has listed nothing.
    fn empty() -> (Shelf<Packed>, Scope) {
        let (shelf, scope) = begun();
        shelf.has_listed(&scope);
        (shelf, scope)
    }

    fn shop(names: &[&str]) -> BTreeSet<Name> {
        let names = names.iter();
        names
            .map(|name| ("shop".to_owned(), (*name).to_owned()))
            .collect()
    }

    async fn names(shelf: &Shelf<Packed>, chain: &str) -> Vec<String> {
        let found = shelf.of("shop", chain).await.unwrap();
        found.into_keys().collect()
    }

    fn has_only(shelf: &Shelf<Packed>, chain: &str, there: &[&str], version: &str) {
        let chain = ("shop".to_owned(), chain.to_owned());
        let there = there.iter().map(|name| (*name).to_owned()).collect();
        shelf.has_only(&chain, &there, version);
    }

    #[tokio::test]
    async fn what_is_older_than_what_is_known_is_no_news() {
        let (shelf, scope) = empty();
        let told = |version| shelf.told(&scope, service("a", version, ORDERS));
        assert_eq!(told("10"), shop(&["orders"]));
        assert_eq!(told("10"), shop(&[]));
        assert_eq!(told("9"), shop(&[]));
        assert_eq!(shelf.gone(&scope, &service("a", "9", ORDERS)), shop(&[]));
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        assert_eq!(told("no number"), shop(&["orders"]));
        assert_eq!(told("11"), shop(&["orders"]));
        let gone = shelf.gone(&scope, &service("a", "no number", ORDERS));
        assert_eq!(gone, shop(&["orders"]));
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
        assert!(!shelf.has("shop", "a"));
    }

    #[tokio::test]
    async fn an_answer_counts_until_the_watch_has_told_more() {
        let (shelf, scope) = empty();
        shelf.answered(service("a", "10", ORDERS));
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        let echo = shelf.told(&scope, service("a", "10", ORDERS));
        assert_eq!(echo, shop(&[]), "our own write");
        // Made anew before the watch tells that the former one is gone.
        shelf.answered(service("a", "15", ORDERS));
        assert_eq!(shelf.gone(&scope, &service("a", "12", ORDERS)), shop(&[]));
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        let gone = shelf.gone(&scope, &service("a", "16", ORDERS));
        assert_eq!(gone, shop(&["orders"]));
        // An answer that comes late makes nothing come back.
        shelf.answered(service("a", "15", ORDERS));
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_list_says_what_is_there_and_answers_how_it_is() {
        let (shelf, scope) = empty();
        for name in ["a", "b", "c"] {
            shelf.told(&scope, service(name, "100", ORDERS));
        }
        shelf.lists(&scope);
        shelf.answered(service("c", "101", ORDERS));
        shelf.answered(service("new", "102", ORDERS));
        // As an etcd that somebody restored tells it.
        let restored = shelf.listed(&scope, service("a", "7", Some("parcels")));
        assert_eq!(restored, shop(&["orders", "parcels"]));
        let older = shelf.listed(&scope, service("c", "99", Some("parcels")));
        assert_eq!(older, shop(&[]), "the answer is newer");
        let gone = shelf.has_listed(&scope);
        assert_eq!(gone, shop(&["orders"]));
        assert_eq!(names(&shelf, "orders").await, ["c"]);
        assert_eq!(names(&shelf, "parcels").await, ["a"]);
        // Made after the list: the watch goes on with it.
        shelf.told(&scope, service("new", "102", ORDERS));
        shelf.told(&scope, service("a", "8", ORDERS));
        assert_eq!(names(&shelf, "orders").await, ["a", "c", "new"]);
    }

    #[tokio::test]
    async fn a_closer_look_takes_away_what_is_not_there() {
        let (shelf, scope) = empty();
        for (name, version) in [("a", "1"), ("b", "2"), ("c", "9")] {
            shelf.told(&scope, service(name, version, ORDERS));
        }
        has_only(&shelf, "orders", &["a"], "no number");
        has_only(&shelf, "parcels", &[], "5");
        assert_eq!(names(&shelf, "orders").await, ["a", "b", "c"]);
        has_only(&shelf, "orders", &["a"], "5");
        assert_eq!(names(&shelf, "orders").await, ["a", "c"], "c is newer");
    }

    #[tokio::test]
    async fn both_chains_hear_of_a_label_that_changes() {
        let (shelf, scope) = empty();
        shelf.told(&scope, service("a", "1", ORDERS));
        let moved = shelf.told(&scope, service("a", "2", Some("parcels")));
        assert_eq!(moved, shop(&["orders", "parcels"]));
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
        assert_eq!(names(&shelf, "parcels").await, ["a"]);
        let mut owned = service("a", "3", None);
        owned.metadata.owner_references = serde_json::from_value(json!([
            {"apiVersion": ExecutorChain::api_version(&()), "kind": "ExecutorChain", "name": "orders", "uid": ""},
            {"apiVersion": "example.com/v1", "kind": "ExecutorChain", "name": "others", "uid": ""},
        ]))
        .unwrap();
        assert_eq!(shelf.told(&scope, owned), shop(&["orders", "parcels"]));
        assert_eq!(names(&shelf, "parcels").await, [""; 0]);
        assert!(shelf.has("shop", "a"), "that it is there is known");
        let gone = shelf.gone(&scope, &service("a", "4", None));
        assert_eq!(gone, shop(&["orders"]));
    }

    #[tokio::test]
    async fn a_watch_that_shows_nothing_is_not_taken_for_an_empty_one() {
        let (shelf, scope) = begun();
        shelf.listed(&scope, service("a", "1", ORDERS));
        assert!(shelf.of("shop", "orders").await.is_none(), "not listed yet");
        let concerned = shelf.has_listed(&scope);
        assert_eq!(concerned, shop(&["orders"]), "it had not waited");
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        shelf.lists(&scope);
        assert_eq!(shelf.listed(&scope, service("a", "1", ORDERS)), shop(&[]));
        assert_eq!(shelf.has_listed(&scope), shop(&[]), "nothing has changed");
        shelf.is_deaf(&scope);
        assert!(shelf.of("shop", "orders").await.is_none());
        shelf.lists(&scope);
        let concerned = shelf.has_listed(&scope);
        assert_eq!(concerned, shop(&["orders"]), "it has lost something");
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_namespace_that_is_not_watched_shows_nothing() {
        let scopes = Namespaces::of(&["hall".to_owned()]).scopes();
        let shelf: Shelf<Packed> = Shelf::new(&scopes, Duration::ZERO);
        shelf.has_listed(&scopes[0]);
        assert!(shelf.of("shop", "orders").await.is_none());
        assert!(shelf.of("hall", "orders").await.is_some());
    }
}
