//! What becomes of stages that the spec names no more, and of the workers of renamed ones.

mod gateway_resources;

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings, QueueState};

use super::queues::wipe;
use crate::model::backlog::Backlog;
use crate::model::chain_view::ChainView;
use crate::model::observed::Observed;
use crate::model::plan::{Concern, Plan, Step, Wait};
use crate::model::queue_headers::{self, PauseReason};
use crate::model::rollout::Rollout;
use crate::model::timed_condition::TimedCondition;
use crate::objects::former_stages::RemovedStage;
use crate::objects::names::is_ours;
use crate::objects::queue_settings;
use crate::rules::drain::{has_nothing_left, is_due, is_fed, is_marked};
use crate::rules::push_target::is_readdressed;

pub(super) use gateway_resources::{policies, routes};

const OUR_PAUSE_ENDS: &str = "we paused it, and the reason is gone";

const CAME_LATE: &str = "tasks came after it was seen empty";

const DRAINED: &str = "the stage is removed, and its queue is empty";

const DESERTED: &str = "its workers are gone";

const GIVES_UP: &str = "the queue would give tasks up by itself";

const UNSERVED: &str = "the stage is removed, and has no workers";

const FORGOTTEN: &str = "the stage is removed, and nothing looks for its tasks any more";

const RENAMED: &str = "the queue pushes to other workers now";

/// As long as there may be tasks in a removed stage's queue it must not give them up by itself, whoever
/// has changed it.
pub(crate) fn keep_tasks(plan: &mut Plan, view: ChainView<'_>) {
    for removed in view.removed_stages() {
        let found = view.observed.queues.get(&removed.queue);
        let ours = found.filter(|found| {
            queue_headers::owner(found).is_none_or(|owner| owner == view.desired.queue_owner)
        });
        let Some(found) = ours else { continue };
        let settings = Box::new(queue_settings::difference(
            found,
            &queue_settings::never_gives_up(),
        ));
        if !settings.is_empty() {
            let queue = removed.queue;
            plan.push(Step::UpdateQueue { queue, settings }, GIVES_UP);
        }
    }
}

/// The workers of renamed stages go when their queue has pushed elsewhere for long enough.
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
            plan.wait(Wait {
                concerns: Concern::Removal,
                sentence: format!(
                    "the former workers {} of queue {} go {} s after it has begun to push to the new ones",
                    renamed.deployment,
                    renamed.queue.id,
                    delay.as_secs()
                ),
                recheck_in: Some(if can_go {
                    observed.remaining(&condition, delay).max(Wait::RECHECK)
                } else {
                    Wait::RECHECK
                }),
            });
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
            let name = name.clone();
            gateway_resources::detach(plan, view, &name, UNSERVED);
            plan.push(Step::DeleteService { name }, UNSERVED);
        }
    }
}

/// What is due on the queues and workers of removed stages.
pub(crate) fn removed(plan: &mut Plan, view: ChainView<'_>) {
    let ChainView { desired, observed } = view;
    for removed in view.removed_stages() {
        let found = observed.queues.get(&removed.queue);
        let found = found.filter(|found| {
            // Whoever took the queue over has it; only our workers are left to remove.
            queue_headers::owner(found).is_none_or(|owner| owner == desired.queue_owner)
        });
        let is_done = has_nothing_left(&removed, found);
        if is_done && is_due(view, &removed) {
            forget(plan, observed, &removed.queue);
        } else if !is_done && is_fed(view, &removed) {
            plan.wait(Wait {
                concerns: Concern::Removal,
                sentence: format!("other workers may still hand tasks to {}", removed.queue.id),
                recheck_in: Some(Wait::RECHECK),
            });
            if let Some(found) = found.filter(|_| has_ready_pod(observed, &removed)) {
                lift(plan, found, OUR_PAUSE_ENDS);
            }
        } else if !is_done {
            drains(plan, view, found, &removed);
        }
    }
}

/// Workers look for nothing in the queue any more.
fn forget(plan: &mut Plan, observed: &Observed, queue: &QueuePath) {
    if observed.backlogs.get(queue) == Some(&Backlog::Empty) {
        let queue = queue.clone();
        plan.push(Step::DeleteQueue { queue }, FORGOTTEN);
    }
}

