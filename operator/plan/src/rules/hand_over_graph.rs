//! The hand-over graph: which hand-overs running workers may make.
//!
//! A Deployment says what its pods do; its former pods keep their hand-overs until they have ended.
//! So both are read.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;

use crate::model::{ChainView, Observed};
use crate::objects::names::served_queue;
use crate::objects::worker_env::hand_over_targets;

/// Every hand-over that a running worker may make: from the queue that it serves to the target queue.
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

/// Whether a task that is handed over to one of `targets` could come back to `queue`: two unfinished
/// rollouts would hand it back and forth. The spec's hand-overs count too: they may be in effect by
/// the time a worker gets `targets`. The last stage that is not rolled out never waits for an earlier
/// one, so not all can wait for each other.
pub fn can_return(view: ChainView<'_>, queue: &QueuePath, targets: &BTreeSet<QueuePath>) -> bool {
    let mut hand_overs = hand_overs(view.observed);
    for (index, stage) in view.desired.stages.iter().enumerate() {
        let new = view.desired.hand_over_targets(index).into_iter();
        hand_overs.extend(new.map(|to| (stage.queue.clone(), to)));
    }
    let mut at_once = targets.iter();
    at_once.any(|to| to == queue || reached_from(&hand_overs, to).contains(queue))
}

/// The queues that a task of `start` may reach.
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
