//! The kinds that a cluster may have or not: those of the Gateway API, and GKE's policies.
//!
//! The API server is asked now and then, and often while a chain waits for a kind: so nothing here needs
//! their CRDs, and a chain goes on soon after they were installed. What it has is watched like the
//! rest, by a watch of its own for each kind, since one that fails would hold up the others.

mod seen;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::{Config, Event, watcher};
use plan::model::gateway_resource::GatewayResourceKind;
use plan::objects::gateway_resources::HOST_ANNOTATION;
use plan::objects::names::CHAIN_LABEL;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::context::call;
use crate::controller::PATIENCE;
use crate::error::Error;
use crate::kubernetes::is_not_found;
use crate::name::tell;
use crate::namespaces::Scope;
use crate::reconcile::Chain;
use seen::{Attached, SELDOM, Seen, is_of};

/// How often a watch that fails is begun anew at once.
const TRIES: u32 = 5;

/// Of an object nothing else is watched.
type Metadata = PartialObjectMeta<DynamicObject>;

/// What the cluster has of these kinds.
pub struct Kinds {
    client: Client,
    scopes: Vec<Scope>,
    /// Held while the API server is asked, so that a first answer is waited for.
    looking: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
    missed: Arc<Notify>,
    changes: UnboundedSender<ObjectRef<Chain>>,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

impl Kinds {
    /// The kinds of a cluster, of which something may be in `scopes`. Chains that are to be reconciled
    /// are told to `changes`.
    pub fn new(
        client: Client,
        scopes: Vec<Scope>,
        changes: UnboundedSender<ObjectRef<Chain>>,
    ) -> Arc<Self> {
        let kinds = Arc::new(Self {
            client,
            scopes,
            looking: tokio::sync::Mutex::default(),
            seen: Mutex::default(),
            missed: Arc::default(),
            changes,
            watches: Mutex::default(),
        });
        let follow = follow(Arc::downgrade(&kinds));
        kinds.watches().spawn(follow);
        kinds
    }

    /// The kinds that a chain may have something of. One that asks for a Gateway hears of it when that
    /// changes.
    pub async fn of(
        self: &Arc<Self>,
        namespace: &str,
        chain: &str,
        asks: bool,
    ) -> Result<BTreeSet<GatewayResourceKind>, Error> {
        if self.seen().served.is_none() {
            let _looking = self.looking.lock().await;
            if self.seen().served.is_none() {
                match self.look().await {
                    // Nothing is known: not even that there is no such kind.
                    Err(error) if asks => return Err(error),
                    Err(_) => return Ok(BTreeSet::new()),
                    Ok(()) => {}
                }
            }
        }
        let name = (namespace.to_owned(), chain.to_owned());
        let mut seen = self.seen();
        let is_first = asks && seen.asking.insert(name.clone());
        if !asks {
            seen.asking.remove(&name);
        }
        if is_first || seen.is_missing() {
            self.missed.notify_one();
        }
        let served = seen.served.clone().unwrap_or_default();
        let may_have = |kind: &GatewayResourceKind| {
            let is_known = seen.knows_all(*kind, namespace);
            let mut objects = seen.objects.iter();
            asks || !is_known || objects.any(|((it, ..), found)| it == kind && found.chain == name)
        };
        Ok(served.into_iter().filter(may_have).collect())
    }

    /// Those of `hosts` that another chain has, with its namespace and name.
    pub fn taken<'a>(
        &self,
        namespace: &str,
        chain: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        self.seen().taken(namespace, chain, hosts)
    }

    /// The API server knows of no such kind although it was there: it is asked anew.
    pub fn is_gone(&self, kind: GatewayResourceKind) {
        if let Some(served) = &mut self.seen().served {
            served.remove(&kind);
        }
        self.missed.notify_one();
    }

