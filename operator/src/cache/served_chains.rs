//! The chains that the operator serves, as their watches show them: which notifier's queue each uses.

use std::collections::BTreeMap;

use cloudtasks::QueuePath;
use futures::FutureExt;
use jiff::Timestamp;
use kube::Resource;
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::Event;
use plan::rules::notifier_limits::successors;
use plan::{Desired, KnownChain, NotifierUse, Settings};

use crate::chain::{Chain, Triggers, has_finalizer, name_of, trigger};
use crate::namespaces::Scope;

/// The chains that the operator serves.
pub struct ServedChains {
    settings: Settings,
    stores: Vec<(Scope, Store<Chain>)>,
    triggers: Triggers,
}

impl ServedChains {
    /// None yet: the writers take what the watch of each scope shows. Chains that are to be reconciled go
    /// to `triggers`.
    pub fn new(
        scopes: Vec<Scope>,
        settings: Settings,
        triggers: Triggers,
    ) -> (Self, Vec<Writer<Chain>>) {
        let stores = scopes.into_iter().map(|scope| {
            let (reader, writer) = reflector::store();
            ((scope, reader), writer)
        });
        let (stores, writers) = stores.unzip();
        let chains = Self {
            settings,
            stores,
            triggers,
        };
        (chains, writers)
    }

    /// What the watch of each scope shows.
    pub fn stores(&self) -> impl Iterator<Item = &(Scope, Store<Chain>)> {
        self.stores.iter()
    }

    /// What is known of a chain as it is written on a queue; `None` if it may exist and nothing is known
    /// of it: it is of another cluster, or of a namespace that isn't served, or its spec can't be used.
    pub fn marked(&self, mark: &str) -> Option<KnownChain> {
        let (namespace, name) = self.settings.owner_in_cluster(mark)?;
        let mut stores = self.stores.iter();
        let (_, store) = stores.find(|(scope, _)| scope.covers(namespace))?;
        // Before the first list is complete, a chain that isn't in it may exist.
        store.wait_until_ready().now_or_never()?.ok()?;
        let chain = store.get(&ObjectRef::new(name).within(namespace));
        match chain.filter(|chain| !is_over(chain)) {
            Some(chain) => Some(KnownChain::Exists(self.notifier_use(&chain)?)),
            None => Some(KnownChain::Gone),
        }
    }

    /// The chains that use a notifier's queue, as they are written on queues. One without our finalizer
    /// has never been served, and may never be: others must not wait for it.
    pub fn users(&self, queue: &QueuePath) -> BTreeMap<String, KnownChain> {
        // Cheap, and there may be thousands.
        let names_it = |chain: &Chain| {
            let parsed = chain.0.as_ref();
            parsed.is_ok_and(|chain| chain.spec.notifier.queue == queue.id.as_str())
        };
        let stores = self.stores.iter();
        let chains = stores.flat_map(|(_, store)| store.state_filter(names_it));
        let served = chains.filter(|chain| has_finalizer(chain.meta()));
        let users = served.filter_map(|chain| {
            let its = self.notifier_use(&chain)?;
            let (namespace, name) = name_of(&*chain);
            let mark = self.settings.queue_owner(&namespace, &name);
            (its.queue == *queue).then_some((mark, KnownChain::Exists(its)))
        });
        users.collect()
    }

    /// A watch shows a change, which its store doesn't have yet. If a chain no longer sets the limits of a
    /// notifier's queue, others may follow: nothing on the queue may tell them.
    pub fn changes(&self, event: &Event<Chain>) {
        let (chain, now) = match event {
            Event::Apply(now) => (now, Some(now).filter(|now| !is_over(now))),
            Event::Delete(gone) => (gone, None),
            Event::Init | Event::InitApply(_) | Event::InitDone => return,
        };
        let (namespace, name) = name_of(chain);
        let key = ObjectRef::new(&name).within(&namespace);
        let mut stores = self.stores.iter();
        let store = stores.find(|(scope, _)| scope.covers(&namespace));
        let Some(before) = store.and_then(|(_, store)| store.get(&key)) else {
            return;
        };
        let generation = |chain: &Chain| chain.meta().generation;
        if now.is_some_and(|now| generation(now) == generation(&before)) {
            return;
        }
        let Some(before) = self.notifier_use(&before) else {
            return;
        };
        let now = now.and_then(|now| self.notifier_use(now));
        let keeps = |now: NotifierUse| {
            now.queue == before.queue && (now.sets_limits || !before.sets_limits)
        };
        if now.is_some_and(keeps) {
            return;
        }
        let users = self.users(&before.queue);
        let former = self.settings.queue_owner(&namespace, &name);
        for mark in successors(&former, &before.queue, &users) {
            if let Some((namespace, name)) = self.settings.owner_in_cluster(mark) {
                trigger(&self.triggers, &(namespace.to_owned(), name.to_owned()));
            }
        }
    }

