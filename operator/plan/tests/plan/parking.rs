//! The parking queue: always paused, known to workers only then, and never deleted but with its chain.

use cloudtasks::{QueuePath, QueueState};
use crds::conditions::Reason;
use crds::{DeletionPolicy, ExecutorChainStatus};
use plan::invariants::{broken, broken_deletion};
use plan::model::queue_headers::{OWNER_HEADER, PARKING_HEADER, is_parking};
use plan::model::{Planned, Step};
use plan::objects::queue_settings::settings_hash;
use plan::objects::worker_env::variable;
use plan::{
    ChainView, Deletion, Freshness, Observed, ParkedCount, Plan, drifts, has_finished,
    plan_deletion,
};

use crate::golden::{add_field, with_field};
use crate::invariants::assert_has;
use crate::world::{
    ORDERS, Transcript, apply, apply_step, default_queue, desired, pass, planned, queue_mut,
    queue_path, settle, settled, status,
};

fn parking() -> String {
    with_field("parking: {queue: orders-parked}")
}

fn other_parking() -> String {
    with_field("parking: {queue: orders-parked-2}")
}

fn view<'a>(desired: &'a plan::Desired, observed: &'a Observed) -> ChainView<'a> {
    ChainView::new(desired, observed)
}

/// All plans until nothing is left to do.
fn edit(observed: &mut Observed, to: &str) -> String {
    let plans = settle(observed, &desired(to));
    let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
    plans.join("\n")
}

fn state(observed: &Observed, id: &str) -> Option<QueueState> {
    observed.queues.get(&queue_path(id)).map(|it| it.state)
}

fn reported(yaml: &str, observed: &Observed) -> Option<(String, String, String)> {
    let status = status(&ExecutorChainStatus::default(), &desired(yaml), observed);
    let mut conditions = status.conditions.into_iter();
    let found = conditions.find(|it| it.type_ == "Parked")?;
    Some((found.status, found.reason, found.message))
}

fn refusal(yaml: &str, observed: &Observed) -> String {
    let problem = planned(yaml, observed).unwrap_err();
    assert_eq!(problem.reason, Reason::QueueOwnedByAnother);
    problem.message
}

#[test]
fn a_parking_queue_is_paused_before_workers_know_it() {
    let mut transcript = Transcript::default();
    let new = planned(&parking(), &Observed::default()).unwrap();
    transcript.add("a new chain", &new);
    let mut observed = settled(ORDERS);
    transcript.add("parking is added", &edit(&mut observed, &parking()));
    transcript.add(
        "another parking queue",
        &edit(&mut observed, &other_parking()),
    );
    transcript.add("it is given back", &edit(&mut observed, &parking()));
    transcript.add("parking is removed", &edit(&mut observed, ORDERS));
    insta::assert_snapshot!(transcript.to_string());
    for id in ["orders-parked", "orders-parked-2"] {
        assert_eq!(state(&observed, id), Some(QueueState::Paused), "{id}");
    }
}

#[test]
fn an_operator_that_dies_between_creation_and_pause_tells_workers_after_the_pause() {
    let chain = parking();
    let mut observed = settled(ORDERS);
    let plan = planned(&chain, &observed).unwrap();
    apply_step(&mut observed, &plan.steps[0].step);
    assert_eq!(state(&observed, "orders-parked"), Some(QueueState::Running));
    let next = planned(&chain, &observed).unwrap();
    let first = &next.steps[0].step;
    assert_eq!(first.to_string(), "pause queue orders-parked", "{next}");
}

#[test]
fn workers_get_the_queue_the_causes_and_former_queues() {
    let told = |observed: &Observed, name| variable(&observed.deployments["orders-fast"], name);
    let path = |id: &str| Some(queue_path(id).to_string());
    let mut observed = settled(&parking());
    assert_eq!(told(&observed, "PARKING_QUEUE"), path("orders-parked"));
    assert_eq!(told(&observed, "PARKING_KEEP"), None);
    assert_eq!(told(&observed, "RETIRED_PARKING_QUEUES"), None);
    let some = with_field("parking: {queue: orders-parked, keep: [Exhausted, Fail]}");
    edit(&mut observed, &some);
    let keep = told(&observed, "PARKING_KEEP");
    assert_eq!(keep.as_deref(), Some("Exhausted,Fail"));
    edit(&mut observed, &other_parking());
    assert_eq!(told(&observed, "PARKING_QUEUE"), path("orders-parked-2"));
    assert_eq!(
        told(&observed, "RETIRED_PARKING_QUEUES"),
        path("orders-parked")
    );
    edit(&mut observed, ORDERS);
    assert_eq!(told(&observed, "PARKING_QUEUE"), None);
    let both = ["orders-parked", "orders-parked-2"].map(|id| queue_path(id).to_string());
    assert_eq!(
        told(&observed, "RETIRED_PARKING_QUEUES"),
        Some(both.join(","))
    );
}

