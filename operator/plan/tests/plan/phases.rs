//! What waits: for pods, for hand-overs to end, for time.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudtasks::QueueState;
use k8s_openapi::api::apps::v1::DeploymentStatus;
use kube::ResourceExt;
use plan::model::WaitReason;
use plan::model::queue_headers::{PauseReason, pause_reason};
use plan::objects::names::QUEUE_ANNOTATION;
use plan::objects::worker_env::{hand_over_targets, variable};
use plan::rules::absence::queues_to_look_up;
use plan::{ChainView, Deletion, LocationQueues, Observed, Plan, TimedCondition, plan};

use crate::golden::{add_field, said, seen, sentence, with};
use crate::world::{
    ORDERS, Transcript, apply, apply_step, default_queue, desired, look, pass, planned, pod,
    queue_mut, queue_path, roll, settle, settled, status,
};

const WITHOUT: &str = "  - name: slow";

pub fn without_slow() -> &'static str {
    ORDERS.split(WITHOUT).next().unwrap()
}

/// One round, after so many seconds, with so many tasks in each queue that is looked at.
pub fn round(observed: &mut Observed, yaml: &str, seconds: u64, tasks: usize) -> Plan {
    let desired = desired(yaml);
    look(observed, &desired, |_| tasks);
    pass(observed, &desired, Duration::from_secs(seconds));
    let plan = plan(ChainView::new(&desired, observed)).unwrap();
    apply(observed, &plan);
    plan
}

pub fn set_ready(observed: &mut Observed, child: &str, ready: i32) {
    let deployment = observed.deployments.get_mut(child).unwrap();
    deployment.status.get_or_insert_default().ready_replicas = Some(ready);
}

pub fn state(observed: &Observed, id: &str) -> (QueueState, Option<PauseReason>) {
    let queue = observed.queues.get(&queue_path(id)).unwrap();
    (queue.state, pause_reason(queue))
}

#[test]
fn a_stage_without_a_ready_pod_is_gated_until_one_is_ready() {
    let mut transcript = Transcript::default();
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-fast", 0);
    assert!(round(&mut observed, ORDERS, 0, 0).is_empty());
    assert!(round(&mut observed, ORDERS, 29, 0).is_empty());
    transcript.add("no ready pod for 30 s", &round(&mut observed, ORDERS, 1, 0));
    transcript.add("Paused", &said(ORDERS, &observed, "Paused"));
    set_ready(&mut observed, "orders-fast", 1);
    transcript.add("a pod is ready", &round(&mut observed, ORDERS, 1, 0));
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn an_operator_that_dies_during_a_pause_or_resume_leaves_nothing_behind() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-fast", 0);
    round(&mut observed, ORDERS, 0, 0);
    let gate = round(&mut observed.clone(), ORDERS, 30, 0);
    apply_step(&mut observed, &gate.steps[0].step);
    observed.elapsed.clear();
    let resuming = (QueueState::Running, Some(PauseReason::Gate));
    assert_eq!(state(&observed, "incoming"), resuming);
    // The next operator has observed nothing yet, and the pod is ready by now.
    set_ready(&mut observed, "orders-fast", 2);
    round(&mut observed, ORDERS, 0, 0);
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
}

#[test]
fn a_stage_that_sets_paused_is_never_gated() {
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
        assert_ne!(reason, Some(PauseReason::Gate));
    }
}

