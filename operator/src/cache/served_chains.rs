//! The chains that the operator serves, as their watches show them: which notifier's queue each uses.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cloudtasks::QueuePath;
use crds::ExecutorChain;
use futures::FutureExt;
use kube::{Resource, ResourceExt};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::Event;
use parking_lot::Mutex;
use plan::rules::notifier_limits::{gives_way, successors};
use plan::{KnownChain, NotifierUse, Problem, Settings, SpecState};

use crate::chain::{Chain, NamespacedName, Triggers, has_finalizer, name_of, trigger};
use crate::namespaces::Scope;

/// The chains that the operator serves.
pub struct ServedChains {
    settings: Settings,
    stores: Vec<(Scope, Store<Chain>)>,
    triggers: Triggers,
    last: Mutex<HashMap<NamespacedName, LastReconcile>>,
}

/// How the last reconcile of a chain has ended that says something of its spec.
#[derive(Debug)]
struct LastReconcile {
    uid: Option<String>,
    generation: Option<i64>,
    ended: SpecState,
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
            last: Mutex::default(),
        };
        (chains, writers)
    }

    /// What the watch of each scope shows.
    pub fn stores(&self) -> impl Iterator<Item = &(Scope, Store<Chain>)> {
        self.stores.iter()
    }

    /// The chains that exist, those that can't be parsed included; `None` before the first list.
    pub fn listed(&self) -> Option<Vec<Arc<Chain>>> {
        let stores = self.stores.iter().map(|(_, store)| store);
        // Rights may be missing in one of several namespaces.
        let listed = stores.filter(|store| is_listed(store));
        let mut listed = listed.peekable();
        listed.peek()?;
        let exists = |chain: &Chain| !is_over(chain);
        Some(
            listed
                .flat_map(|store| store.state_filter(exists))
                .collect(),
        )
    }

    /// A chain that exists and can be parsed.
    pub fn get(&self, (namespace, name): &NamespacedName) -> Option<ExecutorChain> {
        let mut stores = self.stores.iter();
        let (_, store) = stores.find(|(scope, _)| scope.covers(namespace))?;
        let chain = store.get(&ObjectRef::new(name).within(namespace))?;
        chain.parsed().ok()
    }

    /// Whether a chain of this name doesn't exist, and would be served.
    pub fn is_free(&self, (namespace, name): &NamespacedName) -> bool {
        let mut stores = self.stores.iter();
        let store = stores.find(|(scope, _)| scope.covers(namespace));
        store.is_some_and(|(_, store)| {
            is_listed(store) && store.get(&ObjectRef::new(name).within(namespace)).is_none()
        })
    }

    /// The namespaces without a complete first list: rights may be missing there.
    pub fn unlisted(&self) -> Vec<String> {
        let stores = self.stores.iter();
        let unlisted = stores.filter(|(_, store)| !is_listed(store));
        let namespaces = unlisted.filter_map(|(scope, _)| scope.namespace());
        namespaces.map(str::to_owned).collect()
    }

    /// What is known of a chain as it is written on a queue; `None` if it may exist and nothing is known
    /// of it: it is of another cluster, or of a namespace that isn't served, or it can't be parsed.
    pub fn marked(&self, mark: &str) -> Option<KnownChain> {
        let (namespace, name) = self.settings.owner_in_cluster(mark)?;
        let mut stores = self.stores.iter();
        let (_, store) = stores.find(|(scope, _)| scope.covers(namespace))?;
        if !is_listed(store) {
            // A chain that isn't in it may exist.
            return None;
        }
        let chain = store.get(&ObjectRef::new(name).within(namespace));
        let Some(chain) = chain.filter(|chain| !is_over(chain)) else {
            return Some(KnownChain::Gone);
        };
        let its = self.notifier_use(&chain)?;
        if its.spec == SpecState::Refused && !has_finalizer(chain.meta()) {
            // This one was never served, so another one had its name before.
            return Some(KnownChain::Gone);
        }
        Some(KnownChain::Exists(its))
    }

    /// The chains that use a notifier's queue, as they are written on queues. One without our finalizer
    /// has never been served, and may never be: others must not wait for it.
    pub fn users(&self, queue: &QueuePath) -> BTreeMap<String, KnownChain> {
        // Cheap, and there may be thousands.
        let names_it = |chain: &Chain| {
            let notifier = chain.notifier();
            notifier.is_some_and(|notifier| notifier.queue == queue.id.as_str())
                && has_finalizer(chain.meta())
        };
        let stores = self.stores.iter();
        let chains = stores.flat_map(|(_, store)| store.state_filter(names_it));
        let users = chains.filter_map(|chain| {
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
        let before = self.notifier_use(&before);
        let now = now.and_then(|now| self.notifier_use(now));
        self.let_others_follow(&(namespace, name), before, now.as_ref());
    }

    /// A reconcile of a chain has ended, by this failure if it failed. If the chain can't be served with its present
    /// spec, others need not wait for it.
    pub fn reconciled(&self, chain: &Chain, failure: Option<&Problem>) {
        let ended = SpecState::after(failure);
        if ended == SpecState::New {
            return;
        }
        let before = self.notifier_use(chain);
        let last = LastReconcile {
            uid: chain.uid(),
            generation: chain.meta().generation,
            ended,
        };
        self.last.lock().insert(name_of(chain), last);
        let now = self.notifier_use(chain);
        self.let_others_follow(&name_of(chain), before, now.as_ref());
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.last.lock().remove(&name);
    }

    /// Has those reconciled that may set the limits of a chain's queue, now that it has changed.
    fn let_others_follow(
        &self,
        (namespace, name): &NamespacedName,
        before: Option<NotifierUse>,
        now: Option<&NotifierUse>,
    ) {
        let Some(before) = before.filter(|before| gives_way(before, now)) else {
            return;
        };
        let users = self.users(&before.queue);
        let former = self.settings.queue_owner(namespace, name);
        for mark in successors(&former, &before.queue, &users) {
            if let Some((namespace, name)) = self.settings.owner_in_cluster(mark) {
                trigger(&self.triggers, &(namespace.to_owned(), name.to_owned()));
            }
        }
    }

    /// How a chain uses its notifier's queue, if its spec says so.
    fn notifier_use(&self, chain: &Chain) -> Option<NotifierUse> {
        let fields = chain.notifier()?;
        NotifierUse::new(chain.meta(), fields, self.spec_state(chain), &self.settings)
    }

    /// What the operator has made of a chain's spec.
    fn spec_state(&self, chain: &Chain) -> SpecState {
        let last = self.last.lock();
        let last = last.get(&name_of(chain));
        let is_of = |last: &&LastReconcile| {
            last.generation == chain.meta().generation && last.uid == chain.uid()
        };
        last.filter(is_of).map_or(SpecState::New, |last| last.ended)
    }
}

/// Whether the first list is complete.
fn is_listed(store: &Store<Chain>) -> bool {
    let ready = store.wait_until_ready().now_or_never();
    ready.is_some_and(|ready| ready.is_ok())
}

/// Whether a chain is deleted and its policy is carried out: it only waits for other finalizers.
fn is_over(chain: &Chain) -> bool {
    chain.meta().deletion_timestamp.is_some() && !has_finalizer(chain.meta())
}

#[cfg(test)]
mod tests {
    use crds::conditions::Reason;
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
    fn a_namespace_without_a_complete_list_is_named() {
        let mut watched = watched();
        watched.shows(&Event::Apply(chain("orders", 1, &notifier("notifier"))));
        assert_eq!(watched.chains.listed().unwrap().len(), 1);
        assert_eq!(watched.chains.unlisted(), ["yard"]);
        watched.writers[1].apply_watcher_event(&Event::Init);
        watched.writers[1].apply_watcher_event(&Event::InitDone);
        assert_eq!(watched.chains.unlisted(), [""; 0]);
    }

    #[test]
    fn a_chain_is_gone_only_if_its_namespace_is_served_and_listed() {
        let mut watched = watched();
        watched.shows(&Event::Apply(chain("orders", 1, &with_limits("notifier"))));
        // The API server admits what this version can't read.
        watched.shows(&Event::Apply(chain("newer", 2, &json!("notifier"))));
        // No worker can call this, but where its notifications go is clear.
        let mut beyond = with_limits("notifier");
        beyond["url"] = json!("/nowhere");
        watched.shows(&Event::Apply(chain("beyond", 4, &beyond)));
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
            known("test/shop/beyond"),
            Some(KnownChain::Exists(its)) if its.queue.id.as_str() == "notifier"
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
        assert_eq!(
            users,
            ["test/shop/beyond", "test/shop/ends", "test/shop/orders"]
        );
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

    #[test]
    fn others_follow_a_chain_that_is_refused_until_its_next_edit() {
        let mut watched = watched();
        for (name, second) in [("older", 1), ("next", 2), ("last", 3)] {
            let chain = chain(name, second, &with_limits("notifier"));
            watched.shows(&Event::Apply(chain));
        }
        let mut older = chain("older", 1, &with_limits("notifier"));
        let problem = |reason| Problem::new(reason, "");
        let reconciled = |watched: &mut Watched, older: &Chain, reason: Option<Reason>| {
            let failure = reason.map(problem);
            watched.chains.reconciled(older, failure.as_ref());
            watched.triggered()
        };
        let spec = |watched: &Watched| match watched.chains.marked("test/shop/older") {
            Some(KnownChain::Exists(its)) => its.spec,
            other => panic!("{other:?}"),
        };
        assert_eq!(spec(&watched), SpecState::New);
        for (reason, triggered, state) in [
            (Some(Reason::CloudTasksAway), &[][..], SpecState::New),
            (Some(Reason::NotAllowed), &["next"], SpecState::Refused),
            (Some(Reason::NameTaken), &[], SpecState::Refused),
            (Some(Reason::QuotaExceeded), &[], SpecState::Refused),
            (None, &[], SpecState::Served),
            (Some(Reason::NameTaken), &["next"], SpecState::Refused),
        ] {
            assert_eq!(
                reconciled(&mut watched, &older, reason),
                triggered,
                "{reason:?}"
            );
            assert_eq!(spec(&watched), state, "{reason:?}");
        }
        // An edit may be served, and so may another chain of that name.
        let mut edited = older.clone();
        edited.meta_mut().generation = Some(2);
        older.meta_mut().uid = Some("another".into());
        for new in [edited, older] {
            watched.shows(&Event::Apply(new.clone()));
            assert_eq!(spec(&watched), SpecState::New);
            reconciled(&mut watched, &new, None);
        }
        watched.chains.forget("shop", "older");
        assert_eq!(spec(&watched), SpecState::New);
    }

    #[test]
    fn a_chain_that_was_refused_when_it_was_created_is_not_the_former_one_of_its_name() {
        let mut watched = watched();
        let mut again = chain("again", 1, &with_limits("notifier"));
        again.meta_mut().finalizers = None;
        watched.shows(&Event::Apply(again.clone()));
        let marked = |watched: &Watched| watched.chains.marked("test/shop/again");
        assert!(matches!(marked(&watched), Some(KnownChain::Exists(_))));
        let refused = Problem::new(Reason::NotAllowed, "");
        watched.chains.reconciled(&again, Some(&refused));
        assert_eq!(marked(&watched), Some(KnownChain::Gone));
    }
}
