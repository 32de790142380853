use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::*;
use crate::namespaces::Namespaces;

const ORDERS: Option<&str> = Some("orders");

impl Cacheable for ConfigMap {
    type Cached = ();

    fn into_cached(self, _: &mut Model) {}
}

fn object(name: &str, version: &str, chain: Option<&str>) -> ConfigMap {
    let labels = chain.map_or(Value::Null, |chain| json!({CHAIN_LABEL: chain}));
    serde_json::from_value(json!({"metadata": {
        "namespace": "shop", "name": name, "resourceVersion": version, "labels": labels,
    }}))
    .unwrap()
}

fn starting() -> (ObjectCache<()>, Scope) {
    let scopes = Namespaces::All.scopes();
    (ObjectCache::new(&scopes, Duration::ZERO), scopes[0].clone())
}

/// One whose list was empty.
fn synced() -> (ObjectCache<()>, Scope) {
    let (cache, scope) = starting();
    cache.relist_ended(&scope);
    (cache, scope)
}

fn shop(names: &[&str]) -> BTreeSet<NamespacedName> {
    let names = names.iter();
    names
        .map(|name| ("shop".to_owned(), (*name).to_owned()))
        .collect()
}

async fn names(cache: &ObjectCache<()>, chain: &str) -> Vec<String> {
    let found = cache.of("shop", chain).await.unwrap();
    found.into_keys().collect()
}

fn has_only(cache: &ObjectCache<()>, chain: &str, listed: &[&str], version: &str) {
    let chain = ("shop".to_owned(), chain.to_owned());
    let listed = listed.iter().map(|name| (*name).to_owned()).collect();
    cache.has_only(&chain, &listed, version);
}

#[tokio::test]
async fn an_older_version_concerns_nobody() {
    let (cache, scope) = synced();
    let applied = |version| cache.applied(&scope, object("a", version, ORDERS));
    assert_eq!(applied("10"), shop(&["orders"]));
    assert_eq!(applied("10"), shop(&[]));
    assert_eq!(applied("9"), shop(&[]));
    assert_eq!(cache.deleted(&scope, &object("a", "9", ORDERS)), shop(&[]));
    assert_eq!(names(&cache, "orders").await, ["a"]);
    assert_eq!(applied("no number"), shop(&["orders"]));
    assert_eq!(applied("11"), shop(&["orders"]));
    let gone = cache.deleted(&scope, &object("a", "no number", ORDERS));
    assert_eq!(gone, shop(&["orders"]));
    assert_eq!(names(&cache, "orders").await, [""; 0]);
    assert!(!cache.has("shop", "a"));
}

#[tokio::test]
async fn our_own_write_is_cached_from_its_answer_and_triggers_nothing() {
    let (cache, scope) = synced();
    cache.answered(object("a", "10", ORDERS));
    assert_eq!(names(&cache, "orders").await, ["a"]);
    let echo = cache.applied(&scope, object("a", "10", ORDERS));
    assert_eq!(echo, shop(&[]));
}

#[tokio::test]
async fn an_object_that_was_created_again_survives_the_deletion_of_the_former_one() {
    let (cache, scope) = synced();
    cache.applied(&scope, object("a", "10", ORDERS));
    cache.answered(object("a", "15", ORDERS));
    assert_eq!(cache.deleted(&scope, &object("a", "12", ORDERS)), shop(&[]));
    assert_eq!(names(&cache, "orders").await, ["a"]);
    let gone = cache.deleted(&scope, &object("a", "16", ORDERS));
    assert_eq!(gone, shop(&["orders"]));
}

/// The reason for `WatchProgress::delivered`: a deleted object has no version to compare with.
#[tokio::test]
async fn a_late_answer_does_not_bring_back_a_deleted_object() {
    let (cache, scope) = synced();
    cache.applied(&scope, object("a", "15", ORDERS));
    cache.deleted(&scope, &object("a", "16", ORDERS));
    cache.answered(object("a", "15", ORDERS));
    assert_eq!(names(&cache, "orders").await, [""; 0]);
}