#[test]
fn a_rate_waits_for_the_replicas_that_are_raised_with_it() {
    let mut transcript = Transcript::default();
    let to = with("maxDispatchesPerSecond: 10", "maxDispatchesPerSecond: 100").replace(
        "    maxAttempts: 2\n",
        "    maxAttempts: 2\n    replicas: 5\n",
    );
    let mut observed = settled(ORDERS);
    transcript.add("raised", &round(&mut observed, &to, 0, 0));
    transcript.add("QueuesReady", &said(&to, &observed, "QueuesReady"));
    // Four of five: it is held back, but not for ever.
    set_ready(&mut observed, "orders-slow", 4);
    assert!(round(&mut observed, &to, 119, 0).is_empty());
    let mut patient = observed.clone();
    transcript.add(
        "four of five workers are ready for 120 s",
        &round(&mut patient, &to, 1, 0),
    );
    roll(&mut observed);
    transcript.add("or all five are", &round(&mut observed, &to, 0, 0));
    // And down: the queue first.
    transcript.add("lowered again", &round(&mut observed, ORDERS, 0, 0));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_raised_rate_alone_waits_for_nobody() {
    let from = with("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 100");
    let mut observed = settled(&from);
    // One of two is away for a moment.
    set_ready(&mut observed, "orders-fast", 1);
    round(&mut observed, &from, 0, 0);
    insta::assert_snapshot!(round(&mut observed, ORDERS, 1, 0).to_string(), @"update queue incoming (rate 500/s): the queue differs from the spec");
}

#[test]
fn a_stage_that_lacked_pods_before_still_gets_its_pods_first() {
    let from = with("maxDispatchesPerSecond: 500", "maxDispatchesPerSecond: 100");
    let mut observed = settled(&from);
    set_ready(&mut observed, "orders-fast", 1);
    round(&mut observed, &from, 0, 0);
    round(&mut observed, &from, 600, 0);
    let to = with("replicas: 2", "replicas: 20");
    let plan = round(&mut observed, &to, 1, 0).to_string();
    assert!(plan.contains("apply deployment orders-fast"), "{plan}");
    assert!(!plan.contains("update queue"), "{plan}");
}

#[test]
fn former_workers_keep_the_queue_of_a_renamed_stage_running() {
    let to = with("name: fast", "name: quick");
    let mut observed = settled(ORDERS);
    round(&mut observed, &to, 0, 0);
    // The new workers never get ready; the former ones are well.
    for _ in 0..5 {
        round(&mut observed, &to, 60, 0);
        assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
    }
    // Now they aren't either.
    set_ready(&mut observed, "orders-fast", 0);
    round(&mut observed, &to, 0, 0);
    round(&mut observed, &to, 30, 0);
    let gated = (QueueState::Paused, Some(PauseReason::Gate));
    assert_eq!(state(&observed, "incoming"), gated);
    set_ready(&mut observed, "orders-fast", 1);
    round(&mut observed, &to, 0, 0);
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
}

#[test]
fn an_adopted_queue_that_pushes_elsewhere_is_not_gated() {
    let mut observed = Observed::default();
    let queue = default_queue(queue_path("incoming"));
    observed.queues.insert(queue);
    for seconds in [0, 1, 60] {
        round(&mut observed, ORDERS, seconds, 0);
    }
    assert_eq!(state(&observed, "incoming"), (QueueState::Running, None));
    // One of two is not enough, for a while.
    roll(&mut observed);
    set_ready(&mut observed, "orders-fast", 1);
    round(&mut observed, ORDERS, 0, 0);
    let plan = round(&mut observed, ORDERS, 0, 0);
    assert!(plan.is_empty(), "{plan}");
    let address = |observed: &Observed| {
        let queue = observed.queues.get(&queue_path("incoming")).unwrap();
        queue.http_target.clone().unwrap().address
    };
    assert_eq!(address(&observed), None);
    roll(&mut observed);
    round(&mut observed, ORDERS, 0, 0);
    assert!(address(&observed).is_some());
}

#[test]
fn a_queue_is_resumed_although_another_stages_step_fails() {
    let mut observed = settled(ORDERS);
    set_ready(&mut observed, "orders-fast", 0);
    round(&mut observed, ORDERS, 0, 0);
    round(&mut observed, ORDERS, 30, 0);
    set_ready(&mut observed, "orders-fast", 2);
    // A client has deleted a queue, and its name is blocked.
    observed.queues.remove(&queue_path("incoming-2"));
    let to = with("maxAttempts: 3", "maxAttempts: 4");
    let plan = planned(&to, &observed).unwrap();
    let steps: Vec<String> = plan.steps.iter().map(|it| it.step.to_string()).collect();
    let at = |step: &str| steps.iter().position(|it| it.starts_with(step)).unwrap();
    assert!(
        at("resume queue incoming") < at("create queue incoming-2"),
        "{plan}"
    );
}

#[test]
fn an_edit_of_attempts_does_not_wait_for_a_new_stage() {
    let to = with("maxAttempts: 2", "maxAttempts: 9");
    let to = format!("{to}  - {{name: third, queue: incoming-3, maxAttempts: 1}}\n");
    let mut observed = settled(ORDERS);
    insta::assert_snapshot!(round(&mut observed, &to, 0, 0).to_string());
    let slow = &observed.deployments["orders-slow"];
    assert_eq!(variable(slow, "MAX_ATTEMPTS"), Some("9".into()));
    assert_eq!(variable(slow, "DOWNSTREAM_QUEUE"), None);
    assert!(round(&mut observed, &to, 0, 0).is_empty());
    settle(&mut observed, &desired(&to));
    let slow = &observed.deployments["orders-slow"];
    assert!(variable(slow, "DOWNSTREAM_QUEUE").is_some());
}

#[test]
fn a_copy_of_a_deployment_is_left_alone() {
    let mut observed = settled(ORDERS);
    let mut copy = observed.deployments["orders-fast"].clone();
    copy.metadata.name = Some("canary".into());
    for owner in copy.metadata.owner_references.iter_mut().flatten() {
        owner.uid = "another".into();
    }
    observed.deployments.insert("canary".into(), copy);
    settle(&mut observed, &desired(ORDERS));
    assert!(observed.deployments.contains_key("canary"));
}

#[test]
fn tasks_that_reach_a_drained_queue_are_reported() {
    let mut observed = settled(ORDERS);
    settle(&mut observed, &desired(without_slow()));
    round(&mut observed, without_slow(), 60, 12);
    let status = seen(without_slow(), &observed);
    insta::assert_snapshot!(sentence(&status, "Draining"), @"StageRemoved: incoming-2 has tasks and no workers: add the stage again to serve them, or delete the queue");
    assert_eq!(status.draining.as_deref(), Some("incoming-2"));
}

#[test]
fn half_an_edit_that_is_taken_back_is_no_drift() {
    let report = |yaml: &str| add_field(yaml, "driftPolicy: Report");
    let (from, to) = (report(ORDERS), report(&with("500", "20")));
    let good = seen(&from, &settled(&from));
    let mut half = settled(&from);
    half.queues.remove(&queue_path("incoming-2"));
    let told = status(&good, &desired(&to), &half);
    assert_eq!(told.queues_hash, None);
}

#[test]
fn a_draining_queue_keeps_unlimited_attempts() {
    let mut observed = settled(ORDERS);
    round(&mut observed, without_slow(), 0, 12);
    let queue = queue_mut(&mut observed, "incoming-2");
    queue.max_attempts = 5;
    queue.max_retry_duration = Some(Duration::from_mins(1));
    let plan = round(&mut observed, without_slow(), 0, 12);
    insta::assert_snapshot!(plan.steps[0].step.to_string(), @"update queue incoming-2 (unlimited attempts, no retry limit)");
}

#[test]
fn the_end_of_one_removed_stages_workers_rolls_nobody() {
    let three = format!("{ORDERS}  - {{name: third, queue: a-third, maxAttempts: 1}}\n");
    let mut observed = settled(&three);
    let one = without_slow();
    let plans = settle(&mut observed, &desired(one));
    let rolls = plans.iter().flat_map(|plan| &plan.steps);
    let rolls = rolls.filter(|it| it.step.to_string() == "apply deployment orders-fast");
    assert_eq!(rolls.count(), 1);
}

#[test]
fn a_removed_stage_drains_until_its_queue_is_empty_twice() {
    let mut transcript = Transcript::default();
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
    transcript.add(
        "Draining, while a former pod hands over",
        &sentence(&status, "Draining"),
    );
    assert_eq!(status.draining.as_deref(), Some("incoming-2"));
    roll(&mut observed);
    // It has ended. What it handed over is still there.
    assert!(round(&mut observed, to, 0, 12).is_empty());
    transcript.add(
        "Draining, when it has ended",
        &said(to, &observed, "Draining"),
    );
    // Empty, not empty, empty again: it begins anew.
    assert!(round(&mut observed, to, 0, 0).is_empty());
    assert!(round(&mut observed, to, 20, 1).is_empty());
    assert!(round(&mut observed, to, 20, 0).is_empty());
    assert!(round(&mut observed, to, 29, 0).is_empty());
    transcript.add("empty for 30 s", &round(&mut observed, to, 1, 0));
    // A task came before the pause.
    let mut late = observed.clone();
    transcript.add(
        "a task arrived before the pause",
        &round(&mut late, to, 1, 1),
    );
    transcript.add("or none did", &round(&mut observed, to, 1, 0));
    let status = seen(to, &observed);
    assert_eq!(
        (status.draining.as_deref(), status.paused.as_deref()),
        (None, None)
    );
    transcript.add("Draining", &sentence(&status, "Draining"));
    // And back: it is resumed when there are workers.
    settle(&mut observed, &desired(ORDERS));
    assert_eq!(state(&observed, "incoming-2"), (QueueState::Running, None));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn an_unfinished_rollout_holds_up_a_drain() {
    let to = without_slow();
    let mut observed = settled(ORDERS);
    round(&mut observed, to, 0, 0);
    // The former pods have ended, and their successors are still to come.
    roll(&mut observed);
    let fast = observed.deployments.get_mut("orders-fast").unwrap();
    fast.status.as_mut().unwrap().updated_replicas = Some(0);
    observed.pods.clear();
    round(&mut observed, to, 0, 0);
    assert!(round(&mut observed, to, 600, 0).is_empty());
    roll(&mut observed);
    round(&mut observed, to, 0, 0);
    assert!(!round(&mut observed, to, 30, 0).is_empty());
}

#[test]
fn the_status_lists_draining_queues_and_their_backlog() {
    let to = without_slow();
    let mut observed = settled(ORDERS);
    round(&mut observed, to, 0, 12);
    roll(&mut observed);
    round(&mut observed, to, 0, 12);
    let status = seen(to, &observed);
    let listed = [
        ("incoming", "fast", None),
        ("incoming-2", "slow", Some("10-99")),
    ];
    for (stage, (queue, name, draining)) in status.stages.iter().zip(listed) {
        assert_eq!((&*stage.queue, &*stage.name), (queue, name));
        assert_eq!(stage.draining.as_deref(), draining);
    }
    assert_eq!(status.stages.len(), listed.len());
}

#[test]
fn a_drained_queue_is_deleted_a_day_later_by_the_policy_delete() {
    let policy = |yaml: &str| add_field(yaml, "deletionPolicy: Delete");
    let to = policy(without_slow());
    let mut observed = settled(&policy(ORDERS));
    settle(&mut observed, &desired(&to));
    assert!(round(&mut observed, &to, 86_000, 0).is_empty());
    // A producer has created a task there.
    assert!(round(&mut observed.clone(), &to, 400, 1).is_empty());
    insta::assert_snapshot!(round(&mut observed, &to, 400, 0).to_string(), @"delete queue incoming-2: the stage is removed, and no worker looks up its tasks any more");
}

#[test]
fn a_drained_queue_is_kept_by_other_policies() {
    let mut observed = settled(ORDERS);
    settle(&mut observed, &desired(without_slow()));
    round(&mut observed, without_slow(), 90_000, 0);
    assert!(round(&mut observed, without_slow(), 1, 0).is_empty());
    // A client resumes it: pushes would reach no pod.
    let queue = queue_mut(&mut observed, "incoming-2");
    queue.state = QueueState::Running;
    settle(&mut observed, &desired(without_slow()));
    let drained = (QueueState::Paused, Some(PauseReason::Drained));
    assert_eq!(state(&observed, "incoming-2"), drained);
}

#[test]
fn a_deleted_chain_has_finished_when_no_queue_has_tasks_for_long_enough() {
    let yaml = add_field(ORDERS, "deletionPolicy: Drain");
    let mut observed = settled(&yaml);
    let mut deleted = desired(&yaml);
    deleted.finishes = true;
    let mut after = |seconds: u64, tasks: usize| {
        look(&mut observed, &deleted, |queue| {
            usize::from(queue.id.as_str() == "incoming-2") * tasks
        });
        pass(&mut observed, &deleted, Duration::from_secs(seconds));
        plan::has_finished(ChainView::new(&deleted, &observed))
    };
    assert!(!after(0, 1));
    assert!(!after(600, 1));
    assert!(!after(1, 0), "seen once");
    assert!(!after(20, 2), "and not again");
    assert!(!after(1, 0));
    assert!(!after(29, 0));
    assert!(after(1, 0));
    // What was never made has nothing to finish. A list doesn't show that.
    let mut nothing = Observed::default();
    let has_finished = |seen: &Observed| plan::has_finished(ChainView::new(&deleted, seen));
    assert!(!has_finished(&nothing));
    nothing.absent_queues = deleted.queues().cloned().collect();
    assert!(has_finished(&nothing));
}

#[test]
fn a_queue_that_a_list_lacks_is_not_empty() {
    let removed = without_slow();
    let slow = queue_path("incoming-2");
    let mut observed = settled(ORDERS);
    let workers = |observed: &Observed| {
        let plan = planned(removed, observed).unwrap();
        (
            plan.to_string().contains("delete deployment orders-slow"),
            plan.waits
                .iter()
                .any(|wait| wait.reason == WaitReason::Unlisted(slow.id.clone())),
        )
    };
    // The workers that hand over to it have ended.
    let edit = planned(removed, &observed).unwrap();
    apply(&mut observed, &edit);
    roll(&mut observed);
    let found = observed.queues.get(&slow).unwrap().clone();
    observed.queues.remove(&slow);
    assert_eq!(workers(&observed), (false, true));
    observed.absent_queues.insert(slow.clone());
    assert_eq!(workers(&observed), (true, false));
    observed.absent_queues.clear();
    observed.queues.insert(found);
    assert_eq!(workers(&observed), (false, false));

    // A chain that finishes first has not finished.
    let yaml = add_field(ORDERS, "deletionPolicy: Drain");
    let mut deleted = desired(&yaml);
    deleted.finishes = true;
    let mut observed = settled(&yaml);
    for _ in 0..2 {
        look(&mut observed, &deleted, |_| 0);
        pass(&mut observed, &deleted, Duration::from_mins(1));
    }
    let has_finished = |seen: &Observed| plan::has_finished(ChainView::new(&deleted, seen));
    assert!(has_finished(&observed));
    observed.queues.remove(&slow);
    observed.backlogs.remove(&slow);
    pass(&mut observed, &deleted, Duration::from_mins(1));
    assert!(!has_finished(&observed));
    observed.queues = LocationQueues::default();
    observed.backlogs.clear();
    assert!(!has_finished(&observed));
}

/// The ladder, with other stages.
#[test]
fn a_list_that_lacks_a_drained_queue_rolls_nobody() {
    let removed = without_slow();
    let wanted = desired(removed);
    let slow = queue_path("incoming-2");
    let mut observed = settled(ORDERS);
    settle(&mut observed, &wanted);
    assert!(!observed.deployments.contains_key("orders-slow"));
    let looked_up = |seen: &Observed| queues_to_look_up(ChainView::new(&wanted, seen));
    assert_eq!(looked_up(&observed), BTreeSet::new());
    let found = observed.queues.get(&slow).unwrap().clone();
    observed.queues.remove(&slow);
    // Without it, the other workers would no longer look up tasks in it.
    assert!(!planned(removed, &observed).unwrap().is_empty());
    assert_eq!(looked_up(&observed), BTreeSet::from([slow]));
    observed.queues.insert(found);
    assert!(planned(removed, &observed).unwrap().is_empty());
}

fn with_stages(stages: &str) -> String {
    format!("{}{stages}", ORDERS.split("  - name: fast").next().unwrap())
}

fn swapped() -> String {
    with_stages(
        "  - {name: first, queue: incoming-2, maxAttempts: 2}
  - {name: second, queue: incoming, maxAttempts: 3}\n",
    )
}

#[test]
fn planned_hand_overs_of_other_stages_count_for_a_circle() {
    let to = with_stages(
        "  - {name: zeroth, queue: incoming-0, maxAttempts: 1}
  - {name: slow, queue: incoming-2, maxAttempts: 1}
  - {name: third, queue: incoming-3, maxAttempts: 1, paused: true}
  - {name: quick, queue: incoming, maxAttempts: 1}\n",
    );
    let mut observed = settled(ORDERS);
    let plan = round(&mut observed, &to, 0, 0).to_string();
    // third will hand to quick's queue, which still pushes to fast, which hands to slow.
    let wait =
        "stage slow hands tasks over as the spec says once no former worker can hand tasks back";
    assert!(plan.contains(wait), "{plan}");
    let slow = &observed.deployments["orders-slow"];
    assert_eq!(hand_over_targets(slow).len(), 0);
}

#[test]
fn a_queue_waits_for_workers_with_former_hand_overs() {
    let half = with_stages(
        "  - {name: quick, queue: incoming-2, maxAttempts: 1}
  - {name: fast, queue: incoming, maxAttempts: 1}
  - {name: zeroth, queue: incoming-0, maxAttempts: 1}\n",
    );
    let mut observed = settled(ORDERS);
    // fast waits for zeroth, and hands to incoming-2 until then.
    round(&mut observed, &half, 0, 0);
    roll(&mut observed);
    let other = with_stages(
        "  - {name: first, queue: incoming-1, maxAttempts: 1}
  - {name: quick, queue: incoming-2, maxAttempts: 1}\n",
    );
    // quick, so far, hands back to fast's queue.
    let plan = round(&mut observed, &other, 0, 0).to_string();
    assert!(!plan.contains("update queue incoming-2"), "{plan}");
    assert!(plan.contains("apply deployment orders-quick"), "{plan}");
}

#[test]
fn tasks_of_a_removed_stage_without_workers_are_kept_and_reported() {
    let to = without_slow();
    let mut observed = settled(ORDERS);
    round(&mut observed, to, 0, 3);
    roll(&mut observed);
    observed.deployments.remove("orders-slow");
    roll(&mut observed);
    insta::assert_snapshot!(round(&mut observed, to, 0, 3).to_string());
    insta::assert_snapshot!(said(to, &observed, "Draining"), @"StageRemoved: incoming-2 has tasks and no workers: add the stage again to serve them, or delete the queue");
}

#[test]
fn stages_that_swap_names_and_queues_never_hand_a_task_back() {
    let to = swapped();
    let mut observed = settled(ORDERS);
    let plans = settle(&mut observed, &desired(&to));
    let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(plans.join("\n"));
}

#[test]
fn other_stages_do_not_wait_for_a_new_first_stage() {
    let to = with(
        "  - name: fast",
        "  - {name: zeroth, queue: incoming-0, maxAttempts: 1}\n  - name: fast",
    );
    let mut observed = settled(ORDERS);
    let plans = settle(&mut observed, &desired(&to));
    insta::assert_snapshot!(plans[0].to_string());
}

#[test]
fn a_queue_that_dispatches_more_than_its_workers_run_is_reported() {
    let observed = settled(ORDERS);
    insta::assert_snapshot!(said(ORDERS, &observed, "Undersized"), @"TooFewPlaces: pushes over the workers' capacity get 503, which throttles the queue: incoming-2 dispatches 1000 tasks at once, and its workers run 1 × 100. Add replicas, raise concurrency, or lower maxConcurrentDispatches");
    let enough = with("maxAttempts: 2", "maxAttempts: 2\n    concurrency: 1000");
    insta::assert_snapshot!(said(&enough, &settled(&enough), "Undersized"), @"EnoughPlaces: every stage can run as many tasks as its queue dispatches at once");
}

#[test]
fn a_deployment_that_never_had_a_status_counts_as_not_ready() {
    let mut observed = settled(ORDERS);
    for deployment in observed.deployments.values_mut() {
        deployment.status = None::<DeploymentStatus>;
    }
    let desired = desired(ORDERS);
    let timed_conditions = plan::timed_conditions(ChainView::new(&desired, &observed), |_| None);
    assert!(timed_conditions.contains(&TimedCondition::Unserved("orders-fast".into())));
    assert!(timed_conditions.contains(&TimedCondition::RolloutIncomplete("orders-fast".into())));
    assert!(timed_conditions.contains(&TimedCondition::ScalesUp("orders-fast".into(), 2)));
}

#[test]
fn a_deletion_ends_although_the_operator_dies_after_each_step() {
    use crds::DeletionPolicy::{Delete, Drain, Orphan, Retain};
    for policy in [Retain, Delete, Drain, Orphan] {
        let mut observed = settled(ORDERS);
        let chain = desired(ORDERS);
        let owner = chain.owner.as_ref();
        let mut crashes = 0;
        while observed.has_finalizer {
            let deletion = Deletion::ByPolicy(policy);
            let plan = plan::plan_deletion(deletion, &chain.queue_owner, owner, &observed);
            apply_step(&mut observed, &plan.steps[0].step);
            crashes += 1;
            assert!(crashes < 30, "{policy:?} never ends: {plan}");
        }
        let left = if policy == Orphan { 2 } else { 0 };
        assert_eq!(observed.deployments.len(), left);
    }
}

/// Every edit of the ladder, by an operator that dies after each step and remembers nothing.
#[test]
fn an_edit_ends_although_the_operator_dies_after_each_step() {
    let middle = with(
        "  - name: slow",
        "  - {name: middle, queue: incoming-middle, maxAttempts: 1}\n  - name: slow",
    );
    let renamed = with("name: fast", "name: quick");
    let swapped = swapped();
    for to in [&*middle, &renamed, &swapped, without_slow()] {
        for (from, to) in [(ORDERS, to), (to, ORDERS)] {
            let mut observed = settled(from);
            let chain = desired(to);
            let mut crashes = 0;
            loop {
                roll(&mut observed);
                look(&mut observed, &chain, |_| 0);
                pass(&mut observed, &chain, Duration::from_mins(1));
                let next = plan(ChainView::new(&chain, &observed)).unwrap();
                let Some(step) = next.steps.first() else {
                    if next.waits.is_empty() {
                        break;
                    }
                    continue;
                };
                apply_step(&mut observed, &step.step);
                observed.elapsed.clear();
                crashes += 1;
                assert!(crashes < 60, "it never ends: {next}");
            }
        }
    }
}

/// A user who may create Deployments in the namespace can make one that looks like a former stage's.
#[test]
fn a_deployment_that_names_any_queue_gives_the_chain_no_hold_on_it() {
    let theirs = queue_path("their-notifier");
    let elsewhere = "projects/theirs/locations/europe-west1/queues/their-notifier";
    let mut observed = settled(ORDERS);
    observed.queues.insert(default_queue(theirs.clone()));
    let before = observed.queues.get(&theirs).cloned();
    for queue in [theirs.to_string().as_str(), elsewhere] {
        let mut forged = observed.deployments["orders-slow"].clone();
        forged.metadata.name = Some("forged".into());
        let annotations = forged.annotations_mut();
        annotations.insert(QUEUE_ANNOTATION.into(), queue.into());
        observed.deployments.insert("forged".into(), forged);
        let view = desired(ORDERS);
        assert!(queues_to_look_up(ChainView::new(&view, &observed)).is_empty());
        for _ in 0..4 {
            let plan = round(&mut observed, ORDERS, 60, 0);
            roll(&mut observed);
            for planned in &plan.steps {
                let step = planned.step.to_string();
                assert!(!step.contains(" queue "), "{plan}");
                assert!(!step.starts_with("delete deployment"), "{plan}");
            }
        }
        assert_eq!(observed.queues.get(&theirs).cloned(), before);
    }
}
