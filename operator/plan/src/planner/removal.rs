//! The end of removed stages, and of the workers of renamed ones.

mod gateway_resources;

use cloudtasks::Queue;

use super::pause_steps::{QueueNow, carry_out};
use crate::model::{
    Backlog, ChainView, ObjectKind, Plan, Rollout, Step, TimedCondition, Wait, WaitReason,
    queue_headers,
};
use crate::objects::former_stages::RemovedStage;
use crate::objects::names::is_ours;
use crate::objects::queue_settings;
use crate::rules::drain::{has_nothing_left, is_due, is_fed, is_marked, is_owned};
use crate::rules::pause::{self, PauseCause, PauseDecision, is_paused};
use crate::rules::push_target::is_readdressed;

pub(super) use gateway_resources::{policies, routes};

const DRAINED: &str = "the stage is removed, and its queue is empty";

const GIVES_UP: &str = "the queue would delete tasks";

const OVER: &str = "the stage is removed, and so is its override";

const UNSERVED: &str = "the stage is removed, and has no workers";

const FORGOTTEN: &str = "the stage is removed, and no worker looks up its tasks any more";

const RENAMED: &str = "the queue pushes to other workers now";

/// A removed stage's queue may have tasks, so it must not delete them by itself, even if it was changed outside;
/// and what an override has left must not hold them up.
pub(crate) fn keep_tasks(plan: &mut Plan, view: ChainView<'_>) {
    for removed in view.removed_stages() {
        let Some(found) = own_queue(view, &removed) else {
            continue;
        };
        let settings = Box::new(queue_settings::removed_settings(found).difference(found));
        if !settings.is_empty() {
            let queue = removed.queue;
            let adopts = settings.max_attempts.is_some() || settings.max_retry_duration.is_some();
            let reason = if adopts { GIVES_UP } else { OVER };
            plan.push(Step::UpdateQueue { queue, settings }, reason);
        }
    }
}

/// A queue that another chain took over is left to it; only the workers are deleted. One without an
/// owner is left alone: any user who may create Deployments can have one name any queue.
fn own_queue<'a>(view: ChainView<'a>, removed: &RemovedStage) -> Option<&'a Queue> {
    let found = view.observed.queues.get(&removed.queue);
    found.filter(|_| is_owned(view, &removed.queue))
}

/// Whether a queue has no owner.
fn is_unmarked(view: ChainView<'_>, removed: &RemovedStage) -> bool {
    let found = view.observed.queues.get(&removed.queue);
    found.is_some_and(|found| queue_headers::owner(found).is_none())
}

/// The workers of renamed stages are deleted when their queue has pushed elsewhere for long enough.
pub(crate) fn renamed(plan: &mut Plan, view: ChainView<'_>) {
    let ChainView { desired, observed } = view;
    for renamed in view.renamed_stages() {
        let mut stages = desired.stages.iter();
        let stage = stages.find(|stage| stage.queue == renamed.queue);
        let has_others = stage.is_some_and(|stage| {
            Rollout::of(observed.deployments.get(&stage.child)).has_ready_pod()
        });
        let condition = TimedCondition::Readdressed(renamed.queue.clone());
        let delay = desired.timing.address_delay;
        let can_go = has_others && is_readdressed(view, &renamed);
        if can_go && observed.has_elapsed(&condition, delay) {
            delete_workers(plan, view, &[renamed.deployment], RENAMED);
        } else {
            let reason = WaitReason::FormerWorkers(renamed.deployment, renamed.queue.id, delay);
            let left = observed.remaining(&condition, delay).max(Wait::RECHECK);
            plan.wait(Wait::until(
                reason,
                if can_go { left } else { Wait::RECHECK },
            ));
        }
    }
}

