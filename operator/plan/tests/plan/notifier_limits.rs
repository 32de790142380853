//! Chains of several namespaces that share notifier's queues: who sets the limits of each.

use std::collections::BTreeMap;

use crate::golden::{sentence, with_field};
use crate::invariants::assert_has;
use crate::world::{apply, apply_step, default_queue, desired, queue_path, settle, status};
use cloudtasks::{HttpTarget, Queue, QueueSettings};
use crds::{DeletionPolicy, ExecutorChainStatus};
use jiff::Timestamp;
use plan::invariants::broken;
use plan::model::queue_headers::limits_holder;
use plan::{
    ChainView, Deletion, Desired, KnownChain, LocationQueues, NotifierUse, Observed, Plan,
    SpecState, Step, drifts, plan, plan_deletion,
};
use proptest::prelude::*;

/// The cluster of the chains.
const CLUSTER: &str = "cluster-a/";

/// Chains by namespace and name, and the queues that they share.
#[derive(Default)]
struct Shared {
    /// How many edits there were.
    born: i64,
    queues: LocationQueues,
    chains: BTreeMap<&'static str, Chain>,
}

struct Chain {
    yaml: String,
    created: Timestamp,
    spec: SpecState,
    observed: Observed,
}

/// The orders under another name, with a notifier of this queue and these limits.
fn manifest(chain: &str, queue: &str, limits: &str) -> String {
    let (namespace, name) = chain.split_once('/').unwrap();
    let limits = match limits {
        "" => String::new(),
        limits => format!(", rateLimits: {{{limits}}}"),
    };
    with_field("driftPolicy: Enforce")
        .replace(
            "name: orders, namespace: shop",
            &format!("name: {name}, namespace: {namespace}"),
        )
        .replace("uid: 1f0c", &format!("uid: {namespace}-{name}"))
        .replace("queue: incoming", &format!("queue: {namespace}-{name}"))
        .replace("orders-notifier", queue)
        .replace("task-events'}", &format!("task-events'{limits}}}"))
}

impl Shared {
    /// Applies a chain, without a reconcile.
    fn edit(&mut self, chain: &'static str, queue: &str, limits: &str) {
        let born = self.born;
        let known = self.chains.entry(chain).or_insert_with(|| Chain {
            yaml: String::new(),
            created: Timestamp::from_second(born).unwrap(),
            spec: SpecState::New,
            observed: Observed::default(),
        });
        self.born += 1;
        known.yaml = manifest(chain, queue, limits);
        known.spec = SpecState::New;
        known.observed.was_in_force = false;
    }

    /// Applies a chain, which is refused.
    fn refuse(&mut self, chain: &'static str, queue: &str, limits: &str) {
        self.edit(chain, queue, limits);
        self.chains.get_mut(chain).unwrap().spec = SpecState::Refused;
    }

    /// Applies a chain, and reconciles it until nothing is left to do.
    fn apply(&mut self, chain: &'static str, queue: &str, limits: &str) {
        self.edit(chain, queue, limits);
        self.settle(chain);
    }

    /// What a chain's reconcile observes.
    fn observed(&self, chain: &str) -> (Desired, Observed) {
        let mut observed = self.chains[chain].observed.clone();
        observed.queues.clone_from(&self.queues);
        let marks = self.queues.values().filter_map(limits_holder);
        let marks = marks.filter(|mark| mark.starts_with(CLUSTER));
        let gone = marks.map(|mark| (mark.to_owned(), KnownChain::Gone));
        let exist = self.chains.iter().map(|(name, chain)| {
            let notifier = desired(&chain.yaml).notifier;
            let its = NotifierUse {
                sets_limits: notifier.sets_limits(),
                queue: notifier.queue,
                is_deleted: false,
                created: chain.created,
                spec: chain.spec,
            };
            (format!("{CLUSTER}{name}"), KnownChain::Exists(its))
        });
        observed.chains = gone.chain(exist).collect();
        (desired(&self.chains[chain].yaml), observed)
    }

