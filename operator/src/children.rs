//! The Deployments, Services and pods of chains, as the API server's watches tell them: a round begins
//! from these and asks nobody.
//!
//! A watch may lag, so before a plan does what could do harm then, a round looks for itself, as
//! [`plan::Freshness`] says, and what it finds goes here too. Where a watch has failed, or hasn't begun yet,
//! rounds look for themselves in any case.

mod shelf;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{NamespaceResourceScope, ObjectList};
use kube::{Client, Resource, ResourceExt};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::{Config, Event, watcher};
use plan::objects::names::CHAIN_LABEL;
use plan::objects::ownership::is_our_apply;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::controller::PATIENCE;
use crate::metrics::Metrics;
use crate::name::{called, tell};
use crate::namespaces::Scope;
use crate::reconcile::Chain;
use crate::refusals::Guard;
use shelf::{Shelf, Sight};

/// How many objects the API server gives at a time as a watch begins. Unpacked, each takes ten times
/// what is kept of it.
const PAGE: u32 = 100;

/// How long rounds wait for the first lists of the watches, before they look for themselves.
const FIRST_LIST: Duration = Duration::from_secs(10);

/// What is known of the children of all chains.
pub struct Children {
    deployments: Shelf<Packed>,
    services: Shelf<Packed>,
    pods: Shelf<Worker>,
    changes: UnboundedSender<ObjectRef<Chain>>,
    metrics: Arc<Metrics>,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

/// A Deployment or Service as JSON. As values they would take up more than anything else here.
#[derive(Clone)]
pub(crate) struct Packed(Arc<[u8]>);

/// What matters of a pod.
type Worker = (Option<plan::Pod>, Option<Guard>);

/// A kind of which each chain has some.
pub(crate) trait Child:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// What is kept of it.
    type Kept: Clone + Send + 'static;
    /// What is kept of it.
    fn keep(self) -> Self::Kept;
    /// Where that is.
    fn shelf(children: &Children) -> &Shelf<Self::Kept>;
    /// Which are watched.
    fn watched() -> Config {
        Config::default().page_size(PAGE)
    }
    /// Whether a chain has a round when one changes.
    const STARTS_ROUNDS: bool = true;
}

impl Child for Deployment {
    type Kept = Packed;

    fn keep(self) -> Packed {
        Packed::of(self)
    }

    fn shelf(children: &Children) -> &Shelf<Packed> {
        &children.deployments
    }
}

impl Child for Service {
    type Kept = Packed;

    fn keep(self) -> Packed {
        Packed::of(self)
    }

    fn shelf(children: &Children) -> &Shelf<Packed> {
        &children.services
    }
}

impl Child for Pod {
    type Kept = Worker;

    fn keep(self) -> Worker {
        (plan::Pod::of(&self), Guard::of(&self))
    }

    fn shelf(children: &Children) -> &Shelf<Worker> {
        &children.pods
    }

    fn watched() -> Config {
        // There may be very many others.
        Config::default().page_size(PAGE).labels(CHAIN_LABEL)
    }

    /// Their Deployments tell of them.
    const STARTS_ROUNDS: bool = false;
}

impl Packed {
    fn of(mut object: impl Resource + Serialize) -> Self {
        // Nobody reads what others have applied, and it is half of an object.
        if let Some(entries) = &mut object.meta_mut().managed_fields {
            entries.retain(is_our_apply);
        }
        let text = serde_json::to_vec(&object).expect("Kubernetes objects are plain data");
        Self(text.into())
    }

    fn open<K: DeserializeOwned>(&self) -> K {
        serde_json::from_slice(&self.0).expect("it was written from one")
    }
}

/// The children of a kind that a chain has.
pub(crate) struct Found<K> {
    /// Those with the chain's label, by name.
    pub labelled: BTreeMap<String, K>,
    /// Those without it that have the name of a child.
    pub others: Vec<String>,
}

