//! What has to hold for a while before something may be done. How long it has held is a value that a
//! plan is given; who forgets it, waits once more.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;

use crate::backlog::Backlog;
use crate::desired::Desired;
use crate::observed::Observed;
use crate::removal::is_fed;
use crate::rollout::{Rollout, is_served};

/// Something that holds now, and of which it matters for how long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The stage with this child has no ready pod, and none that had its queue before it was renamed.
    NoReadyPod(String),
    /// The stage with this child has fewer ready pods than the spec says.
    TooFewReady(String),
    /// The queue pushes to the workers that the spec gives it, and former ones are still there.
    Readdressed(QueuePath),
    /// The removed stage's queue has no tasks, and nobody hands it any.
    Drained(QueuePath),
    /// No queue of the chain has tasks.
    ChainIsEmpty,
}

/// The facts that hold.
pub fn facts(desired: &Desired, observed: &Observed) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    for stage in &desired.stages {
        let rollout = Rollout::of(observed.deployments.get(&stage.child));
        if !is_served(desired, observed, stage) {
            facts.insert(Fact::NoReadyPod(stage.child.clone()));
        }
        if stage.replicas.is_some_and(|wanted| rollout.ready < wanted) {
            facts.insert(Fact::TooFewReady(stage.child.clone()));
        }
    }
    for renamed in observed.renamed_stages(desired) {
        let mut stages = desired.stages.iter();
        let stage = stages.find(|stage| stage.queue == renamed.queue);
        let found = observed.queues.get(&renamed.queue);
        let address = found.and_then(|queue| queue.http_target.as_ref()?.address.as_ref());
        if stage.is_some_and(|stage| address == Some(&stage.address)) {
            facts.insert(Fact::Readdressed(renamed.queue));
        }
    }
    for removed in observed.removed_stages(desired) {
        let is_empty = observed.backlogs.get(&removed.queue) == Some(&Backlog::Empty);
        if is_empty && !is_fed(desired, observed, &removed) {
            facts.insert(Fact::Drained(removed.queue));
        }
    }
    if desired.finishes && is_empty(desired, observed) {
        facts.insert(Fact::ChainIsEmpty);
    }
    facts
}

/// Whether every queue of the chain was looked at and has no tasks.
fn is_empty(desired: &Desired, observed: &Observed) -> bool {
    let removed = observed.removed_stages(desired);
    let queues = desired.stages.iter().map(|stage| &stage.queue);
    queues
        .chain(removed.iter().map(|removed| &removed.queue))
        .filter(|queue| observed.queues.contains_key(queue))
        .all(|queue| observed.backlogs.get(queue) == Some(&Backlog::Empty))
}