#[test]
fn a_chain_without_parking_is_as_versions_without_parking_made_it() {
    let without = settings_hash(&desired(ORDERS));
    assert_ne!(settings_hash(&desired(&parking())), without);
    let fast = &settled(ORDERS).deployments["orders-fast"];
    for name in ["PARKING_QUEUE", "PARKING_KEEP", "RETIRED_PARKING_QUEUES"] {
        assert_eq!(variable(fast, name), None);
    }
}

#[test]
fn what_is_changed_by_hand_on_a_parking_queue_is_restored() {
    let report = add_field(&parking(), "driftPolicy: Report");
    for chain in [parking(), report] {
        let mut observed = settled(&chain);
        observed.was_in_force = true;
        let queue = queue_mut(&mut observed, "orders-parked");
        queue.state = QueueState::Running;
        queue.max_attempts = 5;
        let plan = planned(&chain, &observed).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(plan.to_string(), @r"
            update queue orders-parked (unlimited attempts): the parking queue keeps its tasks, and never pushes
            pause queue orders-parked: a parking queue never pushes
            ");
        }
        let desired = desired(&chain);
        let drifts = drifts(view(&desired, &observed));
        let [drift] = drifts.as_slice() else {
            panic!("{drifts:?}");
        };
        assert_eq!(drift.queue.as_str(), "orders-parked");
        let freshness = Freshness::before(&plan, view(&desired, &observed), false);
        assert_eq!(freshness, Freshness::Queues);
    }
}

#[test]
fn a_former_parking_queue_stays_paused_too() {
    let mut observed = settled(&parking());
    edit(&mut observed, ORDERS);
    queue_mut(&mut observed, "orders-parked").state = QueueState::Running;
    let plan = planned(ORDERS, &observed).unwrap();
    insta::assert_snapshot!(plan.to_string(), @"pause queue orders-parked: a parking queue never pushes");
}

#[test]
fn a_new_chain_with_parking_needs_no_fresh_read() {
    let observed = Observed::default();
    let desired = desired(&parking());
    let view = view(&desired, &observed);
    let plan = plan::plan(view).unwrap();
    assert_eq!(Freshness::before(&plan, view, false), Freshness::Cached);
}

#[test]
fn an_existing_queue_is_adopted_and_paused_before_anything_else() {
    let mut observed = settled(ORDERS);
    observed
        .queues
        .insert(default_queue(queue_path("orders-parked")));
    let plan = planned(&parking(), &observed).unwrap();
    insta::assert_snapshot!(plan.to_string());
    // A target of another program stays, as a paused queue needs none.
    apply(&mut observed, &plan);
    assert!(planned(&parking(), &observed).unwrap().is_empty());
}

#[test]
fn a_queue_that_others_need_is_refused_as_a_parking_queue() {
    let mut observed = settled(ORDERS);
    let theirs = ORDERS.replace("incoming-2", "orders-parked");
    let theirs = theirs.replace("name: orders,", "name: refunds,");
    let found = settled(&theirs).queues;
    let found = found.get(&queue_path("orders-parked")).unwrap();
    observed.queues.insert(found.clone());
    insta::assert_snapshot!(refusal(&parking(), &observed), @"the parking queue orders-parked belongs to chain cluster-a/shop/refunds (cluster/namespace/name): use another queue, or delete that chain and the queue's header executor-owner");

    let theirs = parking().replace("name: orders,", "name: refunds,");
    let found = settled(&theirs).queues;
    let found = found.get(&queue_path("orders-parked")).unwrap();
    observed.queues.insert(found.clone());
    assert!(refusal(&parking(), &observed).contains("belongs to chain cluster-a/shop/refunds"));

    // Of this chain's stage that is removed in the same edit, and of its notifier.
    let (head, _) = ORDERS.split_once("  - name: slow").unwrap();
    let to = add_field(head, "parking: {queue: incoming-2}");
    insta::assert_snapshot!(refusal(&to, &observed), @"the parking queue incoming-2 was a stage's queue of this chain, and its tasks would wait forever: use another queue, or empty this queue and delete its header executor-owner");
    let to = add_field(ORDERS, "parking: {queue: orders-notifier}");
    let to = to.replace(
        "notifier: {queue: orders-notifier",
        "notifier: {queue: other",
    );
    insta::assert_snapshot!(refusal(&to, &observed), @"the parking queue orders-notifier has or had notifications, which would wait forever: use another queue, or empty this queue and delete its header executor-notifier");
}