/// A removed stage that nobody feeds.
fn drains(plan: &mut Plan, view: ChainView<'_>, found: Option<&Queue>, removed: &RemovedStage) {
    let ChainView { desired, observed } = view;
    // Nothing is left in a queue that isn't there, or isn't ours any more.
    let Some(found) = found else {
        return delete_workers(plan, view, &removed.deployments, DRAINED);
    };
    let backlog = observed.backlogs.get(&removed.queue);
    let is_marked = is_marked(Some(found));
    let is_paused = found.state == QueueState::Paused;
    let has_workers = !removed.deployments.is_empty();
    let condition = TimedCondition::Drained(removed.queue.clone());
    let apart = desired.timing.hand_over_time;
    match backlog {
        Some(Backlog::Empty) if is_marked && is_paused => {
            return delete_workers(plan, view, &removed.deployments, DRAINED);
        }
        Some(Backlog::Empty) if observed.has_elapsed(&condition, apart) => {
            return drained(plan, observed, found);
        }
        Some(Backlog::Empty) if is_marked => {}
        Some(_) if has_workers && !has_ready_pod(observed, removed) => {}
        Some(_) if has_workers => {
            lift(
                plan,
                found,
                if is_marked { CAME_LATE } else { OUR_PAUSE_ENDS },
            );
        }
        Some(Backlog::Few | Backlog::Tens | Backlog::Many) => {
            // Kept until somebody decides: pushes would meet nobody.
            if !is_paused {
                let target = queue_settings::target_with_reason(found, PauseReason::Retain);
                pause(plan, found, target, DESERTED);
            }
            return;
        }
        Some(Backlog::Empty) | None => {}
    }
    let left = backlog.map_or_else(|| "could not be counted".to_owned(), ToString::to_string);
    plan.wait(Wait {
        concerns: Concern::Removal,
        sentence: format!("{} drains: {left}", removed.queue.id),
        recheck_in: Some(
            observed
                .remaining(&condition, apart)
                .clamp(Wait::RECHECK, Wait::DRAIN_RECHECK),
        ),
    });
}

/// It is empty. Once it is paused it is looked at again: a task may have come in between.
fn drained(plan: &mut Plan, observed: &Observed, found: &Queue) {
    let target = queue_settings::target_of_drained(found, observed.now);
    pause(plan, found, target, DRAINED);
    plan.wait(Wait::recheck(
        Concern::Removal,
        format!("{} is looked at once more", found.path.id),
    ));
}

/// The reason, then the pause: see [`crate::order`].
fn pause(plan: &mut Plan, found: &Queue, target: HttpTarget, reason: &'static str) {
    let queue = found.path.clone();
    // Whoever died in between has written it.
    if found.http_target.as_ref() != Some(&target) {
        let settings = Box::new(QueueSettings {
            http_target: Some(target),
            ..QueueSettings::default()
        });
        let queue = queue.clone();
        plan.push(Step::UpdateQueue { queue, settings }, reason);
    }
    if found.state != QueueState::Paused {
        plan.push(Step::PauseQueue { queue }, reason);
    }
}

/// Whether somebody takes the pushes of a removed stage's queue.
fn has_ready_pod(observed: &Observed, removed: &RemovedStage) -> bool {
    let mut deployments = removed.deployments.iter();
    deployments.any(|name| Rollout::of(observed.deployments.get(name)).has_ready_pod())
}

/// Lifts our pause of a removed stage that has its workers: what waits there must be served.
fn lift(plan: &mut Plan, found: &Queue, reason: &'static str) {
    if queue_headers::pause_reason(found).is_none() {
        return;
    }
    let queue = found.path.clone();
    if found.state == QueueState::Paused {
        plan.push(
            Step::ResumeQueue {
                queue: queue.clone(),
            },
            reason,
        );
    }
    wipe(
        plan,
        &queue,
        Some(queue_settings::target_without_reason(found)),
    );
}

/// The Service first, with what is attached to it: without the Deployment nothing would tell what it
/// was.
fn delete_workers(plan: &mut Plan, view: ChainView<'_>, names: &[String], reason: &'static str) {
    for name in names {
        let name = name.clone();
        gateway_resources::detach(plan, view, &name, reason);
        if view.observed.services.contains_key(&name) {
            plan.push(Step::DeleteService { name: name.clone() }, reason);
        }
        plan.push(Step::DeleteDeployment { name }, reason);
    }
}
