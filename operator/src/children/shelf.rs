//! What is known of the objects of one kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crds::ExecutorChain;
use kube::{Resource, ResourceExt};
use plan::child::CHAIN_LABEL;
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
    /// How long a round waits for the first list of a watch, before it looks for itself.
    patience: Duration,
    sights: BTreeMap<Scope, watch::Sender<Sight>>,
    seen: Mutex<Seen<T>>,
}

struct Seen<T> {
    objects: BTreeMap<Name, Object<T>>,
    /// The names of what has a chain's label.
    labelled: BTreeMap<Name, BTreeSet<String>>,
    /// Whether a round has given up waiting: what it saw may be old by the time of the first list.
    was_missed: bool,
}

struct Object<T> {
    version: Option<u64>,
    /// The chain that it has the label of, and what is kept of it for that.
    labelled: Option<(String, T)>,
    /// The chains that own it.
    owners: Vec<String>,
}

impl<T: Clone> Shelf<T> {
    pub(super) fn new(scopes: &[Scope], patience: Duration) -> Self {
        let sight = |scope: &Scope| (scope.clone(), watch::Sender::new(Sight::Waiting));
        Self {
            patience,
            sights: scopes.iter().map(sight).collect(),
            seen: Mutex::new(Seen {
                objects: BTreeMap::new(),
                labelled: BTreeMap::new(),
                was_missed: false,
            }),
        }
    }

