//! The Deployments, Services and pods of chains, from watches: a reconcile that begins with these makes
//! no call.
//!
//! A watch may lag, so before a plan that could do harm by that, the reconcile reads the API server
//! ([`plan::Freshness`]); what it reads is cached too. Without a complete cache it always does.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{NamespaceResourceScope, ObjectList};
use kube::{Client, Resource, ResourceExt};
use kube_runtime::watcher::{Config, Event, watcher};
use parking_lot::Mutex;
use plan::objects::blocked_containers::blocked_containers;
use plan::objects::names::CHAIN_LABEL;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::api_server::RETRY_PAUSE;
use crate::cache::object_cache::{Cacheable, ObjectCache, WatchState};
use crate::cache::packed_object::{Model, PackedObject};
use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::{NamespacedName, Triggers, name_in, name_of, trigger};
use crate::namespaces::Scope;
use crate::telemetry::metrics::Metrics;

/// How many objects the API server lists at a time. Parsed, each takes ten times the memory of what is
/// cached of it.
const PAGE: u32 = 100;

/// How long reconciles wait for the first lists, before they read the API server.
const FIRST_LIST: Duration = Duration::from_secs(10);

/// The children of all chains.
pub struct ChildCache {
    deployments: ObjectCache<PackedObject>,
    services: ObjectCache<PackedObject>,
    pods: ObjectCache<CachedPod>,
    triggers: Triggers,
    metrics: Arc<Metrics>,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

/// What matters of a pod.
#[derive(Clone)]
pub struct CachedPod {
    pod: Option<Arc<plan::Pod>>,
    target: Option<Arc<ScrapeTarget>>,
}

/// A kind of which each chain has objects.
pub trait Child:
    Cacheable
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// Whether the end of an object triggers a reconcile.
    const TRIGGERS: bool = true;
    /// Whether the change that led to this object triggers one, with what was cached `before`.
    fn triggers(&self, _before: Option<&Self::Cached>) -> bool {
        Self::TRIGGERS
    }
    /// The cache of the kind.
    fn objects(cache: &ChildCache) -> &ObjectCache<Self::Cached>;
    /// Which objects are watched.
    fn watched() -> Config {
        Config::default().page_size(PAGE)
    }
}

impl Cacheable for Deployment {
    type Cached = PackedObject;

    fn into_cached(self, model: &mut Model) -> PackedObject {
        PackedObject::applied(self, model)
    }
}

impl Child for Deployment {
    fn objects(cache: &ChildCache) -> &ObjectCache<PackedObject> {
        &cache.deployments
    }
}

impl Cacheable for Service {
    type Cached = PackedObject;

    fn into_cached(self, model: &mut Model) -> PackedObject {
        PackedObject::applied(self, model)
    }
}

impl Child for Service {
    fn objects(cache: &ChildCache) -> &ObjectCache<PackedObject> {
        &cache.services
    }
}

impl Cacheable for Pod {
    type Cached = CachedPod;

    fn into_cached(self, _: &mut Model) -> CachedPod {
        CachedPod {
            pod: plan::Pod::of(&self).map(Arc::new),
            target: ScrapeTarget::of(&self).map(Arc::new),
        }
    }
}

impl Child for Pod {
    /// Their Deployments change with them.
    const TRIGGERS: bool = false;

    /// But not with what keeps a container from starting.
    fn triggers(&self, before: Option<&CachedPod>) -> bool {
        let before = before.and_then(|before| before.pod.as_ref());
        let before = before.map(|pod| &pod.blocked);
        let now = blocked_containers(self);
        before.map_or(!now.is_empty(), |before| *before != now)
    }

    fn objects(cache: &ChildCache) -> &ObjectCache<CachedPod> {
        &cache.pods
    }

    fn watched() -> Config {
        // The cluster may have very many others.
        Config::default().page_size(PAGE).labels(CHAIN_LABEL)
    }
}

/// A chain's children of one kind.
pub struct FoundChildren<K> {
    /// Those with the chain's label, by name.
    pub labeled: BTreeMap<String, K>,
    /// Those without the label that have a child's name.
    pub others: Vec<String>,
}

