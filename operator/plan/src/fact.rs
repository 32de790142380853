//! What has to hold for a while before something may be done. How long it has held is a value that a
//! plan is given; who forgets it, waits once more.

use std::collections::BTreeSet;

use cloudtasks::{OidcToken, QueuePath};

use crate::backlog::Backlog;
use crate::demand::{token, token_of};
use crate::desired::{Desired, DesiredStage};
use crate::observed::{Observed, Renamed};
use crate::removal::{self, is_fed};
use crate::rollout::Rollout;
use crate::route;

/// Something that holds now, and of which it matters for how long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// No ready pod takes the pushes of the queue of the stage with this child, or they don't come
    /// through to it.
    Unserved(String),
    /// The stage with this child is to have more pods than it had, and not so many are ready yet.
    Grows(String, i32),
    /// The stage with this child has some pods that are not ready, or not as its Deployment says now.
    Incomplete(String),
    /// The queue pushes to the workers that the spec gives it, and former ones are still there.
    Readdressed(QueuePath),
    /// The queue sends this token, which is what the spec says.
    Signs(QueuePath, OidcToken),
    /// The route of this name is there, and nothing is pushed to it any more.
    Bypassed(String),
    /// The removed stage's queue has no tasks, and nobody hands it any.
    Drained(QueuePath),
    /// No queue of the chain has tasks.
    ChainIsEmpty,
}

/// The facts that hold. `known` tells of one whether it held the last time; `None`: nothing is known of
/// the chain, by somebody who starts anew.
pub fn facts(
    desired: &Desired,
    observed: &Observed,
    known: impl Fn(&Fact) -> Option<bool>,
) -> BTreeSet<Fact> {
    let mut facts = BTreeSet::new();
    for stage in &desired.stages {
        let found = observed.deployments.get(&stage.child);
        let rollout = Rollout::of(found);
        if !has_workers(desired, observed, stage) {
            facts.insert(Fact::Unserved(stage.child.clone()));
        }
        if !rollout.is_complete() {
            facts.insert(Fact::Incomplete(stage.child.clone()));
        }
        if let Some(wanted) = stage.replicas.filter(|wanted| rollout.ready < *wanted) {
            let fact = Fact::Grows(stage.child.clone(), wanted);
            // Pods that are merely missing for a while are no growth.
            if rollout.wanted < wanted || known(&fact) != Some(false) {
                facts.insert(fact);
            }
        }
    }
    for stage in &desired.stages {
        if let Some(token) = token(desired).filter(|it| token_of(observed, stage) == Some(it)) {
            facts.insert(Fact::Signs(stage.queue.clone(), token));
        }
    }
    for renamed in observed.renamed_stages(desired) {
        if is_readdressed(desired, observed, &renamed) {
            facts.insert(Fact::Readdressed(renamed.queue));
        }
    }
    let leftovers = removal::left_routes(desired, observed);
    let bypassed = leftovers.filter(|(_, route)| removal::is_bypassed(desired, observed, route));
    facts.extend(bypassed.map(|(name, _)| Fact::Bypassed(name.clone())));
    for removed in observed.removed_stages(desired) {
        let fact = Fact::Drained(removed.queue.clone());
        let is_empty = match observed.backlogs.get(&removed.queue) {
            Some(backlog) => *backlog == Backlog::Empty,
            // Not counted this time: nothing speaks against what was seen before.
            None => known(&fact) == Some(true),
        };
        if is_empty && !is_fed(desired, observed, &removed) {
            facts.insert(fact);
        }
    }
    if desired.finishes && is_empty(desired, observed, known(&Fact::ChainIsEmpty) == Some(true)) {
        facts.insert(Fact::ChainIsEmpty);
    }
    facts
}

/// Whether a stage's queue pushes to where the spec says.
pub(crate) fn pushes_to(observed: &Observed, stage: &DesiredStage) -> bool {
    let target = observed.queues.get(&stage.queue);
    let target = target.and_then(|queue| queue.http_target.as_ref());
    target.is_some_and(|target| target.address.as_ref() == Some(&stage.address))
}

