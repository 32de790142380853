//! What becomes of stages that the spec names no more, and of the workers of renamed ones.
//!
//! A removed stage drains: nobody hands it tasks any more, which takes until the last pod that was
//! told to has ended; then its queue has to be seen empty twice, as far apart as a hand-over can
//! last. Then it is paused, and looked at once more, since a producer may still put tasks there; and
//! only then its workers go. Queues drain, not stages: one that the spec names never does.

mod attached;

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings, QueueState};
use crds::DeletionPolicy;

use crate::backlog::Backlog;
use crate::child::is_ours;
use crate::desired::Desired;
use crate::fact::{Fact, is_readdressed};
use crate::hand_overs::{hand_overs, reached_from};
use crate::observed::{Observed, Removed};
use crate::order::wipe;
use crate::queue::{self, Pause};
use crate::rollout::Rollout;
use crate::step::{Concern, Plan, Step, Wait};

const OUR_PAUSE_ENDS: &str = "we paused it, and the reason is gone";
const CAME_LATE: &str = "tasks came after it was seen empty";
const DRAINED: &str = "the stage is removed, and its queue is empty";
const DESERTED: &str = "its workers are gone";
const GIVES_UP: &str = "the queue would give tasks up by itself";
const UNSERVED: &str = "the stage is removed, and has no workers";
const FORGOTTEN: &str = "the stage is removed, and nothing looks for its tasks any more";
const RENAMED: &str = "the queue pushes to other workers now";

pub(crate) use attached::{is_bypassed, left_routes, policies, routes};

/// How a removed stage stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Workers that live may still hand it tasks.
    Fed,
    /// It works on what it has; how much that is, if it could be looked at.
    Drains(Option<Backlog>),
    /// It has tasks and no workers.
    Deserted,
    /// It is empty, and paused; its workers are gone.
    Drained,
}

/// How a removed stage stands.
pub fn drain(desired: &Desired, observed: &Observed, removed: &Removed) -> Drain {
    let backlog = observed.backlog(&removed.queue);
    let has_tasks = backlog.is_some_and(|backlog| backlog != Backlog::Empty);
    if has_nothing_left(removed, observed.queues.get(&removed.queue)) && !has_tasks {
        Drain::Drained
    } else if is_fed(desired, observed, removed) {
        Drain::Fed
    } else if removed.deployments.is_empty() && has_tasks {
        Drain::Deserted
    } else {
        Drain::Drains(backlog)
    }
}

/// Whether we have paused a queue because it was empty.
fn is_marked(found: Option<&Queue>) -> bool {
    found.and_then(queue::pause_reason) == Some(Pause::Drained)
}

/// Whether a queue is a removed stage's of which nothing else is left, was paused because it was empty,
/// and isn't to go yet: it need not be looked at often.
pub fn rests(desired: &Desired, observed: &Observed, queue: &QueuePath) -> bool {
    let removed = observed.removed_stages(desired);
    let mut removed = removed.iter().filter(|removed| removed.queue == *queue);
    removed.any(|removed| {
        has_nothing_left(removed, observed.queues.get(queue)) && !is_due(desired, observed, removed)
    })
}

/// Whether nothing is left to do for a removed stage.
fn has_nothing_left(removed: &Removed, found: Option<&Queue>) -> bool {
    let is_paused = found.is_some_and(|queue| queue.state == QueueState::Paused);
    removed.deployments.is_empty() && is_paused && is_marked(found)
}

/// Whether a task may still be handed to a removed stage's queue. A rollout that isn't done may bring
/// former pods back.
pub fn is_fed(desired: &Desired, observed: &Observed, removed: &Removed) -> bool {
    let mut stages = desired.stages.iter();
    let unrolled = stages.any(|stage| {
        let found = observed.deployments.get(&stage.child);
        found.is_some() && !Rollout::of(found).is_rolled
    });
    unrolled || has_feeder(observed, &removed.queue)
}

/// Whether living workers may hand tasks to a queue. Those of removed stages that hand to each other in
/// a circle end together: when all their queues are empty.
fn has_feeder(observed: &Observed, queue: &QueuePath) -> bool {
    let hand_overs = hand_overs(observed);
    let from_here = reached_from(&hand_overs, queue);
    let in_circle = |other: &QueuePath| {
        other == queue
            || (from_here.contains(other) && reached_from(&hand_overs, other).contains(queue))
    };
    hand_overs.iter().any(|(from, to)| {
        if in_circle(from) {
            from != queue && observed.backlog(from) != Some(Backlog::Empty)
        } else {
            in_circle(to)
        }
    })
}

/// The queues whose tasks have to be counted, in the order in which tasks climb: what left one before
/// it was seen empty is found in a later one.
pub fn looks(desired: &Desired, observed: &Observed) -> Vec<QueuePath> {
    let stages = desired.stages.iter().filter(|_| desired.finishes);
    let named = stages.map(|stage| stage.queue.clone());
    let removed = observed.removed_stages(desired).into_iter();
    named
        .chain(removed.map(|removed| removed.queue))
        .filter(|queue| observed.queues.contains_key(queue))
        .collect()
}

/// Whether a drained queue is to be deleted, if it is empty still.
fn is_due(desired: &Desired, observed: &Observed, removed: &Removed) -> bool {
    let drained = observed
        .queues
        .get(&removed.queue)
        .and_then(queue::drained_since);
    let age = drained.and_then(|since| observed.now.duration_since(since).try_into().ok());
    desired.deletion_policy == DeletionPolicy::Delete
        && removed.deployments.is_empty()
        && age.is_some_and(|age: std::time::Duration| age >= desired.timing.name_memory)
}