impl Children {
    /// Watches those in `scopes`, for as long as the value lives. Chains that are to be reconciled are
    /// told to `changes`.
    pub fn new(
        client: &Client,
        scopes: &[Scope],
        changes: UnboundedSender<ObjectRef<Chain>>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        let children = Arc::new(Self {
            deployments: Shelf::new(scopes, FIRST_LIST),
            services: Shelf::new(scopes, FIRST_LIST),
            pods: Shelf::new(scopes, FIRST_LIST),
            changes,
            metrics,
            watches: Mutex::default(),
        });
        {
            let mut watches = children
                .watches
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for scope in scopes {
                let weak = || Arc::downgrade(&children);
                watches.spawn(follow::<Deployment>(weak(), client.clone(), scope.clone()));
                watches.spawn(follow::<Service>(weak(), client.clone(), scope.clone()));
                watches.spawn(follow::<Pod>(weak(), client.clone(), scope.clone()));
            }
        }
        children
    }

    /// The chain's children of a kind, and those that have one of `names`. Nothing where it isn't
    /// watched.
    pub(crate) async fn of<K>(&self, chain: &ObjectMeta, names: &[&str]) -> Option<Found<K>>
    where
        K: Child<Kept = Packed>,
    {
        let (namespace, chain) = called(chain);
        let known = K::shelf(self);
        let labelled = known.of(&namespace, &chain).await?;
        let labelled: BTreeMap<String, K> = labelled
            .into_iter()
            .map(|(name, kept)| (name, kept.open()))
            .collect();
        let others = names.iter().filter(|name| !labelled.contains_key(**name));
        let others = others.filter(|name| known.has(&namespace, name));
        let others = others.map(|name| (*name).to_owned()).collect();
        Some(Found { labelled, others })
    }

    /// The chain's pods that may still work, and those among them that can be asked what they have
    /// refused. Nothing where they aren't watched.
    pub(crate) async fn pods(&self, chain: &ObjectMeta) -> Option<(Vec<plan::Pod>, Vec<Guard>)> {
        let (namespace, chain) = called(chain);
        let found = self.pods.of(&namespace, &chain).await?;
        let (pods, guards): (Vec<_>, Vec<_>) = found.into_values().unzip();
        let pods = pods.into_iter().flatten().collect();
        Some((pods, guards.into_iter().flatten().collect()))
    }

    /// Takes what the API server has answered to a write: when the watch tells the same, it is no
    /// news.
    pub(crate) fn answered<K: Child>(&self, object: K) {
        K::shelf(self).answered(object);
    }

    /// Takes a list of all that has the chain's label: a watch may not have told it yet.
    pub(crate) fn looked<K: Child>(&self, chain: &ObjectMeta, list: &ObjectList<K>) {
        let known = K::shelf(self);
        let there = list.items.iter().map(ResourceExt::name_any).collect();
        let version = list.metadata.resource_version.as_deref();
        known.has_only(&called(chain), &there, version.unwrap_or_default());
        for object in &list.items {
            known.answered(object.clone());
        }
    }

    fn hear<K: Child>(&self, scope: &Scope, event: Event<K>) {
        let known = K::shelf(self);
        let news = match event {
            Event::Init => {
                known.lists(scope);
                return;
            }
            Event::InitApply(object) => known.listed(scope, object),
            Event::Apply(object) => known.told(scope, object),
            Event::Delete(object) => known.gone(scope, &object),
            Event::InitDone => known.has_listed(scope),
        };
        // As it begins, each chain has a round in any case.
        if K::STARTS_ROUNDS && known.sight(scope) != Sight::Waiting {
            for chain in &news {
                tell(&self.changes, chain);
            }
        }
    }
}

/// Watches a kind in a scope. One that has failed is begun anew with a list: until then nothing tells how
/// long it has been deaf.
async fn follow<K: Child>(children: Weak<Children>, client: Client, scope: Scope) {
    loop {
        let mut events = Box::pin(watcher(scope.api::<K>(&client), K::watched()));
        while let Some(event) = events.next().await {
            let Some(children) = children.upgrade() else {
                return;
            };
            match event {
                Ok(event) => children.hear(&scope, event),
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), ?scope, %error, "a watch has failed");
                    children.metrics.watch_failed();
                    K::shelf(&children).is_deaf(&scope);
                    break;
                }
            }
        }
        tokio::time::sleep(PATIENCE).await;
    }
}
