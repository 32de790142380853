//! Which optional APIs the cluster has: the Gateway API, and GKE's policies.
//!
//! The API server is asked now and then, and often while a chain waits for a kind: so the operator needs
//! none of these CRDs, and a chain continues soon after they are installed. The objects are watched, by
//! a watch for each kind, since one that fails would delay the others.

mod state;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use futures::StreamExt;
use kube::api::{Api, DynamicObject};
use kube::core::PartialObjectMeta;
use kube::{Client, ResourceExt};
use kube_runtime::watcher::{Config, Event, watcher};
use parking_lot::Mutex;
use plan::model::gateway_resource::GatewayResourceKind;
use plan::objects::gateway_resources::HOST_ANNOTATION;
use plan::objects::names::CHAIN_LABEL;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::api_server::{RETRY_PAUSE, call};
use crate::chain::{NamespacedName, Triggers, name_of, trigger};
use crate::error::Error;
use crate::namespaces::Scope;
use state::{DiscoveryState, GatewayObject, POLL_INTERVAL, is_in};

/// After so many failures in a row a watch is retried less often.
const QUICK_RETRIES: u32 = 5;

/// Only the metadata is watched.
type Metadata = PartialObjectMeta<DynamicObject>;

/// Which optional kinds the cluster has, and chains' objects of these kinds.
pub struct ApiDiscovery {
    client: Client,
    scopes: Vec<Scope>,
    /// Held while the API server is asked, so that the first answer is waited for.
    asking: tokio::sync::Mutex<()>,
    state: Mutex<DiscoveryState>,
    wanted: Arc<Notify>,
    triggers: Triggers,
    /// They end with this.
    watches: Mutex<JoinSet<()>>,
}

impl ApiDiscovery {
    /// Asks the API server from now on. Chains that are to be reconciled go to `triggers`.
    pub fn new(client: Client, scopes: Vec<Scope>, triggers: Triggers) -> Arc<Self> {
        let discovery = Arc::new(Self {
            client,
            scopes,
            asking: tokio::sync::Mutex::default(),
            state: Mutex::default(),
            wanted: Arc::default(),
            triggers,
            watches: Mutex::default(),
        });
        let poll = poll(Arc::downgrade(&discovery));
        discovery.watches.lock().spawn(poll);
        discovery
    }

    /// Returns when the API server has said which kinds it has, or has failed to.
    pub async fn first_answer(self: &Arc<Self>) -> Result<(), Error> {
        let is_known = || self.state.lock().served.is_some();
        if is_known() {
            return Ok(());
        }
        let _asking = self.asking.lock().await;
        if is_known() {
            return Ok(());
        }
        self.discover().await
    }

    /// The kinds of which a chain may have objects; none before the first answer. A chain that uses a
    /// Gateway is reconciled when the cluster's kinds change, and one that has objects when they are
    /// found.
    pub fn of(
        &self,
        namespace: &str,
        chain: &str,
        uses_gateway: bool,
    ) -> BTreeSet<GatewayResourceKind> {
        let name = (namespace.to_owned(), chain.to_owned());
        let mut state = self.state.lock();
        let is_first = uses_gateway && state.using.insert(name.clone());
        if !uses_gateway {
            state.using.remove(&name);
        }
        if is_first || state.lacks_routes() {
            self.wanted.notify_one();
        }
        let served = state.served.clone().unwrap_or_default();
        let may_have = |kind: &GatewayResourceKind| {
            let is_complete = state.is_complete(*kind, namespace);
            let mut objects = state.objects.iter();
            uses_gateway
                || !is_complete
                || objects.any(|((it, _), found)| it == kind && found.chain == name)
        };
        served.into_iter().filter(may_have).collect()
    }

