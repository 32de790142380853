//! The order of edits of a stage's ingress by a Gateway: the Service, the load balancer's policies,
//! the route.

use kube::ResourceExt;

use super::workers::{apply_service, why_apply};
use crate::model::{ChainView, DesiredStage, GatewayResourceKind, Plan, Step, Wait, WaitReason};
use crate::objects::gke_policies::{policies, waits_for_former};
use crate::objects::route;
use crate::rules::route_acceptance;

const ROUTE: &str = "the stage's host needs a route";
const POLICY: &str = "the load balancer would use its defaults";

/// The ingress of those stages whose queues exist, or of those whose queues don't.
pub(super) fn ingress(plan: &mut Plan, view: ChainView<'_>, is_there: bool) {
    let stages = view.desired.stages.iter().rev();
    stages
        .filter(|stage| view.observed.queues.contains_key(&stage.queue) == is_there)
        .for_each(|stage| stage_ingress(plan, view, stage));
}

/// The policies before the route: with the load balancer's defaults a run of more than 30 s would be
/// cut off and start again.
fn stage_ingress(plan: &mut Plan, view: ChainView<'_>, stage: &DesiredStage) {
    let Some(route) = route::route(view.desired, stage) else {
        return;
    };
    apply_service(plan, view, stage);
    let policies = policies(view, stage).into_iter();
    let policies = policies.filter(|(kind, _)| view.observed.is_available(*kind));
    for (kind, object) in policies.chain([(GatewayResourceKind::HttpRoute, route)]) {
        let missing = match kind {
            GatewayResourceKind::HttpRoute => ROUTE,
            GatewayResourceKind::BackendPolicy | GatewayResourceKind::HealthCheckPolicy => POLICY,
        };
        let found = view.observed.gateway_object(kind, &object.name_any());
        if let Some(reason) = why_apply(found, &object, missing) {
            let object = Box::new(object);
            plan.push(Step::ApplyGatewayResource { kind, object }, reason);
        }
    }
    if waits_for_former(view, stage) {
        plan.wait(Wait::soon(WaitReason::LoadBalancer(stage.name.clone())));
    }
    if let Some(time) = route_acceptance::until_trusted(view, stage) {
        plan.recheck_after(time);
    }
}