    /// How a chain uses its notifier's queue, if its spec says so.
    fn notifier_use(&self, chain: &Chain) -> Option<NotifierUse> {
        let parsed = chain.0.as_ref().ok()?;
        let notifier = Desired::new(parsed, &self.settings).ok()?.notifier;
        let metadata = &parsed.metadata;
        let created = metadata.creation_timestamp.as_ref();
        Some(NotifierUse {
            sets_limits: notifier.sets_limits(),
            queue: notifier.queue,
            is_deleted: metadata.deletion_timestamp.is_some(),
            created: created.map_or(Timestamp::MAX, |created| created.0),
        })
    }
}

/// Whether a chain is deleted and its policy is carried out: it only waits for other finalizers.
fn is_over(chain: &Chain) -> bool {
    chain.meta().deletion_timestamp.is_some() && !has_finalizer(chain.meta())
}

#[cfg(test)]
mod tests {
    use futures::channel::mpsc::{UnboundedReceiver, unbounded};
    use plan::Timing;
    use plan::objects::names::FINALIZER;
    use serde_json::{Value, json};

    use super::*;
    use crate::namespaces::Namespaces;

    fn settings() -> Settings {
        Settings {
            project: Some("demo".parse().unwrap()),
            location: Some("europe-west1".parse().unwrap()),
            worker_image: "executor-worker:test".into(),
            worker_template: crds::WorkerTemplate::default(),
            tenants: plan::Tenants::default(),
            cluster: "test".into(),
            cluster_domain: "cluster.local".into(),
            emulator_host: None,
            timing: Timing::default(),
        }
    }

    struct Watched {
        chains: ServedChains,
        writers: Vec<Writer<Chain>>,
        triggered: UnboundedReceiver<ObjectRef<Chain>>,
    }

    /// Of the namespaces shop and yard; the list of yard is not complete.
    fn watched() -> Watched {
        let scopes = Namespaces::of(&["shop".into(), "yard".into()]).scopes();
        let (triggers, triggered) = unbounded();
        let (chains, writers) = ServedChains::new(scopes, settings(), triggers);
        let mut watched = Watched {
            chains,
            writers,
            triggered,
        };
        watched.writers[0].apply_watcher_event(&Event::Init);
        watched.writers[0].apply_watcher_event(&Event::InitDone);
        watched
    }