    /// Those of `hosts` that another chain has, with its namespace and name.
    pub fn taken<'a>(
        &self,
        namespace: &str,
        chain: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        self.state.lock().taken(namespace, chain, hosts)
    }

    /// The API server no longer knows a kind: it is asked again.
    pub fn is_gone(&self, kind: GatewayResourceKind) {
        if let Some(served) = &mut self.state.lock().served {
            served.remove(&kind);
        }
        self.wanted.notify_one();
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.state.lock().using.remove(&name);
    }

    /// Asks the API server. If it doesn't answer, the last answer stays.
    async fn discover(self: &Arc<Self>) -> Result<(), Error> {
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
                Err(error) if error.is_not_found() => {}
                Err(error) => {
                    tracing::warn!(%error, "API discovery has failed");
                    return Err(error);
                }
            }
        }
        let mut state = self.state.lock();
        let is_change = state.served.as_ref().is_some_and(|known| *known != served);
        state.served = Some(served.clone());
        if is_change {
            tracing::info!(kinds = ?served, "the kinds that the API server serves have changed");
            for chain in &state.using {
                trigger(&self.triggers, chain);
            }
        }
        for kind in served {
            for scope in &self.scopes {
                let Entry::Vacant(vacant) = state.watched.entry((kind, scope.clone())) else {
                    continue;
                };
                vacant.insert(false);
                self.watches.lock().spawn(watch(
                    Arc::downgrade(self),
                    kind,
                    self.client.clone(),
                    scope.clone(),
                ));
            }
        }
        Ok(())
    }

    /// Takes an event of a watch.
    fn take(
        &self,
        (kind, scope): (GatewayResourceKind, &Scope),
        event: Event<Metadata>,
        relisted: &mut BTreeSet<NamespacedName>,
    ) {
        match event {
            Event::Init => relisted.clear(),
            Event::InitApply(object) => {
                relisted.insert(name_of(&object));
                self.put(kind, &object);
            }
            Event::Apply(object) => self.put(kind, &object),
            Event::Delete(object) => self.remove(&(kind, name_of(&object))),
            Event::InitDone => {
                let mut state = self.state.lock();
                state.watched.insert((kind, scope.clone()), true);
                let known = state.objects.keys();
                let gone: Vec<_> = known
                    .filter(|key| is_in(key, kind, scope) && !relisted.contains(&key.1))
                    .cloned()
                    .collect();
                drop(state);
                for key in &gone {
                    self.remove(key);
                }
            }
        }
    }

    fn put(&self, kind: GatewayResourceKind, object: &Metadata) {
        let Some(chain) = object.labels().get(CHAIN_LABEL).cloned() else {
            return;
        };
        let name = name_of(object);
        let chain = (name.0.clone(), chain);
        let found = GatewayObject {
            chain: chain.clone(),
            host: object.annotations().get(HOST_ANNOTATION).cloned(),
            created: object.creation_timestamp().map(|time| time.0),
        };
        let before = self.state.lock().objects.insert((kind, name), found);
        if let Some(before) = before.filter(|before| before.chain != chain) {
            trigger(&self.triggers, &before.chain);
        }
        trigger(&self.triggers, &chain);
    }

    fn remove(&self, key: &(GatewayResourceKind, NamespacedName)) {
        let gone = self.state.lock().objects.remove(key);
        if let Some(gone) = gone {
            trigger(&self.triggers, &gone.chain);
        }
    }
}

/// Asks the API server until it has answered, and now and then while a chain uses a Gateway.
async fn poll(discovery: Weak<ApiDiscovery>) {
    if let Some(discovery) = discovery.upgrade() {
        // An error is logged there, and the loop tries again.
        let _ = discovery.first_answer().await;
    }
    loop {
        let Some((wanted, pause)) = discovery
            .upgrade()
            .map(|it| (Arc::clone(&it.wanted), it.state.lock().pause()))
        else {
            return;
        };
        let elapsed = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = elapsed => {}
            // The pause may be shorter now.
            () = wanted.notified(), if pause != Some(RETRY_PAUSE) => continue,
        }
        let Some(discovery) = discovery.upgrade() else {
            return;
        };
        let _asking = discovery.asking.lock().await;
        // An error is logged there, and the next poll tries again.
        let _ = discovery.discover().await;
    }
}

/// Watches the objects of a kind that have a chain's label, while the cluster has that kind.
async fn watch(
    discovery: Weak<ApiDiscovery>,
    kind: GatewayResourceKind,
    client: Client,
    scope: Scope,
) {
    let api: Api<Metadata> = scope.api_of(&client, &kind.resource());
    let mut events = Box::pin(watcher(api, Config::default().labels(CHAIN_LABEL)));
    let mut relisted = BTreeSet::new();
    let mut failures = 0;
    while let Some(event) = events.next().await {
        let Some(discovery) = discovery.upgrade() else {
            return;
        };
        let error = match event {
            Ok(event) => {
                failures = 0;
                discovery.take((kind, &scope), event, &mut relisted);
                continue;
            }
            Err(error) => error,
        };
        {
            let mut state = discovery.state.lock();
            let is_served = state.served.as_ref().is_some_and(|it| it.contains(&kind));
            if !is_served {
                // The next discovery that finds the kind starts a new watch.
                state.watched.remove(&(kind, scope.clone()));
                state.objects.retain(|key, _| !is_in(key, kind, &scope));
                return;
            }
            state.watched.insert((kind, scope.clone()), false);
        }
        drop(discovery);
        failures += 1;
        // Logged once: without the right to watch it fails forever, and no chain may need it.
        if failures == 1 {
            tracing::warn!(%kind, ?scope, %error, "a watch has failed");
        }
        let is_quick = failures <= QUICK_RETRIES;
        tokio::time::sleep(if is_quick { RETRY_PAUSE } else { POLL_INTERVAL }).await;
    }
}
