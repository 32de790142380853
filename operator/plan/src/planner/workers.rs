//! The order of edits of a stage's Service and Deployment.

use std::collections::BTreeSet;

use cloudtasks::{Queue, QueuePath};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use serde::Serialize;

use crate::model::{
    ChainView, DesiredStage, HandOverObstacle, Observed, Plan, Rollout, Step, Wait, WaitReason,
    queue_headers,
};
use crate::objects::deployment::{deployment, with_former_hand_overs};
use crate::objects::names::{is_applied, served_queue};
use crate::objects::ownership::owns;
use crate::objects::service::service;
use crate::objects::worker_env::{RetiredQueues, hand_over_targets};
use crate::rules::hand_over_graph::can_return;
use crate::rules::push_target::may_be_pushed_to;
use crate::rules::token_rotation;

/// The stage's Service and Deployment, if they differ.
pub(super) fn workers(plan: &mut Plan, view: ChainView<'_>, index: usize, retired: &RetiredQueues) {
    let stage = &view.desired.stages[index];
    apply_service(plan, view, stage);
    let found = view.observed.deployments.get(&stage.child);
    let required = token_rotation::required_now(view, stage);
    let wanted = deployment(view, index, retired, required.as_ref());
    if let Some(reason) = token_rotation::why_not_required_yet(view, stage) {
        plan.wait(Wait::until(reason, token_rotation::until_sent(view, stage)));
    }
    let Some(reason) = why_apply(found, &wanted, "the stage has no workers") else {
        return;
    };
    let Some(obstacle) = hand_over_obstacle(plan, view, stage, &wanted) else {
        return plan.push(Step::ApplyDeployment(Box::new(wanted)), reason);
    };
    plan.wait(Wait::soon(WaitReason::HandOvers(
        stage.name.clone(),
        obstacle,
    )));
    // The rest of the edit doesn't wait.
    let meanwhile = found
        .filter(|found| hands_over_to_served_queues(found, view))
        .and_then(|found| with_former_hand_overs(&wanted, found));
    if let Some(meanwhile) = meanwhile {
        plan.push(Step::ApplyDeployment(Box::new(meanwhile)), reason);
    }
}

/// The Service, unless the plan has it already.
pub(super) fn apply_service(plan: &mut Plan, view: ChainView<'_>, stage: &DesiredStage) {
    let wanted = service(view.desired, stage);
    let mut steps = plan.steps.iter().map(|planned| &planned.step);
    let found = view.observed.services.get(&stage.child);
    let is_planned =
        steps.any(|step| matches!(step, Step::ApplyService(it) if it.name_any() == stage.child));
    let why = why_apply(found, &wanted, "the stage needs an address");
    if let Some(reason) = why.filter(|_| !is_planned) {
        plan.push(Step::ApplyService(Box::new(wanted)), reason);
    }
}

/// Whether all queues that a stage needs exist: it must not wait for queues that can't be created.
pub(super) fn needs_no_new_queue(view: ChainView<'_>, index: usize) -> bool {
    let ChainView { desired, observed } = view;
    let stage = &desired.stages[index];
    let targets = desired.hand_over_targets(index);
    targets
        .iter()
        .chain([&stage.queue, &desired.notifier.queue])
        .chain(desired.parking_queue())
        .all(|queue| observed.queues.contains_key(queue))
}

/// Whether the queues that workers hand tasks over to exist and are served.
fn hands_over_to_served_queues(workers: &Deployment, view: ChainView<'_>) -> bool {
    let is_served = |queue: &QueuePath| {
        let mut deployments = view.observed.deployments.values();
        let found = view.observed.queues.get(queue);
        let is_others = |found: &Queue| {
            queue_headers::owner(found).is_some_and(|owner| owner != view.desired.queue_owner)
        };
        found.is_some_and(|found| !is_others(found))
            && deployments.any(|deployment| served_queue(deployment).as_ref() == Some(queue))
    };
    hand_over_targets(workers).iter().all(is_served)
}

/// Why the workers of a stage can't get their new hand-overs yet.
fn hand_over_obstacle(
    plan: &Plan,
    view: ChainView<'_>,
    stage: &DesiredStage,
    wanted: &Deployment,
) -> Option<HandOverObstacle> {
    let found = view.observed.deployments.get(&stage.child);
    let former: BTreeSet<QueuePath> = found.map(hand_over_targets).unwrap_or_default();
    let new: BTreeSet<QueuePath> = hand_over_targets(wanted)
        .difference(&former)
        .cloned()
        .collect();
    let mut stages = view.desired.stages.iter();
    let unready = stages.find(|to| {
        new.contains(&to.queue) && !may_hand_over_to(plan, to, view.observed, found.is_some())
    });
    if let Some(to) = unready {
        return Some(HandOverObstacle::StageNotReady(to.name.clone()));
    }
    let is_served = may_be_pushed_to(view, stage);
    let comes_back = is_served && can_return(view, &stage.queue, &new);
    comes_back.then_some(HandOverObstacle::TasksCouldReturn)
}

/// Whether workers may hand tasks over to a stage. Workers that run must not hand them over to
/// nobody. Stages that are created together need not wait for each other: what comes too early waits
/// in its queue.
fn may_hand_over_to(plan: &Plan, to: &DesiredStage, observed: &Observed, works: bool) -> bool {
    let found = observed.deployments.get(&to.child);
    let is_made = found.is_some()
        || plan.steps.iter().any(|planned| {
            matches!(&planned.step, Step::ApplyDeployment(it) if it.name_any() == to.child)
        });
    let is_ready = Rollout::of(found).has_ready_pod() || to.paused == Some(true);
    is_made && (is_ready || !works)
}

/// Why `wanted` has to be applied, if so; `missing` is the reason where it doesn't exist.
pub(super) fn why_apply<K: ResourceExt + Serialize>(
    found: Option<&K>,
    wanted: &K,
    missing: &'static str,
) -> Option<&'static str> {
    let Some(found) = found else {
        return Some(missing);
    };
    if !is_applied(found, wanted) {
        Some("the spec says so")
    } else if !owns(found.meta(), wanted) {
        Some("it was changed outside the operator")
    } else {
        None
    }
}
