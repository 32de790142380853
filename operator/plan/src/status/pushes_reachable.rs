//! Whether Cloud Tasks can reach the workers, as far as the operator can tell.

use std::net::IpAddr;

use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::{ChainView, Desired, ParentGateway, Problem, Push};
use crate::rules::gateway_api::refuse_gateway;
use crate::rules::route_acceptance::{self, RouteState};

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    match &view.desired.push {
        Push::Cluster => cluster(view.desired),
        Push::Url => own_ingress(view.desired),
        Push::Gateway(gateway) => by_gateway(view, gateway),
    }
}

fn cluster(desired: &Desired) -> Finding {
    if desired.emulator_host.is_some() {
        let message = "queues push to the cluster addresses of the Services, which an emulator inside the cluster can reach";
        return Finding::new(Some(true), Reason::ClusterAddress, message);
    }
    let message = "queues push to the cluster addresses of the Services, which Google can't reach: set spec.push. Until then tasks wait in their queues";
    Finding::new(Some(false), Reason::ClusterAddress, message)
}

/// The operator doesn't check an ingress; but Google can't push into a private network.
fn own_ingress(desired: &Desired) -> Finding {
    let hosts = desired.stages.iter().map(|stage| &stage.address.host);
    let private = list(hosts.filter(|host| is_private(host)).cloned());
    if let Some(hosts) = private.filter(|_| desired.emulator_host.is_none()) {
        let message = format!(
            "queues push to {hosts}, in a private network that Google can't reach: set spec.push.url to a public host. Until then tasks wait in their queues"
        );
        return Finding::new(Some(false), Reason::PrivateAddress, message);
    }
    let message = "queues push to spec.push.url; the operator doesn't check whether that address leads to the workers";
    Finding::new(None, Reason::OwnIngress, message)
}

fn by_gateway(view: ChainView<'_>, gateway: &ParentGateway) -> Finding {
    if let Err(Problem { reason, message }) = refuse_gateway(view) {
        return Finding::new(Some(false), reason, message);
    }
    let mut refused = Vec::new();
    let mut missing = Vec::new();
    let mut unreported = Vec::new();
    for stage in &view.desired.stages {
        let host = &stage.address.host;
        match route_acceptance::state(view, stage) {
            Some(RouteState::Refused(why) | RouteState::Failing(why, _)) => {
                refused.push(format!("{host} ({why})"));
            }
            Some(RouteState::Missing) => missing.push(host.clone()),
            Some(RouteState::Unreported(_)) => unreported.push(host.clone()),
            Some(RouteState::Accepted) | None => {}
        }
    }
    if let Some(refused) = list(refused.into_iter()) {
        let message =
            format!("the Gateway {gateway} refuses these routes or fails to serve them: {refused}");
        Finding::new(Some(false), Reason::RouteNotAccepted, message)
    } else if let Some(missing) = list(missing.into_iter()) {
        let message = format!("hosts without a route: {missing}");
        Finding::new(Some(false), Reason::RoutePending, message)
    } else if let Some(unreported) = list(unreported.into_iter()) {
        let message = format!(
            "the Gateway {gateway} has not reported that it serves the routes of {unreported}: new routes take some minutes. If this lasts, check that the Gateway and its listener exist"
        );
        Finding::new(Some(false), Reason::RoutePending, message)
    } else {
        let message = format!("the Gateway {gateway} has accepted the route of every stage");
        Finding::new(Some(true), Reason::RoutesAccepted, message)
    }
}

/// Whether a host is certainly in no public network. Most private hosts can't be told.
fn is_private(host: &str) -> bool {
    if let Ok(address) = host.parse::<IpAddr>() {
        return match address {
            IpAddr::V4(it) => it.is_private() || it.is_loopback() || it.is_link_local(),
            IpAddr::V6(it) => it.is_loopback() || it.is_unique_local(),
        };
    }
    let host = host.trim_end_matches('.');
    // Names without a dot, and those that are kept for private use: RFC 6761 and RFC 6762, ICANN's
    // resolution of July 2024, Kubernetes.
    let inside = [".localhost", ".local", ".internal", ".svc"];
    !host.contains('.') || inside.iter().any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn what_google_cant_reach_is_known() {
        for host in [
            "localhost",
            "orders-fast",
            "orders-fast.shop.svc",
            "orders-fast.shop.svc.cluster.local",
            "push.corp.internal",
            "10.1.2.3",
            "192.168.0.1",
            "127.0.0.1",
        ] {
            assert!(is_private(host), "{host}");
        }
        for host in ["push.example.com", "34.1.2.3", "local.example.com"] {
            assert!(!is_private(host), "{host}");
        }
    }
}