    /// What has the label of a chain, by name. The first list is waited for; nothing where the watch
    /// has failed.
    pub(super) async fn of(&self, namespace: &str, chain: &str) -> Option<BTreeMap<String, T>> {
        let mut scopes = self.sights.iter();
        let (_, sight) = scopes.find(|(scope, _)| scope.covers(namespace))?;
        let mut sight = sight.subscribe();
        let begun = sight.wait_for(|sight| *sight != Sight::Waiting);
        let sight = match tokio::time::timeout(self.patience, begun).await {
            Ok(sight) => *sight.ok()?,
            Err(_) => Sight::Waiting,
        };
        let mut seen = self.seen();
        if sight != Sight::Listed {
            seen.was_missed = true;
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

    /// A watch has told of all that is there. The chains that have lost something, and all of them if
    /// one didn't wait for this.
    pub(super) fn has_listed(&self, scope: &Scope, there: &BTreeSet<Name>) -> BTreeSet<Name> {
        let mut seen = self.seen();
        let known = seen.objects.keys();
        let gone = known.filter(|key| scope.covers(&key.0) && !there.contains(*key));
        let gone: Vec<Name> = gone.cloned().collect();
        let mut concerned = BTreeSet::new();
        for key in gone {
            concerned.extend(seen.take(&key));
        }
        if seen.was_missed {
            let all = seen.labelled.keys();
            concerned.extend(all.filter(|key| scope.covers(&key.0)).cloned());
        }
        drop(seen);
        self.now_shows(scope, Sight::Listed);
        concerned
    }

    /// Takes an object as it is. The chains that this concerns: none, if it is no news.
    pub(super) fn put<K: Child<Kept = T>>(&self, object: K) -> BTreeSet<Name> {
        let key = name(&object);
        let version = version(&object);
        let mut seen = self.seen();
        let known = seen.objects.get(&key).and_then(|known| known.version);
        if known.is_some() && version.is_some() && version <= known {
            return BTreeSet::new();
        }
        let mut concerned = seen.take(&key);
        let owners = owners(&object);
        let chain = object.labels().get(CHAIN_LABEL).cloned();
        let object = Object {
            version,
            owners,
            labelled: chain.map(|chain| (chain, object.keep())),
        };
        concerned.extend(object.chains(&key.0));
        if let Some((chain, _)) = &object.labelled {
            let chain = (key.0.clone(), chain.clone());
            let names = seen.labelled.entry(chain).or_default();
            names.insert(key.1.clone());
        }
        seen.objects.insert(key, object);
        concerned
    }

    /// Takes that an object is gone. The chains that this concerns: none, if it is there again.
    pub(super) fn remove(&self, object: &impl Resource) -> BTreeSet<Name> {
        let key = name(object);
        let mut seen = self.seen();
        let known = seen.objects.get(&key).and_then(|known| known.version);
        if known > version(object) {
            return BTreeSet::new();
        }
        seen.take(&key)
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

    fn service(name: &str, version: &str, chain: Option<&str>) -> Service {
        let labels = chain.map_or(Value::Null, |chain| json!({CHAIN_LABEL: chain}));
        serde_json::from_value(json!({"metadata": {
            "namespace": "shop", "name": name, "resourceVersion": version, "labels": labels,
        }}))
        .unwrap()
    }

    fn shelf() -> (Shelf<Packed>, Scope) {
        let scopes = Namespaces::All.scopes();
        (Shelf::new(&scopes, Duration::ZERO), scopes[0].clone())
    }

    fn shop(chains: &[&str]) -> BTreeSet<Name> {
        let chains = chains.iter();
        chains
            .map(|chain| ("shop".to_owned(), (*chain).to_owned()))
            .collect()
    }

    async fn names(shelf: &Shelf<Packed>, chain: &str) -> Vec<String> {
        let found = shelf.of("shop", chain).await.unwrap();
        found.into_keys().collect()
    }

    #[tokio::test]
    async fn what_is_older_than_what_is_known_is_no_news() {
        let (shelf, scope) = shelf();
        shelf.has_listed(&scope, &BTreeSet::new());
        let orders = Some("orders");
        assert_eq!(shelf.put(service("a", "10", orders)), shop(&["orders"]));
        for version in ["10", "9"] {
            assert_eq!(shelf.put(service("a", version, orders)), shop(&[]));
            assert_eq!(shelf.put(service("a", version, None)), shop(&[]));
        }
        assert_eq!(shelf.remove(&service("a", "9", orders)), shop(&[]));
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        assert_eq!(shelf.put(service("a", "x", orders)), shop(&["orders"]));
        assert_eq!(shelf.put(service("a", "11", orders)), shop(&["orders"]));
        assert_eq!(shelf.remove(&service("a", "12", orders)), shop(&["orders"]));
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
        assert!(!shelf.has("shop", "a"));
    }

    #[tokio::test]
    async fn both_chains_hear_of_a_label_that_changes() {
        let (shelf, scope) = shelf();
        shelf.has_listed(&scope, &BTreeSet::new());
        shelf.put(service("a", "1", Some("orders")));
        let moved = shelf.put(service("a", "2", Some("parcels")));
        assert_eq!(moved, shop(&["orders", "parcels"]));
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
        assert_eq!(names(&shelf, "parcels").await, ["a"]);
        let mut owned = service("a", "3", None);
        owned.metadata.owner_references = serde_json::from_value(json!([
            {"apiVersion": ExecutorChain::api_version(&()), "kind": "ExecutorChain", "name": "orders", "uid": ""},
            {"apiVersion": "example.com/v1", "kind": "ExecutorChain", "name": "others", "uid": ""},
        ]))
        .unwrap();
        assert_eq!(shelf.put(owned), shop(&["orders", "parcels"]));
        assert_eq!(names(&shelf, "parcels").await, [""; 0]);
        assert!(shelf.has("shop", "a"), "that it is there is known");
        assert_eq!(shelf.remove(&service("a", "4", None)), shop(&["orders"]));
    }

    #[tokio::test]
    async fn a_watch_that_shows_nothing_is_not_taken_for_an_empty_one() {
        let (shelf, scope) = shelf();
        shelf.put(service("a", "1", Some("orders")));
        assert!(shelf.of("shop", "orders").await.is_none(), "not listed yet");
        let there = BTreeSet::from([("shop".to_owned(), "a".to_owned())]);
        let concerned = shelf.has_listed(&scope, &there);
        assert_eq!(concerned, shop(&["orders"]), "it had not waited");
        assert_eq!(names(&shelf, "orders").await, ["a"]);
        shelf.is_deaf(&scope);
        assert!(shelf.of("shop", "orders").await.is_none());
        let concerned = shelf.has_listed(&scope, &BTreeSet::new());
        assert_eq!(concerned, shop(&["orders"]), "it has lost something");
        assert_eq!(names(&shelf, "orders").await, [""; 0]);
    }

    #[tokio::test]
    async fn a_namespace_that_is_not_watched_shows_nothing() {
        let scopes = Namespaces::of(&["hall".to_owned()]).scopes();
        let shelf: Shelf<Packed> = Shelf::new(&scopes, Duration::ZERO);
        shelf.has_listed(&scopes[0], &BTreeSet::new());
        assert!(shelf.of("shop", "orders").await.is_none());
        assert!(shelf.of("hall", "orders").await.is_some());
    }
}
