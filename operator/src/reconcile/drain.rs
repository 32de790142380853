//! A deleted chain with the policy Drain is served until its queues are empty, and then deleted.

use std::time::Duration;

use crds::{DeletionPolicy, ExecutorChain};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use plan::{ChainView, has_finished};

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::finalize::finalize;
use crate::reconcile::findings::Findings;
use crate::reconcile::intervals::{DRAIN_COUNT, RESYNC};
use crate::reconcile::observe::has_finalizer;
use crate::reconcile::serve::serve;

/// Whether the chain is deleted and has its tasks to finish first. Without our finalizer it has ended,
/// and somebody else keeps it.
pub fn is_draining(chain: &ExecutorChain) -> bool {
    chain.metadata.deletion_timestamp.is_some()
        && chain.spec.deletion_policy == DeletionPolicy::Drain
        && has_finalizer(&chain.metadata)
}

/// How long ago a chain was deleted.
fn deleted_for(chain: &ObjectMeta) -> Duration {
    let deleted = chain.deletion_timestamp.as_ref();
    let age = deleted.map(|time| Timestamp::now().duration_since(time.0));
    age.and_then(|age| age.try_into().ok()).unwrap_or_default()
}

/// Serves a deleted chain until its queues are empty, then ends it. Where it can't be served any more,
/// because its namespace ends too or whatever else has failed for too long, its tasks are kept.
pub async fn drain(
    chain: &ExecutorChain,
    context: &Context,
    findings: &mut Findings,
) -> Result<Option<Duration>, Error> {
    let served = serve(chain, context, findings).await;
    let desired = findings.desired.as_ref();
    let seen = desired.zip(findings.observed.as_ref());
    let is_finished =
        seen.is_some_and(|(desired, observed)| has_finished(ChainView::new(desired, observed)));
    let has_waited = match &served {
        Ok(_) => false,
        Err(error) => {
            let failing = context
                .caches
                .failures
                .failing_for(&chain.uid().unwrap_or_default());
            let deleted = deleted_for(&chain.metadata);
            error.is_namespace_terminating() || failing.min(deleted) > context.deletion_patience
        }
    };
    if !is_finished && !has_waited {
        return served.map(|look_in| Some(look_in.unwrap_or(RESYNC).min(DRAIN_COUNT)));
    }
    if let (Err(error), false) = (&served, is_finished) {
        tracing::warn!(%error, "the chain goes without having finished its tasks, which are kept");
    }
    finalize(chain, context, DeletionPolicy::Retain, desired).await?;
    // Nothing is left to tell of.
    *findings = Findings::default();
    Ok(None)
}