/// The workers to which a stage's queue pushes, by a Service's cluster address or by a route. Where
/// other addresses lead isn't known.
pub(crate) fn leads_to<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    stage: &DesiredStage,
) -> Option<&'a str> {
    let target = observed.queues.get(&stage.queue)?.http_target.as_ref()?;
    let host = target.address.as_ref()?.host.as_str();
    let mut routes = observed.routes(desired);
    let route = routes.find(|(_, route)| route::host(route) == Some(host));
    let by_route = route.and_then(|(_, route)| route::backend(route));
    let inside = format!(".{}.svc.", desired.namespace);
    let mut children = observed.deployments.keys().map(String::as_str);
    by_route.or_else(|| {
        children.find(|child| {
            let rest = host.strip_prefix(child);
            rest.is_some_and(|rest| rest.starts_with(&inside))
        })
    })
}

/// Whether a stage's queue may push to the stage's own workers: as the spec says, or by the way that
/// pushes took before it was edited.
pub(crate) fn may_be_pushed_to(
    desired: &Desired,
    observed: &Observed,
    stage: &DesiredStage,
) -> bool {
    if pushes_to(observed, stage) {
        return true;
    }
    if let Some(child) = leads_to(desired, observed, stage) {
        return child == stage.child;
    }
    // Else it leads to former workers, as long as there are some.
    let mut renamed = observed.renamed_stages(desired).into_iter();
    observed.queues.contains_key(&stage.queue)
        && observed.deployments.contains_key(&stage.child)
        && renamed.all(|it| it.queue != stage.queue)
}

/// Whether a queue pushes to the workers that the spec gives it, and not to the former ones; a route
/// that has its host for longer would go on leading there.
pub(crate) fn is_readdressed(desired: &Desired, observed: &Observed, renamed: &Renamed) -> bool {
    let mut stages = desired.stages.iter();
    let stage = stages.find(|stage| stage.queue == renamed.queue);
    stage.is_some_and(|stage| {
        let mut routes = observed.routes(desired);
        let is_led_astray = routes.any(|(_, route)| {
            route::backend(route) == Some(&renamed.deployment)
                && route::host(route) == Some(&stage.address.host)
        });
        pushes_to(observed, stage) && !is_led_astray
    })
}

/// Whether a ready pod takes the pushes of a stage's queue, and they come through to it: its own, or for
/// as long as the queue pushes to others, theirs. Whom somebody else's address leads to isn't ours to judge.
pub(crate) fn has_workers(desired: &Desired, observed: &Observed, stage: &DesiredStage) -> bool {
    let has_ready_pod = |child: &str| Rollout::of(observed.deployments.get(child)).has_ready_pod();
    if !observed.queues.contains_key(&stage.queue) || pushes_to(observed, stage) {
        return has_ready_pod(&stage.child) && route::is_open(desired, observed, stage);
    }
    if leads_to(desired, observed, stage) == Some(&stage.child) {
        // By the way that pushes took until the spec was edited.
        return has_ready_pod(&stage.child);
    }
    let renamed = observed.renamed_stages(desired).into_iter();
    let mut former = renamed.filter(|it| it.queue == stage.queue).peekable();
    former.peek().is_none() || former.any(|it| has_ready_pod(&it.deployment))
}

/// Whether every queue of the chain was counted and has no tasks; where some were not counted this
/// time, whether it was so before.
fn is_empty(desired: &Desired, observed: &Observed, was_empty: bool) -> bool {
    let removed = observed.removed_stages(desired);
    let queues = desired.stages.iter().map(|stage| &stage.queue);
    let all = queues.chain(removed.iter().map(|removed| &removed.queue));
    let mut counted = all
        .filter(|queue| observed.queues.contains_key(queue))
        .map(|queue| observed.backlogs.get(queue));
    counted.all(|backlog| backlog.map_or(was_empty, |backlog| *backlog == Backlog::Empty))
}
