//! Whether pushes have to prove where they come from, and whether some could not.

use std::collections::BTreeSet;

use crds::conditions as c;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::{Finding, list};
use crate::model::{ChainView, Observed, Push, RequiredToken};
use crate::objects::names::{STAGE_LABEL, served_queue};

/// Whether strangers may run a handler.
pub(super) fn unauthenticated(view: ChainView<'_>) -> Finding {
    let ChainView { desired, observed } = view;
    let open = open(observed);
    let (holds, reason, message) = if open.is_empty() && desired.oidc.is_some() {
        let message = "every worker that is there demands a token".to_owned();
        (false, c::TOKENS_DEMANDED, message)
    } else if desired.push == Push::Cluster {
        let message = "pushes come to the Services' own addresses: let a NetworkPolicy say who in the cluster may reach port 9480".to_owned();
        (false, c::PUSHES_INTERNAL, message)
    } else if desired.oidc.is_none() {
        let message = "whoever finds the push address can run the handlers: set spec.oidc, or let nobody but Cloud Tasks through where pushes come in".to_owned();
        (true, c::NO_TOKEN_DEMANDED, message)
    } else {
        let open: Vec<&str> = open.iter().map(String::as_str).collect();
        let message = format!(
            "stages with workers that don't demand a token yet, see WorkersReady: {}",
            open.join(", ")
        );
        (true, c::TOKEN_NOT_DEMANDED_YET, message)
    };
    Finding {
        kind: c::PUSHES_UNAUTHENTICATED,
        holds: Some(holds),
        reason,
        message,
    }
}

/// The stages with workers that take every push, former pods among them.
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

/// Whether workers have refused pushes for their token. Where none could be asked nothing is claimed.
pub(super) fn refused(view: ChainView<'_>) -> Finding {
    let ChainView { desired, observed } = view;
    let refused = observed
        .auth_failures
        .iter()
        .filter(|(_, why)| !why.is_empty());
    let refused = refused.map(|(queue, why)| {
        let why: Vec<&str> = why.iter().map(String::as_str).collect();
        format!("{} ({})", queue.id, why.join(", "))
    });
    let mut silent = desired.stages.iter().map(|stage| &stage.queue);
    let (holds, reason, message) = if let Some(refused) = list(refused) {
        let message = format!(
            "workers have refused pushes for their token in the last minutes; such tasks wait and are tried again, and no attempt is counted: {refused}"
        );
        (Some(true), c::TOKENS_REFUSED, message)
    } else if desired.oidc.is_none() {
        let message = "no token is demanded, see PushesUnauthenticated".to_owned();
        (Some(false), c::NO_TOKEN_DEMANDED, message)
    } else if let Some(queue) = silent.find(|queue| !observed.auth_failures.contains_key(*queue)) {
        let message = format!(
            "no ready worker of queue {} has answered on port 9481, so that nothing is known",
            queue.id
        );
        (None, c::WORKERS_NOT_ASKED, message)
    } else {
        let message = "no push was refused for its token in the last minutes".to_owned();
        (Some(false), c::NONE_REFUSED, message)
    };
    Finding {
        kind: c::PUSHES_REFUSED,
        holds,
        reason,
        message,
    }
}