    fn took(&mut self, chain: &str, observed: Observed) {
        self.queues.clone_from(&observed.queues);
        self.chains.get_mut(chain).unwrap().observed = observed;
    }

    fn is_refused(&self, chain: &str) -> bool {
        self.chains[chain].spec == SpecState::Refused
    }

    /// A chain's reconcile has ended without a failure.
    fn is_served(&mut self, chain: &str) {
        self.chains.get_mut(chain).unwrap().spec = SpecState::Served;
    }

    /// Reconciles a chain until nothing is left to do.
    fn settle(&mut self, chain: &str) {
        let (desired, mut observed) = self.observed(chain);
        settle(&mut observed, &desired);
        observed.was_in_force = self.says(chain) == "AsSpecified: every queue is as the spec says";
        self.took(chain, observed);
        self.is_served(chain);
    }

    /// What a chain's reconcile plans.
    fn plan(&self, chain: &str) -> Plan {
        let (desired, observed) = self.observed(chain);
        plan(ChainView::new(&desired, &observed)).unwrap()
    }

    /// Deletes a chain by a policy.
    fn delete(&mut self, chain: &str, policy: DeletionPolicy) {
        let (desired, mut observed) = self.observed(chain);
        if policy == DeletionPolicy::Orphan {
            // As the operator observes it.
            observed.queues = LocationQueues::default();
        }
        let owner = desired.owner.as_ref();
        let deletion = Deletion::ByPolicy(policy);
        let plan = plan_deletion(deletion, &desired.queue_owner, owner, &observed);
        apply(&mut observed, &plan);
        self.chains.remove(chain);
        if policy != DeletionPolicy::Orphan {
            self.queues = observed.queues;
        }
    }

    /// A chain's finalizer is removed, and nothing else is done.
    fn vanish(&mut self, chain: &str) {
        self.chains.remove(chain);
    }

    /// A rate is set outside the operator.
    fn meddle(&mut self, id: &str, rate: f64) {
        let path = queue_path(id);
        if !self.queues.contains_key(&path) {
            self.queues.insert(default_queue(path.clone()));
        }
        let queue = self.queues.get_mut(&path).unwrap();
        queue.max_dispatches_per_second = rate;
    }

    /// A queue gets a mark outside these chains.
    fn mark(&mut self, id: &str, mark: &str) {
        let queue = self.queues.get_mut(&queue_path(id)).unwrap();
        let target = queue.http_target.get_or_insert_default();
        let mark = mark.to_owned();
        target.headers.insert("executor-notifier".to_owned(), mark);
    }

    fn queue(&self, id: &str) -> &Queue {
        self.queues.get(&queue_path(id)).unwrap()
    }

    /// A queue's rate, its concurrency, and whose mark it has.
    #[track_caller]
    fn has(&self, id: &str, rate: f64, concurrent: i32, mark: &str) {
        let queue = self.queue(id);
        let headers = &queue.http_target.as_ref().unwrap().headers;
        let found = headers["executor-notifier"].as_str();
        assert_eq!(found.strip_prefix(CLUSTER).unwrap_or(found), mark);
        let rate_found = queue.max_dispatches_per_second;
        assert!((rate_found - rate).abs() < f64::EPSILON, "{queue:?}");
        assert_eq!(queue.max_concurrent_dispatches, concurrent);
    }

    /// What a chain says of its queues.
    fn says(&self, chain: &str) -> String {
        let (desired, observed) = self.observed(chain);
        let status = status(&ExecutorChainStatus::default(), &desired, &observed);
        sentence(&status, "QueuesReady")
    }
}

const RATE: &str = "maxDispatchesPerSecond: 5";
const THROTTLE: &str = "maxDispatchesPerSecond: 0.001";

#[test]
fn a_chain_that_comes_later_sets_no_limits_though_the_first_sets_none() {
    let mut shared = Shared::default();
    shared.apply("shop/a", "notifier", "");
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.has("notifier", 500.0, 1000, "shop/a");
}