    fn chain(name: &str, second: u8, notifier: &Value) -> Chain {
        serde_json::from_value(json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": "ExecutorChain",
            "metadata": {
                "name": name, "namespace": "shop", "generation": second,
                "creationTimestamp": format!("2026-01-01T00:00:0{second}Z"),
                "finalizers": [FINALIZER],
            },
            "spec": {
                "notifier": notifier,
                "template": {"spec": {"containers": [{"name": "handler", "image": "shop:1"}]}},
                "stages": [{"name": "fast", "queue": "incoming", "maxAttempts": 1}],
            },
        }))
        .unwrap()
    }

    fn notifier(queue: &str) -> Value {
        json!({"queue": queue, "url": "https://api.example.com/"})
    }

    fn with_limits(queue: &str) -> Value {
        let mut notifier = notifier(queue);
        notifier["rateLimits"] = json!({"maxDispatchesPerSecond": 5});
        notifier
    }

    impl Watched {
        fn shows(&mut self, event: &Event<Chain>) {
            self.chains.changes(event);
            self.writers[0].apply_watcher_event(event);
        }

        fn triggered(&mut self) -> Vec<String> {
            let triggered = std::iter::from_fn(|| self.triggered.try_recv().ok());
            triggered.map(|chain| chain.name).collect()
        }
    }

    #[test]
    fn a_chain_is_gone_only_if_its_namespace_is_served_and_listed() {
        let mut watched = watched();
        watched.shows(&Event::Apply(chain("orders", 1, &with_limits("notifier"))));
        // The API server admits what this version can't read.
        watched.shows(&Event::Apply(chain("newer", 2, &json!("notifier"))));
        let mut over = chain("over", 3, &notifier("notifier"));
        over.meta_mut().finalizers = None;
        over.meta_mut().name = Some("new".into());
        watched.shows(&Event::Apply(over.clone()));
        over.meta_mut().name = Some("over".into());
        over.meta_mut().deletion_timestamp = over.meta().creation_timestamp.clone();
        watched.shows(&Event::Apply(over.clone()));
        over.meta_mut().name = Some("ends".into());
        over.meta_mut().finalizers = Some(vec![FINALIZER.into()]);
        watched.shows(&Event::Apply(over));
        let known = |mark: &str| watched.chains.marked(mark);
        assert!(matches!(
            known("test/shop/orders"),
            Some(KnownChain::Exists(its)) if its.sets_limits
        ));
        assert!(matches!(
            known("test/shop/ends"),
            Some(KnownChain::Exists(its)) if its.is_deleted
        ));
        for mark in ["test/shop/parcels", "test/shop/over"] {
            assert_eq!(known(mark), Some(KnownChain::Gone), "{mark}");
        }
        for mark in [
            "test/shop/newer",
            "test/yard/orders",
            "test/hall/orders",
            "tes/shop/parcels",
            "other/shop/parcels",
            "shared",
        ] {
            assert_eq!(known(mark), None, "{mark}");
        }
        let queue = "projects/demo/locations/europe-west1/queues/notifier";
        let users = watched.chains.users(&queue.parse().unwrap());
        let users: Vec<&String> = users.keys().collect();
        assert_eq!(users, ["test/shop/ends", "test/shop/orders"]);
    }

    #[test]
    fn chains_that_may_follow_one_that_no_longer_sets_limits_are_reconciled() {
        let holder = |notifier: &Value| chain("holder", 1, notifier);
        let before = holder(&with_limits("notifier"));
        let edited = |second, notifier: &Value| {
            let mut edited = holder(notifier);
            edited.meta_mut().generation = Some(second);
            Event::Apply(edited)
        };
        let mut over = before.clone();
        over.meta_mut().finalizers = None;
        over.meta_mut().deletion_timestamp = over.meta().creation_timestamp.clone();
        let cases = vec![
            (Event::Delete(before.clone()), &["oldest", "limited"][..]),
            (Event::Apply(over), &["oldest", "limited"]),
            (edited(9, &with_limits("other")), &["oldest", "limited"]),
            (edited(9, &notifier("notifier")), &["oldest", "limited"]),
            (edited(9, &with_limits("notifier")), &[]),
            (edited(9, &json!("notifier")), &["oldest", "limited"]),
            // Its status.
            (Event::Apply(before.clone()), &[]),
        ];
        for (event, followed) in cases {
            let mut watched = watched();
            let mut never_served = chain("first", 1, &with_limits("notifier"));
            never_served.meta_mut().finalizers = None;
            watched.shows(&Event::Apply(never_served));
            for (name, second, notifier) in [
                ("newer", 4, notifier("notifier")),
                ("limited", 3, with_limits("notifier")),
                ("oldest", 2, notifier("notifier")),
                ("apart", 1, with_limits("apart")),
            ] {
                watched.shows(&Event::Apply(chain(name, second, &notifier)));
            }
            watched.shows(&Event::Apply(before.clone()));
            assert_eq!(watched.triggered(), [""; 0]);
            watched.shows(&event);
            let mut triggered = watched.triggered();
            triggered.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(triggered, followed, "{event:?}");
        }
    }
}
