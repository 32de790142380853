//! Which workers a queue pushes to, and whether they take its pushes.

use cloudtasks::{Address, Queue};

use super::hand_over_graph::can_return;
use super::token_rotation::{all_accept, token_of};
use crate::model::{AddressObstacle, ChainView, DesiredStage, Observed, Rollout, TimedCondition};
use crate::objects::former_stages::RenamedStage;
use crate::objects::route;
use crate::objects::worker_env;
use crate::rules::route_acceptance;

/// Whether a stage's queue pushes to where the spec says.
pub(crate) fn pushes_to(observed: &Observed, stage: &DesiredStage) -> bool {
    let found = observed.queues.get(&stage.queue);
    found.and_then(Queue::address) == Some(&stage.address)
}

/// The workers to which a stage's queue pushes, by a Service's cluster address or by a route. Where
/// other addresses lead isn't known.
pub(crate) fn leads_to<'a>(view: ChainView<'a>, stage: &DesiredStage) -> Option<&'a str> {
    let found = view.observed.queues.get(&stage.queue)?;
    let host = found.address()?.host.as_str();
    let mut routes = view.routes();
    let route = routes.find(|(_, route)| route::host(route) == Some(host));
    let by_route = route.and_then(|(_, route)| route::backend(route));
    let inside = format!(".{}.svc.", view.desired.namespace);
    let mut children = view.observed.deployments.keys().map(String::as_str);
    by_route.or_else(|| {
        children.find(|child| {
            let rest = host.strip_prefix(child);
            rest.is_some_and(|rest| rest.starts_with(&inside))
        })
    })
}

/// Whether a stage's queue may push to the stage's own workers: by the spec's address, or by the one
/// before the edit.
pub(crate) fn may_be_pushed_to(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    if pushes_to(view.observed, stage) {
        return true;
    }
    if let Some(child) = leads_to(view, stage) {
        return child == stage.child;
    }
    // Else it leads to former workers, as long as they exist.
    let mut renamed = view.renamed_stages().into_iter();
    view.observed.queues.contains_key(&stage.queue)
        && view.observed.deployments.contains_key(&stage.child)
        && renamed.all(|it| it.queue != stage.queue)
}

/// Whether a queue pushes to the workers of the spec, and not to the former ones: an older route with
/// its host still leads to them.
pub(crate) fn is_readdressed(view: ChainView<'_>, renamed: &RenamedStage) -> bool {
    let mut stages = view.desired.stages.iter();
    let stage = stages.find(|stage| stage.queue == renamed.queue);
    stage.is_some_and(|stage| {
        let mut routes = view.routes();
        let is_led_astray = routes.any(|(_, route)| {
            route::backend(route) == Some(&renamed.deployment)
                && route::host(route) == Some(&stage.address.host)
        });
        pushes_to(view.observed, stage) && !is_led_astray
    })
}

/// Whether pushes of a stage's queue reach a ready pod: its own, or while the queue pushes to former
/// workers, theirs. Where other addresses lead isn't known.
pub(crate) fn has_workers(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let has_ready_pod =
        |child: &str| Rollout::of(view.observed.deployments.get(child)).has_ready_pod();
    if !view.observed.queues.contains_key(&stage.queue) || pushes_to(view.observed, stage) {
        return has_ready_pod(&stage.child) && route_acceptance::is_open(view, stage);
    }
    if leads_to(view, stage) == Some(&stage.child) {
        // By the address before the edit.
        return has_ready_pod(&stage.child);
    }
    let renamed = view.renamed_stages().into_iter();
    let mut former = renamed.filter(|it| it.queue == stage.queue).peekable();
    former.peek().is_none() || former.any(|it| has_ready_pod(&it.deployment))
}

/// Where the queue may push to now: to the stage's workers, or else what prevents that.
pub(crate) fn next_address(
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> (Option<Address>, Option<AddressObstacle>) {
    let ChainView { desired, observed } = view;
    let wanted = Some(stage.address.clone());
    let Some(found) = observed.queues.get(&stage.queue) else {
        return (wanted, None);
    };
    let now = found.address().cloned();
    if now == wanted {
        return (wanted, None);
    }
    let index = desired.stages.iter().position(|it| it.name == stage.name);
    let found_workers = observed.deployments.get(&stage.child);
    let mut targets = index
        .map(|index| desired.hand_over_targets(index))
        .unwrap_or_default();
    // Until they are rolled out they keep their hand-overs.
    targets.extend(
        found_workers
            .map(worker_env::hand_over_targets)
            .unwrap_or_default(),
    );
    let rollout = Rollout::of(found_workers);
    // The former workers serve the queue until all new ones are ready; bounded, or a pod that never
    // gets ready would block the rest.
    let condition = TimedCondition::RolloutIncomplete(stage.child.clone());
    let has_waited = observed.has_elapsed(&condition, desired.timing.replicas_patience);
    let is_enough = rollout.is_complete() || (rollout.has_ready_pod() && has_waited);
    if !is_enough {
        (now, Some(AddressObstacle::WorkersNotReady))
    } else if can_return(view, &stage.queue, &targets) {
        (now, Some(AddressObstacle::TasksCouldReturn))
    } else if !all_accept(observed, stage, desired.token().as_ref())
        && !all_accept(observed, stage, token_of(observed, stage))
    {
        (now, Some(AddressObstacle::TokenNotAccepted))
    } else if !route_acceptance::may_push(view, stage) {
        // Pushes keep their former address: a refusal may need a person.
        (now, Some(AddressObstacle::RouteNotAccepted))
    } else {
        (wanted, None)
    }
}

/// Whether a ready pod takes the queue's pushes, now or as soon as this plan has given them to the
/// stage's own workers.
pub(crate) fn is_taken(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let (address, _) = next_address(view, stage);
    if address.as_ref() == Some(&stage.address) {
        return has_ready_pod(view, stage) && route_acceptance::is_open(view, stage);
    }
    has_workers(view, stage)
}

/// Whether one of the stage's own workers is ready.
pub(crate) fn has_ready_pod(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    Rollout::of(view.observed.deployments.get(&stage.child)).has_ready_pod()
}