#[test]
fn a_queue_with_parked_tasks_is_refused_for_anything_else() {
    let observed = settled(&parking());
    let stage = ORDERS.replace("queue: incoming-2", "queue: orders-parked");
    let stage = stage.replace("name: slow", "name: slower");
    insta::assert_snapshot!(refusal(&stage, &observed), @"queue orders-parked keeps parked tasks, and stays paused: give stage slower another queue, or empty this queue and delete its header executor-parking");
    let notifier = ORDERS.replace("queue: orders-notifier", "queue: orders-parked");
    insta::assert_snapshot!(refusal(&notifier, &observed), @"queue orders-parked keeps parked tasks, and stays paused: give the notifier another queue, or empty this queue and delete its header executor-parking");
}

#[test]
fn a_deleted_chain_keeps_what_is_parked_unless_its_policy_is_delete() {
    let mut transcript = Transcript::default();
    // With a former queue beside it, and one that runs because of a person.
    let mut before = settled(&other_parking());
    edit(&mut before, &parking());
    queue_mut(&mut before, "orders-parked").state = QueueState::Running;
    let chain = desired(&parking());
    for policy in [
        DeletionPolicy::Retain,
        DeletionPolicy::Drain,
        DeletionPolicy::Orphan,
        DeletionPolicy::Delete,
    ] {
        let deletion = Deletion::ByPolicy(policy);
        let mut observed = before.clone();
        let owner = chain.owner.as_ref();
        let end = plan_deletion(deletion, &chain.queue_owner, owner, &observed);
        let mut parking = end.clone();
        parking
            .steps
            .retain(|it| it.step.to_string().contains("orders-parked"));
        transcript.add(&format!("{policy:?}"), &parking);
        apply(&mut observed, &end);
        let left = observed.queues.values().filter(|queue| is_parking(queue));
        let wanted = if policy == DeletionPolicy::Delete {
            0
        } else {
            2
        };
        assert_eq!(left.count(), wanted, "{policy:?}");
        // Applied again, it has them again.
        settle(&mut observed, &chain);
        let again = state(&observed, "orders-parked");
        assert_eq!(again, Some(QueueState::Paused), "{policy:?}");
    }
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn parked_tasks_do_not_hold_up_a_drain() {
    let yaml = add_field(&parking(), "deletionPolicy: Drain").replace(
        "uid: 1f0c",
        "uid: 1f0c, deletionTimestamp: '2026-01-01T00:00:00Z'",
    );
    let mut observed = settled(&other_parking());
    edit(&mut observed, &parking());
    let chain = desired(&yaml);
    assert!(chain.finishes);
    let parked = |queue: &QueuePath| usize::from(queue.id.as_str().contains("parked"));
    for _ in 0..3 {
        crate::world::look(&mut observed, &chain, parked);
        pass(&mut observed, &chain, chain.timing.hand_over_time);
    }
    assert!(has_finished(view(&chain, &observed)));
}

#[test]
fn the_status_says_roughly_how_many_tasks_are_parked() {
    let mut observed = settled(&parking());
    let mut transcript = Transcript::default();
    let mut add = |when: &str, yaml: &str, observed: &Observed| {
        let (status, reason, message) = reported(yaml, observed).unwrap();
        transcript.add(when, &format!("{status} {reason}: {message}"));
    };
    let known = |observed: &mut Observed, queue: &str, count| {
        observed.parked.insert(queue_path(queue), count);
    };
    add("not counted", &parking(), &observed);
    for count in [0, 3, 380, 31_400, 2_000_000] {
        known(&mut observed, "orders-parked", ParkedCount::About(count));
        add(&count.to_string(), &parking(), &observed);
    }
    known(&mut observed, "orders-parked", ParkedCount::counted(1000));
    add("by a list", &parking(), &observed);
    edit(&mut observed, &other_parking());
    known(&mut observed, "orders-parked-2", ParkedCount::About(0));
    add("another queue", &other_parking(), &observed);
    edit(&mut observed, ORDERS);
    add("removed", ORDERS, &observed);
    insta::assert_snapshot!(transcript.to_string());
    assert_eq!(reported(ORDERS, &settled(ORDERS)), None);
}

#[test]
fn a_count_by_a_list_is_exact_below_its_end() {
    assert_eq!(ParkedCount::counted(999), ParkedCount::About(999));
    assert_eq!(ParkedCount::counted(1000), ParkedCount::AtLeast(1000));
}

#[test]
fn a_parking_queue_is_not_reported_as_paused_or_draining() {
    let mut observed = settled(&parking());
    for yaml in [&*parking(), ORDERS] {
        edit(&mut observed, yaml);
        let status = status(&ExecutorChainStatus::default(), &desired(yaml), &observed);
        assert_eq!((status.paused, status.draining), (None, None));
        assert_eq!(status.stages.len(), 2);
    }
}

/// What a plan of one step breaks.
fn caught(yaml: &str, observed: &Observed, step: Step) -> Vec<String> {
    let mut plan = Plan::default();
    let reason = "a fault";
    plan.steps.push(Planned { step, reason });
    broken(view(&desired(yaml), observed), &plan)
}

#[test]
fn a_plan_that_pushes_or_loses_parked_tasks_is_caught() {
    let chain = parking();
    let observed = settled(&chain);
    let queue = || queue_path("orders-parked");
    let resumed = caught(&chain, &observed, Step::ResumeQueue { queue: queue() });
    assert_has(&resumed[..1], "it keeps parked tasks, and never pushes");
    assert_has(&resumed, "orders-parked would push parked tasks");
    // Also with the policy that deletes queues of removed stages, once the spec no longer names it.
    let removed = with_field("deletionPolicy: Delete");
    let deleted = caught(&removed, &observed, Step::DeleteQueue { queue: queue() });
    assert_has(
        &deleted[..1],
        "it keeps parked tasks, and the chain isn't deleted",
    );
    let without_mark = || {
        let mut target = observed.queues.get(&queue())?.http_target.clone()?;
        target.headers.remove(PARKING_HEADER);
        let http_target = Some(target);
        let settings = cloudtasks::QueueSettings::default();
        Some(cloudtasks::QueueSettings {
            http_target,
            ..settings
        })
    };
    let settings = Box::new(without_mark().unwrap());
    let unmarked = caught(
        &chain,
        &observed,
        Step::UpdateQueue {
            queue: queue(),
            settings,
        },
    );
    assert_has(&unmarked, "would no longer say that it keeps parked tasks");
}

#[test]
fn workers_that_would_park_tasks_where_they_are_not_kept_are_caught() {
    let chain = parking();
    let settled = settled(&chain);
    let workers = || Step::ApplyDeployment(Box::new(settled.deployments["orders-fast"].clone()));
    assert_eq!(caught(&chain, &settled, workers()), Vec::<String>::new());
    let spoil: [fn(&mut Observed); 4] = [
        |observed| observed.queues.remove(&queue_path("orders-parked")),
        |observed| queue_mut(observed, "orders-parked").state = QueueState::Running,
        |observed| queue_mut(observed, "orders-parked").max_attempts = 3,
        |observed| queue_mut(observed, "orders-parked").http_target = None,
    ];
    for spoil in spoil {
        let mut observed = settled.clone();
        spoil(&mut observed);
        let caught = caught(&chain, &observed, workers());
        assert_has(
            &caught,
            "tasks would be parked in a queue that doesn't exist",
        );
    }
}

#[test]
fn a_deletion_that_takes_a_parking_queue_of_others_is_caught() {
    let chain = desired(&parking());
    let mut observed = settled(&parking());
    let deletion = Deletion::ByPolicy(DeletionPolicy::Delete);
    let (name, owner) = (&*chain.queue_owner, chain.owner.as_ref());
    let plan = plan_deletion(deletion, name, owner, &observed);
    let queue = queue_mut(&mut observed, "orders-parked");
    let headers = &mut queue.http_target.as_mut().unwrap().headers;
    headers.insert(OWNER_HEADER.into(), "cluster-a/shop/refunds".into());
    let caught = broken_deletion(deletion, name, &observed, &plan);
    assert_has(&caught, "it is another chain's");
}
