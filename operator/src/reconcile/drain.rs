//! A deleted chain with the policy Drain is served until its queues are empty, and then deleted.

use std::time::Duration;

use crds::{DeletionPolicy, ExecutorChain};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use plan::has_finished;

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::finalize::finalize;
use crate::reconcile::findings::{Findings, Next};
use crate::reconcile::intervals::{DRAIN_COUNT, RESYNC};
use crate::reconcile::observe::has_finalizer;
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
    let planned = findings.planned();
    let is_finished = planned.is_some_and(|planned| has_finished(planned.view));
    match served {
        _ if is_finished => {}
        Err(error) if has_waited_enough(chain, context, &error) => {
            tracing::warn!(%error, "the chain is deleted before its queues are empty: they are paused, and keep their tasks");
        }
        Ok(Next::Report(wait)) => {
            let wait = wait.unwrap_or(RESYNC).min(DRAIN_COUNT);
            return Ok(Next::Report(Some(wait)));
        }
        other => return other,
    }
    let desired = findings.desired.as_ref();
    finalize(chain, context, DeletionPolicy::Retain, desired).await?;
    // Nothing is left to report.
    *findings = Findings::default();
    Ok(Next::Report(None))
}

fn has_waited_enough(chain: &ExecutorChain, context: &Context, error: &Error) -> bool {
    let uid = chain.uid().unwrap_or_default();
    let failing = context.caches.failures.failing_for(&uid);
    let waited = failing.min(deleted_for(&chain.metadata));
    error.is_namespace_terminating() || waited > context.deletion_patience
}

/// How long ago a chain was deleted.
fn deleted_for(chain: &ObjectMeta) -> Duration {
    let deleted = chain.deletion_timestamp.as_ref();
    let age = deleted.map(|time| Timestamp::now().duration_since(time.0));
    age.and_then(|age| age.try_into().ok()).unwrap_or_default()
}
