//! Who hands tasks to whom: the hand-overs that living workers may make.
//!
//! A Deployment tells what its pods will do; its former pods go on doing what they were told, until
//! they have ended. So both are asked.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;

use crate::model::{ChainView, Observed};
use crate::objects::names::served_queue;
use crate::objects::worker_env::hand_over_targets;

/// Every hand-over that a living worker may make: from the queue that it serves to the one that it
/// hands to.
pub fn hand_overs(observed: &Observed) -> BTreeSet<(QueuePath, QueuePath)> {
    let deployments = observed.deployments.values().filter_map(|deployment| {
        let queue = served_queue(deployment)?;
        Some((queue, hand_over_targets(deployment)))
    });
    let pods = observed.pods.iter();
    let pods = pods.map(|pod| (pod.queue.clone(), pod.targets.clone()));
    let all = deployments.chain(pods).flat_map(|(from, targets)| {
        let pairs = targets.into_iter().map(move |to| (from.clone(), to));
        pairs.collect::<Vec<_>>()
    });
    all.collect()
}

/// Whether a task that is handed to one of `targets` could come back to `queue`: two rollouts that
/// are half done would play ping-pong with it. What the spec says counts as done: it may be, by the
/// time that a worker hears of `targets`. The last stage of the ladder that isn't told yet never has
/// to wait for one before it, so not all can wait for each other.
pub fn can_return(view: ChainView<'_>, queue: &QueuePath, targets: &BTreeSet<QueuePath>) -> bool {
    let mut hand_overs = hand_overs(view.observed);
    for (index, stage) in view.desired.stages.iter().enumerate() {
        let new = view.desired.hand_over_targets(index).into_iter();
        hand_overs.extend(new.map(|to| (stage.queue.clone(), to)));
    }
    let mut at_once = targets.iter();
    at_once.any(|to| to == queue || reached_from(&hand_overs, to).contains(queue))
}

/// The queues to which a task of `start` may be handed, at once or on the way.
pub(crate) fn reached_from<'a>(
    hand_overs: &'a BTreeSet<(QueuePath, QueuePath)>,
    start: &'a QueuePath,
) -> BTreeSet<&'a QueuePath> {
    let mut reached = BTreeSet::new();
    let mut next = vec![start];
    while let Some(at) = next.pop() {
        let onward = hand_overs.iter().filter(|(from, _)| from == at);
        next.extend(onward.map(|(_, to)| to).filter(|to| reached.insert(*to)));
    }
    reached
}
