//! Whether the cluster has what routes under a Gateway need.

use crds::conditions::Reason;

use crate::model::{Availability, ChainView, GatewayResourceKind, Problem, Push};

/// A kind that the API server doesn't know, or doesn't let the operator read, can't be created.
pub(crate) fn refuse_gateway(view: ChainView<'_>) -> Result<(), Problem> {
    let Push::Gateway(gateway) = &view.desired.push else {
        return Ok(());
    };
    for kind in GatewayResourceKind::ALL {
        match view.observed.availability.get(&kind) {
            Some(Availability::Served(_)) => {}
            // Not on GKE, or without such a load balancer.
            Some(Availability::Absent) | None if kind != GatewayResourceKind::HttpRoute => {}
            Some(Availability::Absent) | None => {
                return Err(Problem::new(
                    Reason::GatewayApiMissing,
                    format!(
                        "spec.push.gateway names the Gateway {gateway}, but this cluster has no {kind} of the Gateway API ({}, v1): enable the Gateway API (on GKE: gcloud container clusters update NAME --gateway-api=standard), or use push.url",
                        kind.plural_and_group()
                    ),
                ));
            }
            Some(Availability::Forbidden(said)) => {
                return Err(Problem::new(
                    Reason::KubernetesError,
                    format!(
                        "spec.push.gateway needs one {kind} for each stage, but the operator may not read them: grant the operator's role get, list, watch, create, patch and delete on {} ({said})",
                        kind.plural_and_group()
                    ),
                ));
            }
        }
    }
    Ok(())
}