#[test]
fn the_limits_of_a_deleted_chain_go_when_the_next_one_follows() {
    for policy in [
        DeletionPolicy::Retain,
        DeletionPolicy::Drain,
        DeletionPolicy::Delete,
        DeletionPolicy::Orphan,
    ] {
        for (limits, rate) in [("", 500.0), (RATE, 5.0)] {
            let mut shared = Shared::default();
            shared.apply("yard/b", "notifier", THROTTLE);
            shared.apply("shop/a", "notifier", limits);
            shared.has("notifier", 0.001, 1000, "yard/b");
            shared.delete("yard/b", policy);
            shared.settle("shop/a");
            shared.has("notifier", rate, 1000, "shop/a");
        }
    }
}

#[test]
fn a_chain_that_moves_to_another_queue_releases_its_former_one() {
    for (limits, rate) in [("", 500.0), (RATE, 5.0)] {
        let mut shared = Shared::default();
        shared.apply("yard/b", "notifier", THROTTLE);
        shared.apply("shop/a", "notifier", limits);
        shared.apply("yard/b", "other", THROTTLE);
        shared.has("notifier", 0.001, 1000, "shared");
        shared.has("other", 0.001, 1000, "yard/b");
        shared.settle("shop/a");
        shared.has("notifier", rate, 1000, "shop/a");
    }
}

#[test]
fn a_chain_whose_deletion_gave_up_sets_limits_no_more() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.edit("shop/c", "notifier", "");
    shared.apply("shop/a", "notifier", RATE);
    shared.vanish("yard/b");
    // The oldest follows.
    shared.settle("shop/a");
    shared.has("notifier", 0.001, 1000, "yard/b");
    shared.settle("shop/c");
    shared.has("notifier", 500.0, 1000, "shop/c");
}

#[test]
fn a_chain_that_moved_and_could_not_release_its_queue_sets_limits_no_more() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.apply("shop/a", "notifier", RATE);
    shared.edit("yard/b", "other", THROTTLE);
    shared.settle("shop/a");
    shared.has("notifier", 0.001, 1000, "yard/b");
    shared.is_served("yard/b");
    shared.settle("shop/a");
    shared.has("notifier", 5.0, 1000, "shop/a");
}

#[test]
fn a_chain_that_is_refused_keeps_no_other_from_setting_limits() {
    // The mark was removed, replaced, or is of a chain that is gone.
    for mark in [None, Some("shared"), Some("cluster-a/yard/gone")] {
        let mut shared = Shared::default();
        shared.apply("yard/b", "other", THROTTLE);
        shared.meddle("notifier", 77.0);
        if let Some(mark) = mark {
            shared.mark("notifier", mark);
        }
        // The older one, until it is known that it is refused.
        shared.edit("yard/b", "notifier", THROTTLE);
        shared.edit("shop/a", "notifier", RATE);
        shared.settle("shop/a");
        shared.refuse("yard/b", "notifier", THROTTLE);
        shared.settle("shop/a");
        shared.has("notifier", 5.0, 1000, "shop/a");
        // It comes too late when it is no longer refused.
        shared.settle("yard/b");
        shared.has("notifier", 5.0, 1000, "shop/a");
        shared.has("other", 0.001, 1000, "shared");
    }
}

#[test]
fn an_edit_that_is_refused_leaves_no_limits_to_others() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.apply("shop/a", "notifier", RATE);
    shared.refuse("yard/b", "other", "");
    shared.settle("shop/a");
    shared.has("notifier", 0.001, 1000, "yard/b");
    assert!(shared.says("shop/a").contains("cluster-a/yard/b"));
    // Nor does it set any where it isn't yet.
    shared.apply("hall/c", "other", "");
    shared.has("other", 500.0, 1000, "hall/c");
    shared.settle("yard/b");
    shared.has("notifier", 0.001, 1000, "shared");
    shared.settle("shop/a");
    shared.has("notifier", 5.0, 1000, "shop/a");
}

