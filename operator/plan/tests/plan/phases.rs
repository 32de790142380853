//! What waits: for pods, for hand-overs to end, for time.

use std::time::Duration;

use cloudtasks::QueueState;
use k8s_openapi::api::apps::v1::DeploymentStatus;
use plan::queue::{Pause, pause_reason};
use plan::{Fact, Observed, Plan, plan};

use crate::golden::{seen, sentence, with};
use crate::world::{ORDERS, apply, desired, look, pass, pod, queue_path, roll, settle, settled};

const WITHOUT: &str = "  - name: slow";

pub fn without_slow() -> &'static str {
    ORDERS.split(WITHOUT).next().unwrap()
}

/// One round, after so many seconds, with so many tasks in each queue that is looked at.
pub fn round(observed: &mut Observed, yaml: &str, seconds: u64, tasks: usize) -> Plan {
    let desired = desired(yaml);
    look(observed, &desired, |_| tasks);
    pass(observed, &desired, Duration::from_secs(seconds));
    let plan = plan(&desired, observed).unwrap();
    apply(observed, &plan);
    plan
}

pub fn set_ready(observed: &mut Observed, child: &str, ready: i32) {
    let deployment = observed.deployments.get_mut(child).unwrap();
    deployment.status.get_or_insert_default().ready_replicas = Some(ready);
}

pub fn state(observed: &Observed, id: &str) -> (QueueState, Option<Pause>) {
    let queue = &observed.queues[&queue_path(id)];
    (queue.state, pause_reason(queue))
}

#[test]
fn a_stage_without_a_ready_pod_is_gated_until_one_is_ready() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-fast", 0);
    assert!(round(&mut observed, ORDERS, 0, 0).is_empty());
    assert!(round(&mut observed, ORDERS, 29, 0).is_empty());
    insta::assert_snapshot!(round(&mut observed, ORDERS, 1, 0).to_string());
    let status = seen(ORDERS, &observed);
    insta::assert_snapshot!(sentence(&status, "Paused"), @"PausedByOperator: paused by the operator, until a worker of the stage is ready: incoming");
    set_ready(&mut observed, "orders-fast", 1);
    insta::assert_snapshot!(round(&mut observed, ORDERS, 1, 0).to_string());
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
}

#[test]
fn who_dies_between_the_reason_and_the_pause_or_after_the_resume_leaves_nothing_behind() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-fast", 0);
    round(&mut observed, ORDERS, 0, 0);
    let gate = round(&mut observed.clone(), ORDERS, 30, 0);
    crate::world::apply_step(&mut observed, &gate.steps[0].step);
    observed.held.clear();
    assert_eq!(
        state(&observed, "incoming"),
        (QueueState::Running, Some(Pause::Gate))
    );
    // Whoever comes next has seen nothing yet, and the pod is well by now.
    set_ready(&mut observed, "orders-fast", 2);
    round(&mut observed, ORDERS, 0, 0);
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
}

#[test]
fn a_gate_is_not_for_those_who_say_paused_or_not_paused_themselves() {
    for (says, state_then) in [("false", QueueState::Running), ("true", QueueState::Paused)] {
        let yaml = with(
            "maxAttempts: 3",
            &format!("maxAttempts: 3\n    paused: {says}"),
        );
        let mut observed = settled(&yaml);
        set_ready(&mut observed, "orders-fast", 0);
        round(&mut observed, &yaml, 0, 0);
        round(&mut observed, &yaml, 60, 0);
        let (now, reason) = state(&observed, "incoming");
        assert_eq!(now, state_then);
        assert_ne!(reason, Some(Pause::Gate));
    }
}

#[test]
fn a_rate_and_the_replicas_that_are_raised_with_it() {
    let to = with("maxDispatchesPerSecond: 10", "maxDispatchesPerSecond: 100").replace(
        "    maxAttempts: 2\n",
        "    maxAttempts: 2\n    replicas: 5\n",
    );
    let mut observed = settled(ORDERS);
    insta::assert_snapshot!(round(&mut observed, &to, 0, 0).to_string());
    let status = seen(&to, &observed);
    insta::assert_snapshot!(sentence(&status, "QueuesReady"), @"Progressing: still to do: queue incoming-2 gets rate 100/s once stage slow has its 5 workers ready, or after 120 s at most");
    // Four of five: it is held back, but not for ever.
    set_ready(&mut observed, "orders-slow", 4);
    assert!(round(&mut observed, &to, 119, 0).is_empty());
    let mut patient = observed.clone();
    insta::assert_snapshot!(round(&mut patient, &to, 1, 0).to_string(), @"update queue incoming-2 (rate 100/s): the queue differs from the spec");
    roll(&mut observed);
    insta::assert_snapshot!(round(&mut observed, &to, 0, 0).to_string(), @"update queue incoming-2 (rate 100/s): the queue differs from the spec");
    // And down: the queue first.
    insta::assert_snapshot!(round(&mut observed, ORDERS, 0, 0).to_string());
}

#[test]
fn a_raised_rate_alone_waits_for_nobody() {
    let to = with("maxDispatchesPerSecond: 10", "maxDispatchesPerSecond: 100");
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-slow", 0);
    insta::assert_snapshot!(round(&mut observed, &to, 0, 0).to_string(), @"update queue incoming-2 (rate 100/s): the queue differs from the spec");
}

