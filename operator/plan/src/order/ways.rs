//! The order of edits of the way that pushes take to a stage's workers by a Gateway: the Service, what
//! the load balancer must know of it, the route.

use kube::ResourceExt;

use super::workers::{apply_service, why_apply};
use crate::attached::Kind;
use crate::desired::{Desired, DesiredStage};
use crate::observed::Observed;
use crate::policy::{policies, waits_for_former};
use crate::route;
use crate::step::{Concern, Plan, Step, Wait};

const ROUTE: &str = "the stage's host needs a route";
const POLICY: &str = "the load balancer would go by its defaults";

/// The ways to those stages whose queues are there, or to those whose queues are not.
pub(super) fn ways(plan: &mut Plan, desired: &Desired, observed: &Observed, is_there: bool) {
    let stages = desired.stages.iter().rev();
    stages
        .filter(|stage| observed.queues.contains_key(&stage.queue) == is_there)
        .for_each(|stage| way(plan, desired, stage, observed));
}

/// The policies before the route: with the load balancer's own defaults a run of more than 30 s would
/// be cut off, and begin anew.
fn way(plan: &mut Plan, desired: &Desired, stage: &DesiredStage, observed: &Observed) {
    let Some(route) = route::route(desired, stage) else {
        return;
    };
    apply_service(plan, desired, stage, observed);
    let policies = policies(desired, stage, observed).into_iter();
    let policies = policies.filter(|(kind, _)| observed.serves(*kind));
    for (kind, object) in policies.chain([(Kind::HttpRoute, route)]) {
        let missing = match kind {
            Kind::HttpRoute => ROUTE,
            Kind::BackendPolicy | Kind::HealthCheckPolicy => POLICY,
        };
        let found = observed.find(kind, &object.name_any());
        if let Some(reason) = why_apply(found, &object, missing) {
            let object = Box::new(object);
            plan.push(Step::Attach { kind, object }, reason);
        }
    }
    if waits_for_former(desired, observed, stage) {
        plan.wait(Wait::again(
            Concern::Removal,
            format!(
                "the load balancer waits less for stage {} once its former pods have ended",
                stage.name
            ),
        ));
    }
    if let Some(time) = route::until_trusted(desired, observed, stage) {
        plan.look_after(time);
    }
}
