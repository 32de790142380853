//! Which workers a queue pushes to, and whether they take its pushes.

use crate::model::chain_view::ChainView;
use crate::model::desired::DesiredStage;
use crate::model::observed::Observed;
use crate::model::rollout::Rollout;
use crate::objects::former_stages::RenamedStage;
use crate::objects::route;
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