#[tokio::test]
async fn a_relist_replaces_everything() {
    let (cache, scope) = synced();
    for name in ["a", "b", "c"] {
        cache.applied(&scope, object(name, "100", ORDERS));
    }
    cache.relist_began(&scope);
    cache.answered(object("c", "101", ORDERS));
    cache.answered(object("new", "102", ORDERS));
    // As an etcd that was restored from a backup shows it.
    let restored = cache.relisted(&scope, object("a", "7", Some("parcels")));
    assert_eq!(restored, shop(&["orders", "parcels"]));
    cache.relisted(&scope, object("c", "99", ORDERS));
    assert_eq!(cache.relist_ended(&scope), shop(&["orders"]));
    assert_eq!(names(&cache, "orders").await, ["c"]);
    assert_eq!(names(&cache, "parcels").await, ["a"]);
    // The watch continues from the list's version, so it shows what was answered after it.
    let newer = cache.applied(&scope, object("c", "101", ORDERS));
    assert_eq!(newer, shop(&["orders"]));
    cache.applied(&scope, object("new", "102", ORDERS));
    cache.applied(&scope, object("a", "8", ORDERS));
    assert_eq!(names(&cache, "orders").await, ["a", "c", "new"]);
}

/// The reason for `CachedObject::is_listed`: no watch shows a deletion that happened before the list.
#[tokio::test]
async fn an_object_that_was_deleted_while_the_watch_was_down_is_removed_by_the_relist() {
    let (cache, scope) = synced();
    cache.applied(&scope, object("a", "1", ORDERS));
    cache.failed(&scope);
    cache.relist_began(&scope);
    cache.answered(object("b", "2", ORDERS));
    assert_eq!(cache.relist_ended(&scope), shop(&["orders"]));
    assert_eq!(names(&cache, "orders").await, [""; 0]);
}

#[tokio::test]
async fn a_list_of_one_chain_removes_what_it_does_not_show() {
    let (cache, scope) = synced();
    for (name, version) in [("a", "1"), ("b", "2"), ("c", "9")] {
        cache.applied(&scope, object(name, version, ORDERS));
    }
    has_only(&cache, "orders", &["a"], "no number");
    has_only(&cache, "parcels", &[], "5");
    assert_eq!(names(&cache, "orders").await, ["a", "b", "c"]);
    has_only(&cache, "orders", &["a"], "5");
    assert_eq!(names(&cache, "orders").await, ["a", "c"], "c is newer");
}

#[tokio::test]
async fn a_changed_label_or_owner_concerns_the_former_chain_and_the_new_one() {
    let (cache, scope) = synced();
    cache.applied(&scope, object("a", "1", ORDERS));
    let moved = cache.applied(&scope, object("a", "2", Some("parcels")));
    assert_eq!(moved, shop(&["orders", "parcels"]));
    assert_eq!(names(&cache, "orders").await, [""; 0]);
    assert_eq!(names(&cache, "parcels").await, ["a"]);
    let mut owned = object("a", "3", None);
    owned.metadata.owner_references = serde_json::from_value(json!([
        {"apiVersion": ExecutorChain::api_version(&()), "kind": "ExecutorChain", "name": "orders", "uid": ""},
        {"apiVersion": "example.com/v1", "kind": "ExecutorChain", "name": "others", "uid": ""},
    ]))
    .unwrap();
    assert_eq!(cache.applied(&scope, owned), shop(&["orders", "parcels"]));
    assert_eq!(names(&cache, "parcels").await, [""; 0]);
    assert!(cache.has("shop", "a"), "its existence is cached");
    let gone = cache.deleted(&scope, &object("a", "4", None));
    assert_eq!(gone, shop(&["orders"]));
}

#[tokio::test]
async fn an_incomplete_cache_is_not_taken_for_an_empty_one() {
    let (cache, scope) = starting();
    cache.relisted(&scope, object("a", "1", ORDERS));
    assert!(cache.of("shop", "orders").await.is_none(), "not listed yet");
    let concerned = cache.relist_ended(&scope);
    assert_eq!(concerned, shop(&["orders"]), "it had not waited");
    assert_eq!(names(&cache, "orders").await, ["a"]);
    cache.relist_began(&scope);
    assert_eq!(cache.relisted(&scope, object("a", "1", ORDERS)), shop(&[]));
    assert_eq!(cache.relist_ended(&scope), shop(&[]), "nothing has changed");
    cache.failed(&scope);
    assert!(cache.of("shop", "orders").await.is_none());
    cache.relist_began(&scope);
    let concerned = cache.relist_ended(&scope);
    assert_eq!(concerned, shop(&["orders"]), "it has lost an object");
    assert_eq!(names(&cache, "orders").await, [""; 0]);
}

#[tokio::test]
async fn a_namespace_that_is_not_watched_has_no_cache() {
    let scopes = Namespaces::of(&["hall".to_owned()]).scopes();
    let cache: ObjectCache<()> = ObjectCache::new(&scopes, Duration::ZERO);
    cache.relist_ended(&scopes[0]);
    assert!(cache.of("shop", "orders").await.is_none());
    assert!(cache.of("hall", "orders").await.is_some());
}