#[test]
fn limits_that_were_set_outside_the_operator_stay() {
    // Before any chain uses the queue, and under the mark of an older operator.
    for mark in [None, Some("shared")] {
        let mut shared = Shared::default();
        shared.meddle("notifier", 77.0);
        if let Some(mark) = mark {
            shared.mark("notifier", mark);
        }
        shared.apply("shop/a", "notifier", "");
        shared.has("notifier", 77.0, 1000, "shop/a");
        // While a chain without limits of its own uses it, and when another one follows.
        shared.meddle("notifier", 78.0);
        shared.settle("shop/a");
        shared.has("notifier", 78.0, 1000, "shop/a");
        shared.delete("shop/a", DeletionPolicy::Retain);
        shared.apply("yard/b", "notifier", "maxConcurrentDispatches: 7");
        shared.has("notifier", 78.0, 7, "yard/b");
        // After it was released: the concurrency is what the chain has left.
        shared.delete("yard/b", DeletionPolicy::Retain);
        shared.has("notifier", 78.0, 7, "shared");
        shared.meddle("notifier", 79.0);
        shared.apply("shop/a", "notifier", "");
        shared.has("notifier", 79.0, 1000, "shop/a");
    }
}

#[test]
fn a_limit_that_its_chain_no_longer_sets_goes_with_the_chain() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.apply("yard/b", "notifier", "maxConcurrentDispatches: 7");
    shared.apply("yard/b", "notifier", "");
    shared.has("notifier", 0.001, 7, "yard/b");
    shared.vanish("yard/b");
    shared.apply("shop/a", "notifier", "");
    shared.has("notifier", 500.0, 1000, "shop/a");
    let headers = &shared
        .queue("notifier")
        .http_target
        .as_ref()
        .unwrap()
        .headers;
    assert!(!headers.contains_key("executor-notifier-limits"));
}

#[test]
fn a_chain_of_the_same_namespace_sets_the_limits_that_the_first_leaves_out() {
    let mut shared = Shared::default();
    shared.apply("shop/a", "notifier", "");
    shared.apply("shop/b", "notifier", RATE);
    shared.has("notifier", 5.0, 1000, "shop/b");
    for chain in ["shop/a", "shop/b"] {
        assert!(shared.plan(chain).is_empty());
    }
    // Not those that the first sets.
    shared.apply("shop/a", "notifier", "maxDispatchesPerSecond: 9");
    shared.has("notifier", 5.0, 1000, "shop/b");
    // A namespace's name that begins with the other's is another one.
    let mut shared = Shared::default();
    shared.apply("shop/a", "notifier", "");
    shared.apply("shop-2/b", "notifier", RATE);
    shared.has("notifier", 500.0, 1000, "shop/a");
}

#[test]
fn a_mark_of_a_chain_that_is_not_known_counts() {
    let mut shared = Shared::default();
    shared.apply("shop/a", "notifier", RATE);
    shared.mark("notifier", "cluster-b/yard/b");
    shared.meddle("notifier", 0.5);
    assert!(shared.plan("shop/a").is_empty());
    insta::assert_snapshot!(shared.says("shop/a"));
}

#[test]
fn a_chain_whose_limits_are_not_in_force_says_who_sets_them() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", "");
    shared.apply("shop/a", "notifier", RATE);
    insta::assert_snapshot!(shared.says("shop/a"));
    assert_eq!(
        shared.says("yard/b"),
        "AsSpecified: every queue is as the spec says"
    );
    // Before the next one follows, it is named.
    shared.apply("shop/c", "notifier", "");
    shared.apply("shop/d", "notifier", RATE);
    shared.vanish("shop/a");
    shared.vanish("yard/b");
    assert!(shared.says("shop/d").contains("cluster-a/shop/c"));
    assert_eq!(shared.says("shop/c").split(':').next(), Some("Progressing"));
}

