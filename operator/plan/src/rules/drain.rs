//! How far a removed stage has drained.
//!
//! It begins when the last pod that could hand tasks over to it has ended. Then its queue has to be
//! counted empty twice, as far apart as a hand-over can last. Then it is paused and counted once
//! more, since a producer may still create tasks; only then its workers are deleted. Queues drain,
//! not stages: one that the spec names never does.

use cloudtasks::{Queue, QueuePath, QueueState};
use crds::DeletionPolicy;

use super::hand_over_graph::{hand_overs, reached_from};
use crate::model::{Backlog, ChainView, Observed, PauseReason, Rollout, queue_headers};
use crate::objects::former_stages::RemovedStage;

/// The state of a removed stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Running workers may still hand tasks over to it.
    Fed,
    /// It runs what it has: so many tasks, if they were counted.
    Drains(Option<Backlog>),
    /// It has tasks and no workers.
    Deserted,
    /// It is empty and paused, without workers.
    Drained,
}

/// The state of a removed stage.
pub fn drain(view: ChainView<'_>, removed: &RemovedStage) -> Drain {
    let backlog = view.observed.backlog(&removed.queue);
    let has_tasks = backlog.is_some_and(|backlog| backlog != Backlog::Empty);
    if has_nothing_left(removed, view.observed.queues.get(&removed.queue)) && !has_tasks {
        Drain::Drained
    } else if is_fed(view, removed) {
        Drain::Fed
    } else if removed.deployments.is_empty() && has_tasks {
        Drain::Deserted
    } else {
        Drain::Drains(backlog)
    }
}

/// Whether the operator paused a queue because it was empty.
pub(crate) fn is_marked(found: Option<&Queue>) -> bool {
    found.and_then(queue_headers::pause_reason) == Some(PauseReason::Drained)
}

/// Whether a queue is all that is left of a removed stage, paused because it was empty, and isn't to
/// be deleted yet: it need not be counted often.
pub fn is_at_rest(view: ChainView<'_>, queue: &QueuePath) -> bool {
    let removed = view.removed_stages();
    let mut removed = removed.iter().filter(|removed| removed.queue == *queue);
    removed.any(|removed| {
        has_nothing_left(removed, view.observed.queues.get(queue)) && !is_due(view, removed)
    })
}

/// Whether nothing is left to do for a removed stage.
pub(crate) fn has_nothing_left(removed: &RemovedStage, found: Option<&Queue>) -> bool {
    let is_paused = found.is_some_and(|queue| queue.state == QueueState::Paused);
    removed.deployments.is_empty() && is_paused && is_marked(found)
}

/// Whether a task may still be handed over to a removed stage's queue. An unfinished rollout may
/// bring former pods back.
pub fn is_fed(view: ChainView<'_>, removed: &RemovedStage) -> bool {
    let mut stages = view.desired.stages.iter();
    let unrolled = stages.any(|stage| {
        let found = view.observed.deployments.get(&stage.child);
        found.is_some() && !Rollout::of(found).is_rolled
    });
    unrolled || has_feeder(view.observed, &removed.queue)
}

/// Whether running workers may hand tasks over to a queue. Removed stages that hand over to each
/// other in a circle end together, when all their queues are empty.
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

/// The queues whose tasks have to be counted, in the order of the stages: what left one before it was
/// counted is found in a later one.
pub fn queues_to_count(view: ChainView<'_>) -> Vec<QueuePath> {
    let stages = view.desired.stages.iter().filter(|_| view.desired.finishes);
    let named = stages.map(|stage| stage.queue.clone());
    let removed = view.removed_stages().into_iter();
    let removed = removed.filter(|removed| is_owned(view, &removed.queue));
    named
        .chain(removed.map(|removed| removed.queue))
        .filter(|queue| view.observed.queues.contains_key(queue))
        .collect()
}

/// Whether a queue has the chain's name on it.
pub(crate) fn is_owned(view: ChainView<'_>, queue: &QueuePath) -> bool {
    let found = view.observed.queues.get(queue);
    found.and_then(queue_headers::owner) == Some(&view.desired.queue_owner)
}

/// Whether a drained queue is to be deleted, if it is empty still.
pub(crate) fn is_due(view: ChainView<'_>, removed: &RemovedStage) -> bool {
    let ChainView { desired, observed } = view;
    let drained = observed
        .queues
        .get(&removed.queue)
        .and_then(queue_headers::drained_since);
    let age = drained.and_then(|since| observed.now.duration_since(since).try_into().ok());
    desired.deletion_policy == DeletionPolicy::Delete
        && removed.deployments.is_empty()
        && age.is_some_and(|age: std::time::Duration| age >= desired.timing.name_memory)
}