impl ChildCache {
    /// Watches the objects in `scopes` until the value is dropped. Chains that are to be reconciled go
    /// to `triggers`.
    pub fn new(
        client: &Client,
        scopes: &[Scope],
        triggers: Triggers,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let cache = Arc::new(Self {
            deployments: ObjectCache::new(scopes, FIRST_LIST),
            services: ObjectCache::new(scopes, FIRST_LIST),
            pods: ObjectCache::new(scopes, FIRST_LIST),
            triggers,
            metrics,
            watches: Mutex::default(),
        });
        {
            let mut watches = cache.watches.lock();
            for scope in scopes {
                let weak = || Arc::downgrade(&cache);
                watches.spawn(watch::<Deployment>(weak(), client.clone(), scope.clone()));
                watches.spawn(watch::<Service>(weak(), client.clone(), scope.clone()));
                watches.spawn(watch::<Pod>(weak(), client.clone(), scope.clone()));
            }
        }
        cache
    }

    /// The chain's children of a kind, and objects with one of `names`; `None` without a complete cache.
    pub async fn of<K>(&self, chain: &ObjectMeta, names: &[&str]) -> Option<FoundChildren<K>>
    where
        K: Child<Cached = PackedObject>,
    {
        let (namespace, chain) = name_in(chain);
        let objects = K::objects(self);
        let labeled = objects.of(&namespace, &chain).await?;
        let labeled: BTreeMap<String, K> = labeled
            .into_iter()
            .map(|(name, packed)| (name, packed.unpack()))
            .collect();
        let others = names.iter().filter(|name| !labeled.contains_key(**name));
        let others = others.filter(|name| objects.has(&namespace, name));
        let others = others.map(|name| (*name).to_owned()).collect();
        Some(FoundChildren { labeled, others })
    }

    /// The chain's pods that have not ended; `None` without a complete cache.
    pub async fn pods(&self, chain: &ObjectMeta) -> Option<Vec<plan::Pod>> {
        let (namespace, chain) = name_in(chain);
        let found = self.pods.of(&namespace, &chain).await?;
        let pods = found.into_values().filter_map(|cached| cached.pod);
        Some(pods.map(Arc::unwrap_or_clone).collect())
    }

    /// The chain's ready pods, as far as they are known.
    pub fn scrape_targets(&self, chain: &NamespacedName) -> Vec<Arc<ScrapeTarget>> {
        let pods = self.pods.known_of(chain).into_iter();
        pods.filter_map(|cached| cached.target).collect()
    }

    /// Takes the API server's answer to a write: the watch's echo triggers no reconcile then.
    pub fn answered<K: Child>(&self, object: K) {
        K::objects(self).answered(object);
    }

    /// Takes a list of everything with the chain's label: the watch may lag behind it.
    pub fn listed<K: Child>(&self, chain: &ObjectMeta, list: &ObjectList<K>) {
        let objects = K::objects(self);
        let listed = list.items.iter().map(ResourceExt::name_any).collect();
        let version = list.metadata.resource_version.as_deref();
        objects.has_only(&name_in(chain), &listed, version.unwrap_or_default());
        for object in &list.items {
            objects.answered(object.clone());
        }
    }

    fn take<K: Child>(&self, scope: &Scope, event: Event<K>) {
        let objects = K::objects(self);
        let triggers = match &event {
            Event::InitApply(object) | Event::Apply(object) => {
                object.triggers(objects.cached(&name_of(object)).as_ref())
            }
            Event::Delete(_) | Event::Init | Event::InitDone => K::TRIGGERS,
        };
        let concerned = match event {
            Event::Init => {
                objects.relist_began(scope);
                return;
            }
            Event::InitApply(object) => objects.relisted(scope, object),
            Event::Apply(object) => objects.applied(scope, object),
            Event::Delete(object) => objects.deleted(scope, &object),
            Event::InitDone => objects.relist_ended(scope),
        };
        // At a start every chain is reconciled in any case.
        if triggers && objects.watch_state(scope) != WatchState::Starting {
            for chain in &concerned {
                trigger(&self.triggers, chain);
            }
        }
    }
}

/// Watches a kind in a scope. After a failure it starts again with a list: how long it has missed
/// changes is unknown.
async fn watch<K: Child>(cache: Weak<ChildCache>, client: Client, scope: Scope) {
    loop {
        let mut events = Box::pin(watcher(scope.api::<K>(&client), K::watched()));
        while let Some(event) = events.next().await {
            let Some(cache) = cache.upgrade() else {
                return;
            };
            match event {
                Ok(event) => cache.take(&scope, event),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), ?scope, %error, "a watch has failed");
                    cache.metrics.watch_failed();
                    K::objects(&cache).failed(&scope);
                    break;
                }
            }
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}