#[test]
fn what_a_former_holder_leaves_is_no_drift() {
    for (limits, rate) in [("", 500.0), (RATE, 5.0)] {
        let mut shared = Shared::default();
        shared.apply("yard/b", "notifier", THROTTLE);
        shared.edit("shop/a", "notifier", limits);
        let known = shared.chains.get_mut("shop/a").unwrap();
        known.yaml = known
            .yaml
            .replace("driftPolicy: Enforce", "driftPolicy: Report");
        shared.settle("shop/a");
        // As its status says that set no limits.
        let known = shared.chains.get_mut("shop/a").unwrap();
        known.observed.was_in_force = true;
        shared.vanish("yard/b");
        let (desired, mut observed) = shared.observed("shop/a");
        let view = ChainView::new(&desired, &observed);
        assert_eq!(drifts(view), []);
        // And driftPolicy doesn't keep it.
        let follows = plan(view).unwrap();
        apply(&mut observed, &follows);
        shared.took("shop/a", observed);
        shared.has("notifier", rate, 1000, "shop/a");
    }
}

#[test]
fn an_update_of_limits_that_another_chain_sets_is_caught() {
    let mut shared = Shared::default();
    shared.apply("yard/b", "notifier", THROTTLE);
    shared.apply("shop/a", "notifier", RATE);
    let used = shared.observed("shop/a");
    // Or would use another queue, if it weren't refused.
    shared.refuse("yard/b", "other", THROTTLE);
    let left = shared.observed("shop/a");
    let update = |(desired, observed): &(Desired, Observed), settings: QueueSettings| {
        let mut faulty = Plan::default();
        faulty.steps.push(plan::model::Planned {
            step: Step::UpdateQueue {
                queue: queue_path("notifier"),
                settings: Box::new(settings),
            },
            reason: "a fault",
        });
        broken(ChainView::new(desired, observed), &faulty)
    };
    let limits = QueueSettings {
        max_dispatches_per_second: Some(5.0),
        ..QueueSettings::default()
    };
    let mark = QueueSettings {
        http_target: Some(HttpTarget::default()),
        ..QueueSettings::default()
    };
    for settings in [limits, mark] {
        for seen in [&used, &left] {
            let broken = update(seen, settings.clone());
            assert_has(&broken, "another chain sets its limits");
        }
    }
}

/// What happens to chains that share notifier's queues.
#[derive(Debug, Clone)]
enum Event {
    /// A user applies a chain: its queue, and whether it sets limits.
    Edit(usize, usize, bool),
    /// The same, and the edit is refused.
    Refuse(usize, usize, bool),
    /// A chain is deleted by a policy.
    Delete(usize, DeletionPolicy),
    /// A chain's finalizer is removed.
    Vanish(usize),
    /// The operator plans for a chain, and dies after so many steps.
    Steps(usize, usize),
    /// A user sets a rate in the console.
    Meddle(usize),
}

const CHAINS: [&str; 4] = ["shop/a", "shop/b", "yard/a", "yard/b"];
const QUEUES: [&str; 2] = ["notifier", "other"];
const BY_HAND: f64 = 77.0;

/// The rate that a chain sets.
fn rate_of(chain: usize) -> f64 {
    [10.0, 20.0, 30.0, 40.0][chain]
}

fn event() -> impl Strategy<Value = Event> {
    let chain = || 0..CHAINS.len();
    let policy = prop_oneof![
        Just(DeletionPolicy::Retain),
        Just(DeletionPolicy::Delete),
        Just(DeletionPolicy::Orphan)
    ];
    prop_oneof![
        4 => (chain(), 0..QUEUES.len(), any::<bool>())
            .prop_map(|(chain, queue, sets)| Event::Edit(chain, queue, sets)),
        1 => (chain(), 0..QUEUES.len(), any::<bool>())
            .prop_map(|(chain, queue, sets)| Event::Refuse(chain, queue, sets)),
        1 => (chain(), policy).prop_map(|(chain, policy)| Event::Delete(chain, policy)),
        1 => chain().prop_map(Event::Vanish),
        6 => (chain(), 0..20_usize).prop_map(|(chain, steps)| Event::Steps(chain, steps)),
        1 => (0..QUEUES.len()).prop_map(Event::Meddle),
    ]
}

