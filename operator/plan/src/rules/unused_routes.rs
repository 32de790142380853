//! Which routes no queue pushes to any more.

use cloudtasks::Queue;
use kube::core::DynamicObject;

use super::route_acceptance;
use crate::model::{ChainView, DesiredStage, queue_headers};
use crate::objects::route;

/// Whether no queue of the chain pushes to a route's host, or to one that a newer route serves too.
pub(crate) fn is_unused(view: ChainView<'_>, left: &DynamicObject) -> bool {
    let host = route::host(left);
    let is_pushed_to = |queue: &&Queue| {
        let owner = queue_headers::owner(queue);
        owner.is_none_or(|owner| owner == view.desired.queue_owner)
            && queue
                .address()
                .is_some_and(|address| Some(address.host.as_str()) == host)
    };
    let has_another = |queue: &Queue| {
        let mut stages = view.desired.stages.iter();
        stages.any(|stage| {
            stage.queue == queue.path
                && Some(stage.address.host.as_str()) == host
                && is_routed(view, stage)
        })
    };
    let mut pushes = view.observed.queues.values().filter(is_pushed_to);
    pushes.all(has_another)
}

fn is_routed(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    route_acceptance::state(view, stage).is_some() && route_acceptance::may_push(view, stage)
}
