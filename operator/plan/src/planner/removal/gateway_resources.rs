//! The end of routes that no queue pushes to any more, of policies without a route, and of both with
//! their Service.

use std::collections::BTreeSet;

use crate::model::{
    ChainView, GatewayResourceKind, ObjectKind, Plan, Push, Step, TimedCondition, Wait, WaitReason,
};
use crate::objects::names::is_ours;
use crate::objects::route::{self, left_routes};
use crate::rules::unused_routes::is_unused;

const ROUTE: ObjectKind = ObjectKind::Gateway(GatewayResourceKind::HttpRoute);

const UNUSED: &str = "no queue pushes to its host any more";

const NO_ROUTE: &str = "no route leads to its Service any more";

/// A route is deleted when no queue has pushed to it for as long as a new address takes to act.
pub(crate) fn routes(plan: &mut Plan, view: ChainView<'_>) {
    let delay = view.desired.timing.address_delay;
    for (name, left) in left_routes(view) {
        let condition = TimedCondition::RouteUnused(name.clone());
        let goes_with_its_service = || is_detached(plan, name);
        if goes_with_its_service() {
            continue;
        }
        let is_unused = is_unused(view, left);
        if is_unused && view.observed.has_elapsed(&condition, delay) {
            plan.push(Step::Delete(ROUTE.named(name)), UNUSED);
        } else {
            plan.wait(Wait {
                reason: WaitReason::Route(name.clone(), delay),
                recheck_in: is_unused.then(|| {
                    view.observed
                        .remaining(&condition, delay)
                        .max(Wait::RECHECK)
                }),
            });
        }
    }
}

/// The policies of Services without a route, once the chain has no Gateway.
pub(crate) fn policies(plan: &mut Plan, view: ChainView<'_>) {
    if let Push::Gateway(_) = view.desired.push {
        return;
    }
    let routes = view.routes();
    let left = routes.filter(|(name, _)| !is_detached(plan, name));
    let led_to: BTreeSet<String> = left
        .filter_map(|(_, route)| route::backend(route).map(str::to_owned))
        .collect();
    let stages = view.desired.stages.iter();
    for stage in stages.filter(|stage| !led_to.contains(&stage.child)) {
        detach_policies(plan, view, &stage.child, NO_ROUTE);
    }
}

/// Deletes all that is attached to a Service, the routes first.
pub(super) fn detach(plan: &mut Plan, view: ChainView<'_>, service: &str, reason: &'static str) {
    for (name, route) in view.routes() {
        if route::backend(route) == Some(service) {
            plan.push(Step::Delete(ROUTE.named(name)), reason);
        }
    }
    detach_policies(plan, view, service, reason);
}

fn detach_policies(plan: &mut Plan, view: ChainView<'_>, service: &str, reason: &'static str) {
    for kind in [
        GatewayResourceKind::BackendPolicy,
        GatewayResourceKind::HealthCheckPolicy,
    ] {
        let policy = ObjectKind::Gateway(kind).named(service);
        let found = view.observed.metadata(&policy);
        if found.is_some_and(|found| is_ours(found, view.desired.owner.as_ref())) {
            plan.push(Step::Delete(policy), reason);
        }
    }
}

fn is_detached(plan: &Plan, route: &str) -> bool {
    let gone = Step::Delete(ROUTE.named(route));
    plan.steps.iter().any(|planned| planned.step == gone)
}
