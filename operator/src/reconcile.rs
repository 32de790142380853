//! One round for one chain: observe → plan → apply → report.

use std::sync::Arc;
use std::time::Duration;

use crds::{DeletionPolicy, ExecutorChain};
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use kube_runtime::controller::Action;
use plan::{Desired, Observed, Problem, plan};

use crate::apply::apply;
use crate::context::Context;
use crate::drift;
use crate::end::end;
use crate::error::Error;
use crate::kubernetes::Kubernetes;
use crate::observe::{Freshness, observe};
use crate::report::report;

/// How often a chain is looked at when nothing is heard of it. Its objects are watched, and its
/// queues' changes are told by the inventory.
const RESYNC: Duration = Duration::from_mins(5);

/// A chain as it is watched: one that can't be read does not make us deaf to the others.
pub type Chain = DeserializeGuard<ExecutorChain>;

/// What a round came to know, as far as it got.
#[derive(Default)]
pub struct Round {
    /// The spec, parsed.
    pub desired: Option<Desired>,
    /// What is there, seen after the last write.
    pub observed: Option<Observed>,
    /// What stopped it.
    pub error: Option<Error>,
}

/// Brings one chain to what its spec says, or to its end.
#[tracing::instrument(skip_all, fields(chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any())))]
pub async fn reconcile(chain: Arc<Chain>, context: Arc<Context>) -> Result<Action, Error> {
    let mut round = Round::default();
    let served = match &chain.0 {
        _ if chain.meta().deletion_timestamp.is_some() => {
            let parsed = chain.0.as_ref().ok();
            let desired = parsed.and_then(|chain| Desired::new(chain, &context.settings).ok());
            // What can't be read is kept.
            let policy = parsed.map_or(DeletionPolicy::Retain, |chain| chain.spec.deletion_policy);
            end(&*chain, &context, policy, desired.as_ref()).await
        }
        Ok(chain) => serve(chain, &context, &mut round).await,
        Err(invalid) => Err(unreadable(invalid).into()),
    };
    if let Err(Error::NotLeader) = served {
        // Whoever leads now goes on, and tells of it.
        return Err(Error::NotLeader);
    }
    round.error = served.err();
    context.metrics.reconciled(round.error.as_ref());
    let reported = report(&chain, &context, &round).await;
    // What stopped the round is worth more than that it could not be told.
    if let Some(error) = round.error.or(reported.err()) {
        return Err(error);
    }
    context.succeeded(&chain.uid().unwrap_or_default());
    Ok(Action::requeue(RESYNC))
}

/// The schema lets pass what a client with types can't read. Such a chain stands alone: the others
/// are served.
fn unreadable(invalid: &InvalidObject) -> Problem {
    Problem::invalid(format!(
        "the chain can't be read: {invalid}. Correct that field"
    ))
}

async fn serve(chain: &ExecutorChain, context: &Context, round: &mut Round) -> Result<(), Error> {
    let desired = &*round
        .desired
        .insert(Desired::new(chain, &context.settings)?);
    let observed = round
        .observed
        .insert(observe(context, chain, desired, Freshness::Cached).await?);
    if plan(desired, observed).is_ok_and(|plan| plan.is_empty()) {
        // With driftPolicy Report there may be something to tell and nothing to do.
        drift::tell(chain, context, desired, observed).await;
        return Ok(());
    }
    // What is written is planned from the queues as they are now, not as they were seconds ago.
    let parent = &desired.notifier.queue.parent;
    match context.inventory.look_again(chain, parent).await {
        Ok(queues) => observed.queues = queues,
        Err(error) => {
            // Then nothing is known, and nothing is claimed.
            round.observed = None;
            return Err(error.into());
        }
    }
    // Before it is put right: whoever changed a queue should see that it was noticed.
    drift::tell(chain, context, desired, observed).await;
    let plan = plan(desired, observed)?;
    let applied = apply(
        &plan,
        &context.queues,
        &Kubernetes {
            context,
            chain: &chain.metadata,
        },
        &context.metrics,
    )
    .await;
    // Also after a failure: the status tells what is there, not what was planned.
    *observed = observe(context, chain, desired, Freshness::Consistent).await?;
    observed.has_finalizer |= applied.is_ok();
    applied
}

/// When a failed chain is tried again.
#[allow(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub fn again(chain: Arc<Chain>, error: &Error, context: Arc<Context>) -> Action {
    if let Error::NotLeader = error {
        // Not the chain's failure. If we lead again, this comes up again.
        return Action::requeue(error.retry_after(0));
    }
    let failures = context.failed(&chain.uid().unwrap_or_default());
    let wait = error.retry_after(failures);
    tracing::warn!(
        chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any()),
        reason = error.problem().reason,
        %error,
        retry_in = ?wait,
        "a chain can't be served",
    );
    Action::requeue(wait)
}
