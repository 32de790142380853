//! Which timed conditions hold now.

use std::collections::BTreeSet;

use super::drain::{is_fed, is_owned};
use super::push_target::{has_workers, is_readdressed};
use super::token_rotation::token_of;
use super::unused_routes;
use crate::model::{Backlog, ChainView, Rollout, TimedCondition};
use crate::objects::route::left_routes;

/// The timed conditions that hold. `known` says of one whether it held the last time; `None` after a
/// restart, when nothing is known of the chain.
pub fn timed_conditions(
    view: ChainView<'_>,
    known: impl Fn(&TimedCondition) -> Option<bool>,
) -> BTreeSet<TimedCondition> {
    let ChainView { desired, observed } = view;
    let mut timed_conditions = BTreeSet::new();
    for stage in &desired.stages {
        let found = observed.deployments.get(&stage.child);
        let rollout = Rollout::of(found);
        if !has_workers(view, stage) {
            timed_conditions.insert(TimedCondition::Unserved(stage.child.clone()));
        }
        if !rollout.is_complete() {
            timed_conditions.insert(TimedCondition::RolloutIncomplete(stage.child.clone()));
        }
        if let Some(wanted) = stage.replicas.filter(|wanted| rollout.ready < *wanted) {
            let condition = TimedCondition::ScalesUp(stage.child.clone(), wanted);
            // Pods that are missing for a while are no growth.
            if rollout.wanted < wanted || known(&condition) != Some(false) {
                timed_conditions.insert(condition);
            }
        }
    }
    for stage in &desired.stages {
        if let Some(token) = desired
            .token()
            .filter(|it| token_of(observed, stage) == Some(it))
        {
            timed_conditions.insert(TimedCondition::SendsToken(stage.queue.clone(), token));
        }
    }
    for renamed in view.renamed_stages() {
        if is_readdressed(view, &renamed) {
            timed_conditions.insert(TimedCondition::Readdressed(renamed.queue));
        }
    }
    let leftovers = left_routes(view);
    let bypassed = leftovers.filter(|(_, route)| unused_routes::is_unused(view, route));
    timed_conditions.extend(bypassed.map(|(name, _)| TimedCondition::RouteUnused(name.clone())));
    for removed in view.removed_stages() {
        let condition = TimedCondition::Drained(removed.queue.clone());
        let is_empty = match observed.backlogs.get(&removed.queue) {
            Some(backlog) => *backlog == Backlog::Empty,
            // Not counted this time: the last count stands.
            None => known(&condition) == Some(true),
        };
        if is_empty && !is_fed(view, &removed) {
            timed_conditions.insert(condition);
        }
    }
    if desired.finishes && is_empty(view, known(&TimedCondition::ChainIsEmpty) == Some(true)) {
        timed_conditions.insert(TimedCondition::ChainIsEmpty);
    }
    timed_conditions
}

/// Whether every queue of the chain was counted and has no tasks; where some were not counted this
/// time, whether it was so before.
fn is_empty(view: ChainView<'_>, was_empty: bool) -> bool {
    let removed = view.removed_stages();
    let queues = view.desired.stages.iter().map(|stage| &stage.queue);
    let removed = removed.iter().map(|removed| &removed.queue);
    let removed = removed.filter(|queue| is_owned(view, queue) || !view.observed.is_known(queue));
    let all = queues.chain(removed);
    let mut known = all.filter(|queue| !view.observed.absent_queues.contains(queue));
    known.all(|queue| match view.observed.backlogs.get(queue) {
        Some(backlog) => *backlog == Backlog::Empty,
        None => was_empty && view.observed.queues.contains_key(queue),
    })
}
