//! What workers demand of a push: a token, and whose. And what they may demand now, while a token is
//! turned on or off, or becomes another one.
//!
//! Cloud Tasks goes on with a queue's former target for up to a minute, and former workers go on until
//! they have ended. So a token is sent before it is demanded, demanded no more before it is no longer
//! sent, and where it changes both the old and the new one are taken meanwhile. A push that is refused
//! all the same costs its task no attempt, but its backoff grows.

use std::collections::BTreeSet;
use std::time::Duration;

use cloudtasks::OidcToken;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::PodSpec;

use crate::desired::{Desired, DesiredOidc, DesiredStage};
use crate::environment::{OIDC_AUDIENCES, OIDC_EMAILS, told};
use crate::fact::Fact;
use crate::hand_overs::Pod;
use crate::observed::Observed;

/// A token that workers demand: one of these accounts', for one of these audiences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Whose the token may be.
    pub emails: BTreeSet<String>,
    /// For whom it may be meant.
    pub audiences: BTreeSet<String>,
}

impl Demand {
    /// What the spec says.
    fn of(oidc: &DesiredOidc) -> Self {
        Self {
            emails: BTreeSet::from([oidc.service_account_email.clone()]),
            audiences: oidc.audiences.iter().cloned().collect(),
        }
    }

    /// What the workers of a pod are told; `None`: they take every push.
    pub fn told_to(pod: &PodSpec) -> Option<Self> {
        let list = |name| -> BTreeSet<String> {
            let told = told(pod, name).unwrap_or_default();
            let words = told.split(',').filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let (emails, audiences) = (list(OIDC_EMAILS), list(OIDC_AUDIENCES));
        let is_none = emails.is_empty() && audiences.is_empty();
        (!is_none).then_some(Self { emails, audiences })
    }

    /// What the workers of a Deployment are told.
    pub fn told_by(deployment: &Deployment) -> Option<Self> {
        let template = deployment.spec.as_ref().map(|spec| &spec.template);
        template?.spec.as_ref().and_then(Self::told_to)
    }

    /// Whether a push with this token is let in.
    pub fn takes(&self, token: Option<&OidcToken>) -> bool {
        token.is_some_and(|token| {
            self.emails.contains(&token.service_account_email)
                && self.audiences.contains(&token.audience)
        })
    }

    fn and(mut self, other: Self) -> Self {
        self.emails.extend(other.emails);
        self.audiences.extend(other.audiences);
        self
    }
}

/// The token that the spec puts on the queues.
pub(crate) fn token(desired: &Desired) -> Option<OidcToken> {
    let oidc = desired.oidc.as_ref()?;
    Some(OidcToken {
        service_account_email: oidc.service_account_email.clone(),
        audience: oidc.audiences.first()?.clone(),
    })
}

/// The token that a stage's queue has.
pub(crate) fn token_of<'a>(observed: &'a Observed, stage: &DesiredStage) -> Option<&'a OidcToken> {
    let target = observed.queues.get(&stage.queue)?.http_target.as_ref();
    target?.token.as_ref()
}

/// Whether every worker of a stage lets a push with this token in: those that its Deployment will
/// make, and each that still works.
pub(crate) fn all_take(
    observed: &Observed,
    stage: &DesiredStage,
    token: Option<&OidcToken>,
) -> bool {
    let told = observed.deployments.get(&stage.child);
    let told = told.and_then(Demand::told_by);
    let pods = observed.pods.iter().filter(|pod| is_of(pod, stage));
    let pods = pods.filter_map(|pod| pod.demand.as_ref());
    told.iter().chain(pods).all(|demand| demand.takes(token))
}

fn is_of(pod: &Pod, stage: &DesiredStage) -> bool {
    pod.queue == stage.queue && pod.stage == stage.name
}

/// What the workers of a stage are to demand now.
pub(crate) fn demand(
    desired: &Desired,
    stage: &DesiredStage,
    observed: &Observed,
) -> Option<Demand> {
    let wanted = Demand::of(desired.oidc.as_ref()?);
    let Some(workers) = observed.deployments.get(&stage.child) else {
        // Nobody was there whom a push without it could have come to: the queue gets it first.
        return Some(wanted);
    };
    if until_sent(desired, stage, observed).is_zero() {
        return Some(wanted);
    }
    Demand::told_by(workers).map(|told| wanted.and(told))
}

/// How long it takes until each push to a stage has the token that the spec says.
pub(crate) fn until_sent(desired: &Desired, stage: &DesiredStage, observed: &Observed) -> Duration {
    let delay = desired.timing.address_delay;
    token(desired).map_or(Duration::ZERO, |token| {
        let fact = Fact::Signs(stage.queue.clone(), token);
        if observed.held.contains_key(&fact) {
            observed.left_of(&fact, delay)
        } else {
            // As if it began now.
            delay.max(Duration::from_nanos(1))
        }
    })
}

/// Why the workers of a stage don't demand just what the spec says yet, if so.
pub(crate) fn why_not_yet(
    desired: &Desired,
    stage: &DesiredStage,
    observed: &Observed,
) -> Option<String> {
    let wanted = Demand::of(desired.oidc.as_ref()?);
    let now = demand(desired, stage, observed);
    if now.as_ref() == Some(&wanted) {
        return None;
    }
    let what = if now.is_none() {
        "demand a token"
    } else {
        "take no other token than the spec says"
    };
    Some(format!(
        "workers of stage {} {what} once queue {} has sent it for {} s",
        stage.name,
        stage.queue.id,
        desired.timing.address_delay.as_secs()
    ))
}
