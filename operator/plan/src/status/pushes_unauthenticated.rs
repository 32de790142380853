//! Whether pushes have to prove where they come from.

use std::collections::BTreeSet;

use crds::conditions::Reason;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::finding::Finding;
use crate::model::{ChainView, Observed, Push, RequiredToken};
use crate::objects::names::{STAGE_LABEL, served_queue};

/// Whether others than Cloud Tasks may run a handler.
pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let ChainView { desired, observed } = view;
    let open = open(observed);
    if open.is_empty() && desired.oidc.is_some() {
        let message = "every worker requires a token";
        Finding::new(Some(false), Reason::TokensDemanded, message)
    } else if desired.push == Push::Cluster {
        let message = "pushes come to the Services' cluster addresses: restrict access to port 9480 with a NetworkPolicy";
        Finding::new(Some(false), Reason::PushesInternal, message)
    } else if desired.oidc.is_none() {
        let message = "anyone who knows the push address can run the handlers: set spec.oidc, or let only Cloud Tasks through at the ingress";
        Finding::new(Some(true), Reason::NoTokenDemanded, message)
    } else {
        let open: Vec<&str> = open.iter().map(String::as_str).collect();
        let message = format!(
            "stages with workers that don't require a token yet, see the condition WorkersReady: {}",
            open.join(", ")
        );
        Finding::new(Some(true), Reason::TokenNotDemandedYet, message)
    }
}

/// The stages with workers that accept every push, former pods included.
fn open(observed: &Observed) -> BTreeSet<String> {
    let is_open = |deployment: &&Deployment| {
        served_queue(deployment).is_some() && RequiredToken::of_deployment(deployment).is_none()
    };
    let stage = |deployment: &Deployment| deployment.labels().get(STAGE_LABEL).cloned();
    let deployments = observed.deployments.values().filter(is_open);
    let pods = observed
        .pods
        .iter()
        .filter(|pod| pod.required_token.is_none());
    let stages = pods.map(|pod| pod.stage.clone());
    deployments.filter_map(stage).chain(stages).collect()
}
