//! What workers may require of a push now, while a token is
//! turned on or off, or becomes another one.
//!
//! Cloud Tasks goes on with a queue's former target for up to a minute, and former workers go on until
//! they have ended. So a token is sent before it is demanded, demanded no more before it is no longer
//! sent, and where it changes both the old and the new one are taken meanwhile. A push that is refused
//! all the same costs its task no attempt, but its backoff grows.

use std::time::Duration;

use crate::model::{
    ChainView, DesiredStage, Observed, Pod, RequiredToken, TimedCondition, WaitReason,
};
use cloudtasks::OidcToken;

/// The token that a stage's queue has.
pub(crate) fn token_of<'a>(observed: &'a Observed, stage: &DesiredStage) -> Option<&'a OidcToken> {
    let target = observed.queues.get(&stage.queue)?.http_target.as_ref();
    target?.token.as_ref()
}

/// Whether every worker of a stage lets a push with this token in: those that its Deployment will
/// make, and each that still works.
pub(crate) fn all_accept(
    observed: &Observed,
    stage: &DesiredStage,
    token: Option<&OidcToken>,
) -> bool {
    let told = observed.deployments.get(&stage.child);
    let told = told.and_then(RequiredToken::of_deployment);
    let pods = observed.pods.iter().filter(|pod| is_of(pod, stage));
    let pods = pods.filter_map(|pod| pod.required_token.as_ref());
    told.iter().chain(pods).all(|demand| demand.accepts(token))
}

fn is_of(pod: &Pod, stage: &DesiredStage) -> bool {
    pod.queue == stage.queue && pod.stage == stage.name
}

/// What the workers of a stage are to demand now.
pub(crate) fn demand(view: ChainView<'_>, stage: &DesiredStage) -> Option<RequiredToken> {
    let wanted = RequiredToken::of(view.desired.oidc.as_ref()?);
    let Some(workers) = view.observed.deployments.get(&stage.child) else {
        // Nobody was there whom a push without it could have come to: the queue gets it first.
        return Some(wanted);
    };
    if until_sent(view, stage).is_zero() {
        return Some(wanted);
    }
    RequiredToken::of_deployment(workers).map(|told| wanted.and(told))
}

/// How long it takes until each push to a stage has the token that the spec says.
pub(crate) fn until_sent(view: ChainView<'_>, stage: &DesiredStage) -> Duration {
    let ChainView { desired, observed } = view;
    let delay = desired.timing.address_delay;
    desired.token().map_or(Duration::ZERO, |token| {
        let condition = TimedCondition::Signs(stage.queue.clone(), token);
        if observed.elapsed.contains_key(&condition) {
            observed.remaining(&condition, delay)
        } else {
            // As if it began now.
            delay.max(Duration::from_nanos(1))
        }
    })
}

/// Why the workers of a stage don't demand just what the spec says yet, if so.
pub(crate) fn why_not_yet(view: ChainView<'_>, stage: &DesiredStage) -> Option<WaitReason> {
    let wanted = RequiredToken::of(view.desired.oidc.as_ref()?);
    let now = demand(view, stage);
    if now.as_ref() == Some(&wanted) {
        return None;
    }
    Some(WaitReason::RequiredToken {
        stage: stage.name.clone(),
        queue: stage.queue.id.clone(),
        is_required: now.is_some(),
        delay: view.desired.timing.address_delay,
    })
}