/// As long as there may be tasks in a removed stage's queue it must not give them up by itself, whoever
/// has changed it.
pub(crate) fn keep_tasks(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    for removed in observed.removed_stages(desired) {
        let found = observed.queues.get(&removed.queue);
        let ours = found
            .filter(|found| queue::owner(found).is_none_or(|owner| owner == desired.queue_owner));
        let Some(found) = ours else { continue };
        let settings = Box::new(queue::difference(found, &queue::never_gives_up()));
        if !settings.is_empty() {
            let queue = removed.queue;
            plan.push(Step::UpdateQueue { queue, settings }, GIVES_UP);
        }
    }
}

/// The workers of renamed stages go when their queue has pushed elsewhere for long enough.
pub(crate) fn renamed(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    for renamed in observed.renamed_stages(desired) {
        let mut stages = desired.stages.iter();
        let stage = stages.find(|stage| stage.queue == renamed.queue);
        let has_others = stage.is_some_and(|stage| {
            Rollout::of(observed.deployments.get(&stage.child)).has_ready_pod()
        });
        let fact = Fact::Readdressed(renamed.queue.clone());
        let delay = desired.timing.address_delay;
        let can_go = has_others && is_readdressed(desired, observed, &renamed);
        if can_go && observed.has_held(&fact, delay) {
            delete_workers(plan, desired, observed, &[renamed.deployment], RENAMED);
        } else {
            plan.wait(Wait {
                concerns: Concern::Removal,
                sentence: format!(
                    "the former workers {} of queue {} go {} s after it has begun to push to the new ones",
                    renamed.deployment,
                    renamed.queue.id,
                    delay.as_secs()
                ),
                look_in: Some(if can_go {
                    observed.left_of(&fact, delay).max(Wait::LOOK)
                } else {
                    Wait::LOOK
                }),
            });
        }
    }
}

/// Services of stages that were removed before they had workers.
pub(crate) fn services(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    let is_needed = |name: &String| {
        let mut stages = desired.stages.iter();
        observed.deployments.contains_key(name) || stages.any(|stage| stage.child == *name)
    };
    for (name, service) in &observed.services {
        if !is_needed(name) && is_ours(&service.metadata, desired.owner.as_ref()) {
            let name = name.clone();
            attached::detach(plan, desired, observed, &name, UNSERVED);
            plan.push(Step::DeleteService { name }, UNSERVED);
        }
    }
}

/// What is due on the queues and workers of removed stages.
pub(crate) fn removed(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    for removed in observed.removed_stages(desired) {
        let found = observed.queues.get(&removed.queue);
        let found = found.filter(|found| {
            // Whoever took the queue over has it; only our workers are left to remove.
            queue::owner(found).is_none_or(|owner| owner == desired.queue_owner)
        });
        let is_done = has_nothing_left(&removed, found);
        if is_done && is_due(desired, observed, &removed) {
            forget(plan, observed, &removed.queue);
        } else if !is_done && is_fed(desired, observed, &removed) {
            plan.wait(Wait {
                concerns: Concern::Removal,
                sentence: format!("other workers may still hand tasks to {}", removed.queue.id),
                look_in: Some(Wait::LOOK),
            });
            if let Some(found) = found.filter(|_| has_ready_pod(observed, &removed)) {
                lift(plan, found, OUR_PAUSE_ENDS);
            }
        } else if !is_done {
            drains(plan, desired, observed, found, &removed);
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
fn drains(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    found: Option<&Queue>,
    removed: &Removed,
) {
    // Nothing is left in a queue that isn't there, or isn't ours any more.
    let Some(found) = found else {
        return delete_workers(plan, desired, observed, &removed.deployments, DRAINED);
    };
    let backlog = observed.backlogs.get(&removed.queue);
    let is_marked = is_marked(Some(found));
    let is_paused = found.state == QueueState::Paused;
    let has_workers = !removed.deployments.is_empty();
    let fact = Fact::Drained(removed.queue.clone());
    let apart = desired.timing.hand_over_time;
    match backlog {
        Some(Backlog::Empty) if is_marked && is_paused => {
            return delete_workers(plan, desired, observed, &removed.deployments, DRAINED);
        }
        Some(Backlog::Empty) if observed.has_held(&fact, apart) => {
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
                let target = queue::target_with_reason(found, Pause::Retain);
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
        look_in: Some(
            observed
                .left_of(&fact, apart)
                .clamp(Wait::LOOK, Wait::DRAIN_LOOK),
        ),
    });
}

/// It is empty. Once it is paused it is looked at again: a task may have come in between.
fn drained(plan: &mut Plan, observed: &Observed, found: &Queue) {
    let target = queue::target_of_drained(found, observed.now);
    pause(plan, found, target, DRAINED);
    plan.wait(Wait::again(
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
fn has_ready_pod(observed: &Observed, removed: &Removed) -> bool {
    let mut deployments = removed.deployments.iter();
    deployments.any(|name| Rollout::of(observed.deployments.get(name)).has_ready_pod())
}

/// Lifts our pause of a removed stage that has its workers: what waits there must be served.
fn lift(plan: &mut Plan, found: &Queue, reason: &'static str) {
    if queue::pause_reason(found).is_none() {
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
    wipe(plan, &queue, Some(queue::target_without_reason(found)));
}

/// The Service first, with what is attached to it: without the Deployment nothing would tell what it
/// was.
fn delete_workers(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    names: &[String],
    reason: &'static str,
) {
    for name in names {
        let name = name.clone();
        attached::detach(plan, desired, observed, &name, reason);
        if observed.services.contains_key(&name) {
            plan.push(Step::DeleteService { name: name.clone() }, reason);
        }
        plan.push(Step::DeleteDeployment { name }, reason);
    }
}