/// Services of stages that were removed before they had workers.
pub(crate) fn services(plan: &mut Plan, view: ChainView<'_>) {
    let ChainView { desired, observed } = view;
    let is_needed = |name: &String| {
        let mut stages = desired.stages.iter();
        observed.deployments.contains_key(name) || stages.any(|stage| stage.child == *name)
    };
    for (name, service) in &observed.services {
        if !is_needed(name) && is_ours(&service.metadata, desired.owner.as_ref()) {
            gateway_resources::detach(plan, view, name, UNSERVED);
            plan.push(Step::Delete(ObjectKind::Service.named(name)), UNSERVED);
        }
    }
}

/// What is due on the queues and workers of removed stages.
pub(crate) fn removed(plan: &mut Plan, view: ChainView<'_>) {
    for removed in view.removed_stages() {
        let found = own_queue(view, &removed);
        if has_nothing_left(&removed, found) {
            let is_empty = view.observed.backlogs.get(&removed.queue) == Some(&Backlog::Empty);
            if is_empty && is_due(view, &removed) {
                let queue = removed.queue;
                plan.push(Step::DeleteQueue { queue }, FORGOTTEN);
            }
        } else if is_fed(view, &removed) {
            plan.wait(Wait::soon(WaitReason::Fed(removed.queue.id.clone())));
            if let Some(found) = found {
                decide_pause(plan, view, &removed, found);
            }
        } else if let Some(found) = found {
            drains(plan, view, found, &removed);
        } else if !view.observed.is_known(&removed.queue) {
            plan.wait(Wait::soon(WaitReason::Unlisted(removed.queue.id)));
        } else if is_unmarked(view, &removed) {
            plan.wait(Wait::soon(WaitReason::Unmarked(removed.queue.id)));
        } else {
            // A queue that doesn't exist, or isn't the chain's any more, has no tasks for it.
            delete_workers(plan, view, &removed.deployments, DRAINED);
        }
    }
}

fn decide_pause(
    plan: &mut Plan,
    view: ChainView<'_>,
    removed: &RemovedStage,
    found: &Queue,
) -> PauseDecision {
    let decision = pause::of_removed(view, removed, found);
    let now = QueueNow::found(found);
    carry_out(plan, decision.clone(), &now, view.observed.now);
    decision
}

/// A removed stage that no worker hands tasks over to.
fn drains(plan: &mut Plan, view: ChainView<'_>, found: &Queue, removed: &RemovedStage) {
    let ChainView { desired, observed } = view;
    let queue = || removed.queue.id.clone();
    let backlog = observed.backlogs.get(&removed.queue).copied();
    let has_tasks = backlog.is_some_and(|backlog| backlog != Backlog::Empty);
    if backlog == Some(Backlog::Empty) && is_marked(Some(found)) && is_paused(found) {
        return delete_workers(plan, view, &removed.deployments, DRAINED);
    }
    let decision = decide_pause(plan, view, removed, found);
    if decision == PauseDecision::Pause(PauseCause::Drained) {
        // Once it is paused it is counted again: a task may have come in between.
        plan.wait(Wait::soon(WaitReason::LastCount(queue())));
    } else if !has_tasks || !removed.deployments.is_empty() {
        let condition = TimedCondition::Drained(removed.queue.clone());
        let left = observed.remaining(&condition, desired.timing.hand_over_time);
        let left = left.clamp(Wait::RECHECK, Wait::DRAIN_RECHECK);
        plan.wait(Wait::until(WaitReason::Drains(queue(), backlog), left));
    }
}

/// The Service first, with what is attached to it: without the Deployment nothing would identify it.
fn delete_workers(plan: &mut Plan, view: ChainView<'_>, names: &[String], reason: &'static str) {
    for name in names {
        gateway_resources::detach(plan, view, name, reason);
        if view.observed.services.contains_key(name) {
            plan.push(Step::Delete(ObjectKind::Service.named(name)), reason);
        }
        plan.push(Step::Delete(ObjectKind::Deployment.named(name)), reason);
    }
}
