//! A deleted chain with the policy Drain is served until its queues are empty, and then deleted.

use crds::{DeletionPolicy, ExecutorChain};
use kube::ResourceExt;
use plan::has_finished;

use crate::chain::has_finalizer;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::deleted_chain::DeletedChain;
use crate::reconcile::finalize::finalize;
use crate::reconcile::findings::{Findings, Next};
use crate::reconcile::intervals::{DRAIN_COUNT, RESYNC};
use crate::reconcile::serve::serve;

/// Whether a deleted chain has to finish its tasks first. Without our finalizer it has finished, and
/// waits for another finalizer.
pub fn is_draining(chain: &ExecutorChain) -> bool {
    chain.metadata.deletion_timestamp.is_some()
        && chain.spec.deletion_policy == DeletionPolicy::Drain
        && has_finalizer(&chain.metadata)
}

/// Serves a deleted chain until its queues are empty, then deletes it. If it can't be served for too
/// long, or its namespace terminates too, its tasks are kept in paused queues.
pub async fn drain(
    chain: &ExecutorChain,
    context: &Context,
    findings: &mut Findings,
) -> Result<Next, Error> {
    let served = serve(chain, context, findings).await;
    let uid = chain.uid().unwrap_or_default();
    let blocked = &context.caches.blocked_deletions;
    if let Err(Error::CloudTasks(_)) = served {
        // It counts also for the deletion that follows.
        blocked.failed(&uid);
    }
    let planned = findings.planned();
    let is_finished = planned.is_some_and(|planned| has_finished(planned.view));
    match served {
        _ if is_finished => {}
        Err(error) if has_waited_enough(chain, context, &error) => {
            tracing::warn!(%error, "the chain is deleted before its queues are empty: they are paused, and keep their tasks");
        }
        Ok(next) => {
            blocked.ended(&uid);
            return Ok(match next {
                Next::Report(wait) => Next::Report(Some(wait.unwrap_or(RESYNC).min(DRAIN_COUNT))),
                Next::Reconcile(action) => Next::Reconcile(action),
            });
        }
        Err(error) => return Err(error),
    }
    let deleted = DeletedChain::of(chain, context);
    finalize(&deleted, context, DeletionPolicy::Retain).await?;
    // Nothing is left to report.
    *findings = Findings::default();
    Ok(Next::Report(None))
}

fn has_waited_enough(chain: &ExecutorChain, context: &Context, error: &Error) -> bool {
    let uid = chain.uid().unwrap_or_default();
    let failing = context.caches.failures.deletion_failing_for(&uid);
    error.is_namespace_terminating() || failing > context.deletion_patience
}
