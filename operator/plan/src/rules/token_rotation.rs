//! What workers may require of a push now, while a token is turned on, off, or replaced.
//!
//! Cloud Tasks uses a queue's former target for up to a minute, and former workers run until they
//! have ended. So a token is sent before it is required, no longer required before it is no longer
//! sent, and while it changes both are accepted. A push that is refused nevertheless costs its task
//! no attempt, but its backoff grows.

use std::time::Duration;

use cloudtasks::OidcToken;

use crate::model::{
    ChainView, DesiredStage, Observed, Pod, RequiredToken, TimedCondition, WaitReason,
};

/// The token that a stage's queue has.
pub(crate) fn token_of<'a>(observed: &'a Observed, stage: &DesiredStage) -> Option<&'a OidcToken> {
    let target = observed.queues.get(&stage.queue)?.http_target.as_ref();
    target?.token.as_ref()
}

/// Whether every worker of a stage accepts a push with this token: those of its Deployment, and each
/// pod that runs.
pub(crate) fn all_accept(
    observed: &Observed,
    stage: &DesiredStage,
    token: Option<&OidcToken>,
) -> bool {
    let now_required = observed.deployments.get(&stage.child);
    let now_required = now_required.and_then(RequiredToken::of_deployment);
    let pods = observed.pods.iter().filter(|pod| is_of(pod, stage));
    let pods = pods.filter_map(|pod| pod.required_token.as_ref());
    now_required
        .iter()
        .chain(pods)
        .all(|demand| demand.accepts(token))
}

fn is_of(pod: &Pod, stage: &DesiredStage) -> bool {
    pod.queue == stage.queue && pod.stage == stage.name
}

/// What the workers of a stage are to require now.
pub(crate) fn required_now(view: ChainView<'_>, stage: &DesiredStage) -> Option<RequiredToken> {
    let wanted = RequiredToken::of(view.desired.oidc.as_ref()?);
    let Some(workers) = view.observed.deployments.get(&stage.child) else {
        // No worker could have got a push without it: the queue gets it first.
        return Some(wanted);
    };
    if until_sent(view, stage).is_zero() {
        return Some(wanted);
    }
    RequiredToken::of_deployment(workers).map(|now_required| wanted.and(now_required))
}

/// How long it takes until each push to a stage has the token that the spec says.
pub(crate) fn until_sent(view: ChainView<'_>, stage: &DesiredStage) -> Duration {
    let ChainView { desired, observed } = view;
    let delay = desired.timing.address_delay;
    desired.token().map_or(Duration::ZERO, |token| {
        let condition = TimedCondition::SendsToken(stage.queue.clone(), token);
        if observed.elapsed.contains_key(&condition) {
            observed.remaining(&condition, delay)
        } else {
            // As if it began now.
            delay.max(Duration::from_nanos(1))
        }
    })
}

/// What the workers of a stage wait for before they require just what the spec says, if so.
pub(crate) fn why_not_required_yet(
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> Option<WaitReason> {
    let wanted = RequiredToken::of(view.desired.oidc.as_ref()?);
    let now = required_now(view, stage);
    if now.as_ref() == Some(&wanted) {
        return None;
    }
    Some(WaitReason::RequiredToken(
        stage.name.clone(),
        stage.queue.id.clone(),
        now.is_some(),
        view.desired.timing.address_delay,
    ))
}