fn happen(shared: &mut Shared, event: &Event) {
    let exists = |chain: usize| shared.chains.contains_key(CHAINS[chain]);
    let limits = |chain: usize, sets: bool| {
        let limits = format!("maxDispatchesPerSecond: {}", rate_of(chain));
        if sets { limits } else { String::new() }
    };
    match *event {
        Event::Edit(chain, queue, sets) => {
            shared.edit(CHAINS[chain], QUEUES[queue], &limits(chain, sets));
        }
        // A chain that was never served has no finalizer, and isn't observed.
        Event::Refuse(chain, queue, sets) if exists(chain) => {
            shared.refuse(CHAINS[chain], QUEUES[queue], &limits(chain, sets));
        }
        Event::Delete(chain, policy) if exists(chain) => shared.delete(CHAINS[chain], policy),
        Event::Vanish(chain) => shared.vanish(CHAINS[chain]),
        Event::Steps(chain, steps) if exists(chain) && !shared.is_refused(CHAINS[chain]) => {
            let plan = shared.plan(CHAINS[chain]);
            let (_, mut observed) = shared.observed(CHAINS[chain]);
            for planned in plan.steps.iter().take(steps) {
                apply_step(&mut observed, &planned.step);
            }
            shared.took(CHAINS[chain], observed);
            if steps >= plan.steps.len() {
                shared.is_served(CHAINS[chain]);
            }
        }
        Event::Meddle(queue) => shared.meddle(QUEUES[queue], BY_HAND),
        Event::Delete(..) | Event::Refuse(..) | Event::Steps(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Every plan on the way is also checked by [`plan::invariants`].
    #[test]
    fn one_chain_sets_the_limits_of_each_notifiers_queue_and_nobody_else(
        events in proptest::collection::vec(event(), 1..30),
    ) {
        let mut shared = Shared::default();
        for event in &events {
            happen(&mut shared, event);
        }
        // So that each sees what the others have done last.
        let chains = shared.chains.keys().copied();
        let (refused, chains): (Vec<&str>, Vec<&str>) =
            chains.partition(|chain| shared.is_refused(chain));
        for _ in 0..3 {
            for chain in &chains {
                shared.settle(chain);
            }
        }
        for chain in &chains {
            prop_assert!(shared.plan(chain).is_empty(), "{} undoes another's change", chain);
        }
        for queue in QUEUES.map(queue_path) {
            let users = chains.iter().map(|name| {
                (*name, desired(&shared.chains[name].yaml).notifier)
            });
            let users: BTreeMap<&str, _> = users.filter(|(_, it)| it.queue == queue).collect();
            if users.is_empty() {
                continue;
            }
            let found = shared.queues.get(&queue).unwrap();
            let mark = limits_holder(found).and_then(|mark| mark.strip_prefix(CLUSTER));
            if mark.is_some_and(|mark| refused.contains(&mark)) {
                continue;
            }
            let holder = mark.and_then(|mark| Some((mark, users.get(mark)?)));
            prop_assert!(holder.is_some(), "{:?} is the mark, and {:?} use it", mark, users);
            let (holder, its) = holder.unwrap();
            let rate = found.max_dispatches_per_second;
            let is = |wanted: f64| (rate - wanted).abs() < f64::EPSILON;
            let index = CHAINS.iter().position(|chain| *chain == holder).unwrap();
            let is_right = if its.sets_limits() {
                is(rate_of(index))
            } else {
                // Or what it has set before itself.
                is(500.0) || is(BY_HAND) || is(rate_of(index))
            };
            prop_assert!(is_right, "{} holds {:?}", holder, found);
            let namespace = |chain: &str| chain.split_once('/').unwrap().0.to_owned();
            let mut same = users.iter().filter(|(name, _)| namespace(name) == namespace(holder));
            prop_assert!(its.sets_limits() || !same.any(|(_, its)| its.sets_limits()));
        }
    }
}
