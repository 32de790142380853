//! The kinds that a cluster may have or not: those of the Gateway API, and GKE's policies.
//!
//! The API server is asked now and then, and often while a chain waits for a kind: so nothing here needs
//! their CRDs, and a chain goes on soon after they were installed. What it has is watched like the
//! rest, by a watch of its own for each kind, since one that fails would hold up the others.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedSender;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::{Config, Event, watcher};
use plan::attached::Kind;
use plan::child::CHAIN_LABEL;
use plan::route::HOST_ANNOTATION;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::context::call;
use crate::controller::PATIENCE;
use crate::error::Error;
use crate::kubernetes::is_not_found;
use crate::reconcile::Chain;

/// How often the API server is asked while no chain misses a kind: GKE's policies may come later.
const SELDOM: Duration = Duration::from_secs(15);
/// How often a watch that fails is begun anew at once.
const TRIES: u32 = 5;

/// Of an object nothing else is watched.
type Metadata = PartialObjectMeta<DynamicObject>;
/// A namespace that is served, or all.
type Scope = Option<String>;
/// Namespace and name of a chain.
type Name = (String, String);

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

#[derive(Default)]
struct Seen {
    /// `None` before the first answer.
    served: Option<BTreeSet<Kind>>,
    /// What is watched, and whether all of it is known.
    watched: BTreeMap<(Kind, Scope), bool>,
    /// The chains that ask for a Gateway.
    asking: BTreeSet<Name>,
    /// What is there, by kind, namespace and name.
    objects: BTreeMap<(Kind, String, String), Attached>,
}

/// An object of one of these kinds.
#[derive(Clone)]
struct Attached {
    chain: Name,
    host: Option<String>,
    created: Option<Timestamp>,
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
    ) -> Result<BTreeSet<Kind>, Error> {
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
        if asks {
            seen.asking.insert(name.clone());
        } else {
            seen.asking.remove(&name);
        }
        if seen.is_missing() {
            self.missed.notify_one();
        }
        let served = seen.served.clone().unwrap_or_default();
        let may_have = |kind: &Kind| {
            let is_known = seen.knows_all(*kind, namespace);
            let mut objects = seen.objects.iter();
            asks || !is_known || objects.any(|((it, ..), found)| it == kind && found.chain == name)
        };
        Ok(served.into_iter().filter(may_have).collect())
    }

    /// Those of `hosts` to which a route of another chain leads, and has led for longer, with the
    /// namespace and name of that chain. As the Gateway API says, the oldest route has the host.
    pub fn taken<'a>(
        &self,
        namespace: &str,
        chain: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        let seen = self.seen();
        let is_ours = |it: &Attached| it.chain.0 == namespace && it.chain.1 == chain;
        let age = |it: &Attached| (it.created.unwrap_or(Timestamp::MAX), it.chain.clone());
        hosts
            .filter_map(|host| {
                let all = seen.objects.values();
                let leads = all.filter(|it| it.host.as_deref() == Some(host));
                let oldest = leads.min_by_key(|it| age(it))?;
                let (namespace, chain) = &oldest.chain;
                (!is_ours(oldest)).then(|| (host.to_owned(), format!("{namespace}/{chain}")))
            })
            .collect()
    }

    /// The API server knows of no such kind although it was there: it is asked anew.
    pub fn is_gone(&self, kind: Kind) {
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
        for version in Kind::ALL
            .map(|kind| kind.resource().api_version)
            .into_iter()
            .collect::<BTreeSet<_>>()
        {
            let ours = Kind::ALL.into_iter();
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
            for (namespace, chain) in &seen.asking {
                self.tell(namespace, chain);
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
        (kind, scope): (Kind, &Scope),
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

    fn put(&self, kind: Kind, object: &Metadata) {
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
            self.tell(&before.chain.0, &before.chain.1);
        }
        self.tell(&namespace, &chain);
    }

    fn remove(&self, key: &(Kind, String, String)) {
        let gone = self.seen().objects.remove(key);
        if let Some(gone) = gone {
            self.tell(&gone.chain.0, &gone.chain.1);
        }
    }

    fn tell(&self, namespace: &str, chain: &str) {
        // Nobody listens any more when the operator stops.
        let chain = ObjectRef::new(chain).within(namespace);
        let _ = self.changes.unbounded_send(chain);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watches(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an object is of a kind, and in a scope.
fn is_of((it, namespace, _): &(Kind, String, String), kind: Kind, scope: &Scope) -> bool {
    *it == kind && scope.as_ref().is_none_or(|scope| scope == namespace)
}

impl Seen {
    /// Whether all objects of a kind in a namespace are known.
    fn knows_all(&self, kind: Kind, namespace: &str) -> bool {
        let scopes = [None, Some(namespace.to_owned())].into_iter();
        let mut watches = scopes.map(|scope| self.watched.get(&(kind, scope)));
        watches.any(|is_known| is_known == Some(&true))
    }

    /// Whether a chain asks for what there isn't.
    fn is_missing(&self) -> bool {
        let served = self.served.as_ref();
        let has_routes = served.is_some_and(|served| served.contains(&Kind::HttpRoute));
        !self.asking.is_empty() && !has_routes
    }
}

/// Asks the API server now and then, for as long as somebody wants to know.
async fn follow(kinds: Weak<Kinds>) {
    loop {
        let Some((missed, is_missing)) = kinds
            .upgrade()
            .map(|kinds| (Arc::clone(&kinds.missed), kinds.seen().is_missing()))
        else {
            return;
        };
        let pause = if is_missing { PATIENCE } else { SELDOM };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // It is asked sooner from now on.
            () = missed.notified(), if !is_missing => continue,
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
async fn watch(kinds: Weak<Kinds>, kind: Kind, client: Client, scope: Scope) {
    let resource = kind.resource();
    let api: Api<Metadata> = match &scope {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
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
