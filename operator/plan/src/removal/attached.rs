//! The end of routes and policies: of those that nothing is pushed to any more, because the chain's
//! pushes come another way, and of those whose Service goes.

use std::collections::BTreeSet;

use cloudtasks::Queue;
use kube::ResourceExt;
use kube::core::DynamicObject;

use crate::attached::{Kind, Name};
use crate::child::is_ours;
use crate::desired::{Desired, DesiredStage, Push};
use crate::fact::Fact;
use crate::observed::Observed;
use crate::queue;
use crate::route;
use crate::step::{Concern, Plan, Step, Wait};

const BYPASSED: &str = "nothing is pushed to its host any more";
const NO_ROUTE: &str = "no route leads to its Service any more";

/// The chain's routes that no stage has.
pub(crate) fn left_routes<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
) -> impl Iterator<Item = (&'a String, &'a DynamicObject)> {
    let stages = desired.stages.iter();
    let wanted = stages.filter_map(|stage| route::route(desired, stage));
    let wanted: BTreeSet<String> = wanted.map(|route| route.name_any()).collect();
    let routes = observed.routes(desired);
    routes.filter(move |(name, _)| !wanted.contains(*name))
}

/// Whether no queue of the chain pushes to a route's host, or to one that a newer route serves too.
pub(crate) fn is_bypassed(desired: &Desired, observed: &Observed, left: &DynamicObject) -> bool {
    let host = route::host(left);
    let is_pushed_to = |queue: &&Queue| {
        let owner = queue::owner(queue);
        let target = queue.http_target.as_ref();
        let address = target.and_then(|target| target.address.as_ref());
        owner.is_none_or(|owner| owner == desired.queue_owner)
            && address.is_some_and(|address| Some(address.host.as_str()) == host)
    };
    let has_another = |queue: &Queue| {
        let mut stages = desired.stages.iter();
        stages.any(|stage| {
            stage.queue == queue.path
                && Some(stage.address.host.as_str()) == host
                && is_routed(desired, observed, stage)
        })
    };
    let mut pushes = observed.queues.values().filter(is_pushed_to);
    pushes.all(has_another)
}

fn is_routed(desired: &Desired, observed: &Observed, stage: &DesiredStage) -> bool {
    route::state(desired, observed, stage).is_some() && route::may_push(desired, observed, stage)
}

/// A route goes when nothing has been pushed to it for as long as a new address takes to act.
pub(crate) fn routes(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    let delay = desired.timing.address_delay;
    for (name, left) in left_routes(desired, observed) {
        let fact = Fact::Bypassed(name.clone());
        let goes_with_its_service = || is_detached(plan, name);
        if goes_with_its_service() {
            continue;
        }
        let is_bypassed = is_bypassed(desired, observed, left);
        if is_bypassed && observed.has_held(&fact, delay) {
            let name = name.clone();
            let kind = Kind::HttpRoute;
            plan.push(Step::Detach(Name { kind, name }), BYPASSED);
        } else {
            plan.wait(Wait {
                concerns: Concern::Removal,
                sentence: format!(
                    "route {name} goes {} s after the last queue has begun to push elsewhere",
                    delay.as_secs()
                ),
                look_in: is_bypassed.then(|| observed.left_of(&fact, delay).max(Wait::LOOK)),
            });
        }
    }
}

/// The policies of Services that are only reached from inside the cluster, once no route leads there.
pub(crate) fn policies(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    if let Push::Gateway(_) = desired.push {
        return;
    }
    let routes = observed.routes(desired);
    let left = routes.filter(|(name, _)| !is_detached(plan, name));
    let led_to: BTreeSet<String> = left
        .filter_map(|(_, route)| route::backend(route).map(str::to_owned))
        .collect();
    let stages = desired.stages.iter();
    for stage in stages.filter(|stage| !led_to.contains(&stage.child)) {
        detach_policies(plan, desired, observed, &stage.child, NO_ROUTE);
    }
}

/// Takes all that is attached to a Service off it, the routes first.
pub(super) fn detach(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    service: &str,
    reason: &'static str,
) {
    for (name, route) in observed.routes(desired) {
        if route::backend(route) == Some(service) {
            let name = name.clone();
            let kind = Kind::HttpRoute;
            plan.push(Step::Detach(Name { kind, name }), reason);
        }
    }
    detach_policies(plan, desired, observed, service, reason);
}

fn detach_policies(
    plan: &mut Plan,
    desired: &Desired,
    observed: &Observed,
    service: &str,
    reason: &'static str,
) {
    for kind in [Kind::BackendPolicy, Kind::HealthCheckPolicy] {
        let found = observed.find(kind, service);
        if found.is_some_and(|found| is_ours(&found.metadata, desired.owner.as_ref())) {
            let name = service.to_owned();
            plan.push(Step::Detach(Name { kind, name }), reason);
        }
    }
}

fn is_detached(plan: &Plan, route: &str) -> bool {
    let mut steps = plan.steps.iter().map(|planned| &planned.step);
    steps.any(
        |step| matches!(step, Step::Detach(Name { kind: Kind::HttpRoute, name }) if name == route),
    )
}