    /// The chain is gone.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.seen().asking.remove(&name);
    }

    /// Asks the API server. If it doesn't answer, things are as they were.
    async fn look(self: &Arc<Self>) -> Result<(), Error> {
        let mut served = BTreeSet::new();
        for version in GatewayResourceKind::ALL
            .map(|kind| kind.resource().api_version)
            .into_iter()
            .collect::<BTreeSet<_>>()
        {
            let ours = GatewayResourceKind::ALL.into_iter();
            let ours = ours.filter(|kind| kind.resource().api_version == version);
            let list = self.client.list_api_group_resources(&version);
            match call(format!("discover {version}"), list).await {
                Ok(list) => served.extend(ours.filter(|kind| {
                    let mut resources = list.resources.iter();
                    resources.any(|resource| resource.name == kind.resource().plural)
                })),
                Err(error) if is_not_found(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "what kinds there are could not be found out");
                    return Err(error);
                }
            }
        }
        let mut seen = self.seen();
        let is_news = seen.served.as_ref().is_some_and(|known| *known != served);
        seen.served = Some(served.clone());
        if is_news {
            tracing::info!(kinds = ?served, "the cluster has other kinds now");
            for chain in &seen.asking {
                tell(&self.changes, chain);
            }
        }
        for kind in served {
            for scope in &self.scopes {
                let Entry::Vacant(vacant) = seen.watched.entry((kind, scope.clone())) else {
                    continue;
                };
                vacant.insert(false);
                self.watches().spawn(watch(
                    Arc::downgrade(self),
                    kind,
                    self.client.clone(),
                    scope.clone(),
                ));
            }
        }
        Ok(())
    }

    /// Takes what a watch tells.
    fn take(
        &self,
        (kind, scope): (GatewayResourceKind, &Scope),
        event: Event<Metadata>,
        relisted: &mut BTreeSet<(String, String)>,
    ) {
        let key = |object: &Metadata| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            Event::Init => relisted.clear(),
            Event::InitApply(object) => {
                relisted.insert(key(&object));
                self.put(kind, &object);
            }
            Event::Apply(object) => self.put(kind, &object),
            Event::Delete(object) => {
                let (namespace, name) = key(&object);
                self.remove(&(kind, namespace, name));
            }
            Event::InitDone => {
                let mut seen = self.seen();
                seen.watched.insert((kind, scope.clone()), true);
                let known = seen.objects.keys();
                let known = known.filter(|key| is_of(key, kind, scope));
                let gone: Vec<_> = known
                    .filter(|(_, namespace, name)| {
                        !relisted.contains(&(namespace.clone(), name.clone()))
                    })
                    .cloned()
                    .collect();
                drop(seen);
                for key in &gone {
                    self.remove(key);
                }
            }
        }
    }

    fn put(&self, kind: GatewayResourceKind, object: &Metadata) {
        let namespace = object.namespace().unwrap_or_default();
        let Some(chain) = object.labels().get(CHAIN_LABEL).cloned() else {
            return;
        };
        let found = Attached {
            chain: (namespace.clone(), chain.clone()),
            host: object.annotations().get(HOST_ANNOTATION).cloned(),
            created: object.creation_timestamp().map(|time| time.0),
        };
        let key = (kind, namespace.clone(), object.name_any());
        let before = self.seen().objects.insert(key, found);
        if let Some(before) = before.filter(|before| before.chain.1 != chain) {
            tell(&self.changes, &before.chain);
        }
        tell(&self.changes, &(namespace, chain));
    }

    fn remove(&self, key: &(GatewayResourceKind, String, String)) {
        let gone = self.seen().objects.remove(key);
        if let Some(gone) = gone {
            tell(&self.changes, &gone.chain);
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watches(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the API server now and then, for as long as a chain asks for a Gateway.
async fn follow(kinds: Weak<Kinds>) {
    loop {
        let Some((missed, pause)) = kinds
            .upgrade()
            .map(|kinds| (Arc::clone(&kinds.missed), kinds.seen().pause()))
        else {
            return;
        };
        let pass = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = pass => {}
            // It may be asked sooner from now on.
            () = missed.notified(), if pause != Some(PATIENCE) => continue,
        }
        let Some(kinds) = kinds.upgrade() else {
            return;
        };
        let _looking = kinds.looking.lock().await;
        // It says what is wrong, and is done again.
        let _ = kinds.look().await;
    }
}

/// Watches the objects of a kind that have the label of a chain, for as long as there is such a kind.
async fn watch(kinds: Weak<Kinds>, kind: GatewayResourceKind, client: Client, scope: Scope) {
    let api: Api<Metadata> = scope.api_of(&client, &kind.resource());
    let mut events = Box::pin(watcher(api, Config::default().labels(CHAIN_LABEL)));
    let mut relisted = BTreeSet::new();
    let mut failures = 0;
    while let Some(event) = events.next().await {
        let Some(kinds) = kinds.upgrade() else {
            return;
        };
        let error = match event {
            Ok(event) => {
                failures = 0;
                kinds.take((kind, &scope), event, &mut relisted);
                continue;
            }
            Err(error) => error,
        };
        {
            let mut seen = kinds.seen();
            let is_served = seen.served.as_ref().is_some_and(|it| it.contains(&kind));
            if !is_served {
                // Whoever finds it again watches it again.
                seen.watched.remove(&(kind, scope.clone()));
                seen.objects.retain(|key, _| !is_of(key, kind, &scope));
                return;
            }
            seen.watched.insert((kind, scope.clone()), false);
        }
        drop(kinds);
        failures += 1;
        // One for which there is no right fails for ever, and may never be missed.
        if failures == 1 {
            tracing::warn!(%kind, ?scope, %error, "a watch has failed");
        }
        let pause = if failures <= TRIES { PATIENCE } else { SELDOM };
        tokio::time::sleep(pause).await;
    }
}