#[test]
fn a_removed_stage_drains_until_its_queue_was_seen_empty_twice() {
    let to = without_slow();
    let mut observed = settled(ORDERS);
    round(&mut observed, to, 0, 12);
    // A former pod lives on, whatever the Deployment's status says.
    let former = settled(ORDERS);
    roll(&mut observed);
    observed
        .pods
        .extend(pod(&former.deployments["orders-fast"]));
    round(&mut observed, to, 0, 0);
    assert!(round(&mut observed, to, 600, 0).is_empty());
    let status = seen(to, &observed);
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 drains once no other worker can hand tasks to it any more");
    assert_eq!(status.draining.as_deref(), Some("incoming-2"));
    roll(&mut observed);
    // It has ended. What it handed over is still there.
    assert!(round(&mut observed, to, 0, 12).is_empty());
    let status = seen(to, &observed);
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 has 10 to 99 tasks left, and never empties while a producer puts tasks into it");
    // Empty, not empty, empty again: it begins anew.
    assert!(round(&mut observed, to, 0, 0).is_empty());
    assert!(round(&mut observed, to, 20, 1).is_empty());
    assert!(round(&mut observed, to, 20, 0).is_empty());
    assert!(round(&mut observed, to, 29, 0).is_empty());
    insta::assert_snapshot!(round(&mut observed, to, 1, 0).to_string());
    // A task came before the pause.
    let mut late = observed.clone();
    insta::assert_snapshot!(round(&mut late, to, 1, 1).to_string());
    insta::assert_snapshot!(round(&mut observed, to, 1, 0).to_string());
    let status = seen(to, &observed);
    assert_eq!(
        (status.draining.as_deref(), status.paused.as_deref()),
        (None, None)
    );
    insta::assert_snapshot!(sentence(&status, "Draining"), @"NothingDrains: removed, empty when it was paused, and kept so: incoming-2");
    // And back: it is resumed when there are workers.
    settle(&mut observed, &desired(ORDERS));
    assert_eq!(state(&observed, "incoming-2"), (QueueState::Running, None));
}

#[test]
fn a_drained_queue_is_deleted_a_day_later_where_the_chain_says_so() {
    let policy = |yaml: &str| {
        yaml.replace(
            "project: my-project",
            "project: my-project\n  deletionPolicy: Delete",
        )
    };
    let to = policy(without_slow());
    let mut observed = settled(&policy(ORDERS));
    settle(&mut observed, &desired(&to));
    assert!(round(&mut observed, &to, 86_000, 0).is_empty());
    assert!(
        round(&mut observed, &to, 400, 0).is_empty(),
        "it has to be looked at first"
    );
    // Somebody has put a task there.
    assert!(round(&mut observed.clone(), &to, 1, 1).is_empty());
    insta::assert_snapshot!(round(&mut observed, &to, 1, 0).to_string(), @"delete queue incoming-2: the stage is removed, and nothing looks for its tasks any more");
}

#[test]
fn tasks_of_a_removed_stage_whose_workers_are_gone_are_kept_and_told() {
    let to = without_slow();
    let mut observed = settled(ORDERS);
    round(&mut observed, to, 0, 3);
    roll(&mut observed);
    observed.deployments.remove("orders-slow");
    roll(&mut observed);
    insta::assert_snapshot!(round(&mut observed, to, 0, 3).to_string());
    let status = seen(to, &observed);
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 has lost its workers: put the stage back to serve what is in it, or delete the queue");
}

#[test]
fn stages_that_swap_names_and_queues_never_play_ping_pong() {
    let to = "  - {name: first, queue: incoming-2, maxAttempts: 2}\n  - {name: second, queue: incoming, maxAttempts: 3}\n";
    let to = format!("{}{to}", ORDERS.split("  - name: fast").next().unwrap());
    let mut observed = settled(ORDERS);
    let plans = settle(&mut observed, &desired(&to));
    let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(plans.join("\n"));
}

#[test]
fn a_new_first_stage_is_not_waited_for_by_the_others() {
    let to = with(
        "  - name: fast",
        "  - {name: zeroth, queue: incoming-0, maxAttempts: 1}\n  - name: fast",
    );
    let mut observed = settled(ORDERS);
    let plans = settle(&mut observed, &desired(&to));
    insta::assert_snapshot!(plans[0].to_string());
}

#[test]
fn fewer_places_than_dispatches_are_told() {
    let observed = settled(ORDERS);
    let status = seen(ORDERS, &observed);
    insta::assert_snapshot!(sentence(&status, "Undersized"), @"TooFewPlaces: what finds no place is answered 503, which slows the queue: incoming-2 has 1000 dispatches at once for 1 × 100 places");
    let enough = with("maxAttempts: 2", "maxAttempts: 2\n    concurrency: 1000");
    let status = seen(&enough, &settled(&enough));
    insta::assert_snapshot!(sentence(&status, "Undersized"), @"EnoughPlaces: every stage has a place for each dispatch");
}

#[test]
fn a_deployment_that_never_had_a_status_counts_as_not_ready() {
    let mut observed = settled(ORDERS);
    for deployment in observed.deployments.values_mut() {
        deployment.status = None::<DeploymentStatus>;
    }
    let desired = desired(ORDERS);
    let facts = plan::facts(&desired, &observed);
    assert!(facts.contains(&Fact::NoReadyPod("orders-fast".into())));
    assert!(facts.contains(&Fact::TooFewReady("orders-fast".into())));
}
