//! Which workers a queue pushes to, and whether they take its pushes.

use cloudtasks::Address;

use super::hand_over_graph::can_return;
use super::token_rotation::{all_accept, token_of};
use crate::model::{AddressObstacle, ChainView, DesiredStage, Observed, Rollout, TimedCondition};
use crate::objects::former_stages::RenamedStage;
use crate::objects::route;
use crate::objects::worker_env;
use crate::rules::route_acceptance;

/// Whether a stage's queue pushes to where the spec says.
pub(crate) fn pushes_to(observed: &Observed, stage: &DesiredStage) -> bool {
    let target = observed.queues.get(&stage.queue);
    let target = target.and_then(|queue| queue.http_target.as_ref());
    target.is_some_and(|target| target.address.as_ref() == Some(&stage.address))
}

/// The workers to which a stage's queue pushes, by a Service's cluster address or by a route. Where
/// other addresses lead isn't known.
pub(crate) fn leads_to<'a>(view: ChainView<'a>, stage: &DesiredStage) -> Option<&'a str> {
    let target = view
        .observed
        .queues
        .get(&stage.queue)?
        .http_target
        .as_ref()?;
    let host = target.address.as_ref()?.host.as_str();
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

/// Whether a stage's queue may push to the stage's own workers: as the spec says, or by the way that
/// pushes took before it was edited.
pub(crate) fn may_be_pushed_to(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    if pushes_to(view.observed, stage) {
        return true;
    }
    if let Some(child) = leads_to(view, stage) {
        return child == stage.child;
    }
    // Else it leads to former workers, as long as there are some.
    let mut renamed = view.renamed_stages().into_iter();
    view.observed.queues.contains_key(&stage.queue)
        && view.observed.deployments.contains_key(&stage.child)
        && renamed.all(|it| it.queue != stage.queue)
}

/// Whether a queue pushes to the workers that the spec gives it, and not to the former ones; a route
/// that has its host for longer would go on leading there.
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

/// Whether a ready pod takes the pushes of a stage's queue, and they come through to it: its own, or for
/// as long as the queue pushes to others, theirs. Whom somebody else's address leads to isn't ours to judge.
pub(crate) fn has_workers(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let has_ready_pod =
        |child: &str| Rollout::of(view.observed.deployments.get(child)).has_ready_pod();
    if !view.observed.queues.contains_key(&stage.queue) || pushes_to(view.observed, stage) {
        return has_ready_pod(&stage.child) && route_acceptance::is_open(view, stage);
    }
    if leads_to(view, stage) == Some(&stage.child) {
        // By the way that pushes took until the spec was edited.
        return has_ready_pod(&stage.child);
    }
    let renamed = view.renamed_stages().into_iter();
    let mut former = renamed.filter(|it| it.queue == stage.queue).peekable();
    former.peek().is_none() || former.any(|it| has_ready_pod(&it.deployment))
}

/// Where the queue may push to now: to the stage's workers, once they are there. Else what that waits
/// for.
pub(crate) fn next_address(
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> (Option<Address>, Option<AddressObstacle>) {
    let ChainView { desired, observed } = view;
    let wanted = Some(stage.address.clone());
    let Some(found) = observed.queues.get(&stage.queue) else {
        return (wanted, None);
    };
    let now = found
        .http_target
        .as_ref()
        .and_then(|target| target.address.clone());
    if now == wanted {
        return (wanted, None);
    }
    let index = desired.stages.iter().position(|it| it.name == stage.name);
    let found_workers = observed.deployments.get(&stage.child);
    let mut targets = index
        .map(|index| desired.hand_over_targets(index))
        .unwrap_or_default();
    // Until they are told anew they do as they were told.
    targets.extend(
        found_workers
            .map(worker_env::hand_over_targets)
            .unwrap_or_default(),
    );
    let rollout = Rollout::of(found_workers);
    // Whoever serves the queue until now goes on until all are there who follow; not for ever, or a
    // pod that never gets ready would hold up the rest.
    let condition = TimedCondition::Incomplete(stage.child.clone());
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
        // Whoever leads pushes to the workers until now goes on: a refusal may need a person.
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
