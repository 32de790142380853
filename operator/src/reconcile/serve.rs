//! Serves one chain: observe → plan → apply, and what to report.

use std::time::Duration;

use cloudtasks::{Error as CloudError, Queue};
use crds::ExecutorChain;
use plan::{ChainView, Desired, Freshness, Observed, Plan, Problem, plan};

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::drift;
use crate::reconcile::events;
use crate::reconcile::findings::Findings;
use crate::reconcile::intervals::{NO_EFFECT, SOON};
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::observe::{count, observe};

/// Serves a chain; when to look at it again, if nothing is heard of it until then.
pub async fn serve(
    chain: &ExecutorChain,
    context: &Context,
    findings: &mut Findings,
) -> Result<Option<Duration>, Error> {
    let desired = &*findings
        .desired
        .insert(Desired::new(chain, &context.settings)?);
    let observed = findings
        .observed
        .insert(observe(context, chain, desired, Freshness::Cached).await?);
    let mut first = plan(ChainView::new(desired, observed));
    if first.as_ref().is_ok_and(Plan::is_empty) {
        // Nothing that somebody edits waits for a count.
        count(context, chain, desired, observed).await;
        let counted = plan(ChainView::new(desired, observed))?;
        if counted.is_empty() {
            // With driftPolicy Report there may be something to tell and nothing to do.
            drift::tell(chain, context, desired, observed).await;
            return Ok(counted.recheck_in());
        }
        first = Ok(counted);
    }
    let closer = closely(context, chain, desired, observed, first, Freshness::Cached).await;
    let (planned, looked) = match closer {
        Ok(closer) => closer,
        Err(error) => return Err(findings.forget_observed(error)),
    };
    // Before it is put right: whoever changed a queue should see that it was noticed.
    drift::tell(chain, context, desired, observed).await;
    let mut now = planned?;
    if now.is_empty() {
        // It is as it should be by now.
        return Ok(now.recheck_in());
    }
    let mut applied = carry_out(context, chain, &now).await;
    if looked == Freshness::Cached && applied.as_ref().is_err_and(is_there_after_all) {
        // Chains that begin together may have a notifier's queue in common, and one of them makes it.
        // The finalizer comes before all queues.
        observed.has_finalizer = true;
        let closer = closely(
            context,
            chain,
            desired,
            observed,
            Ok(now),
            Freshness::Queues,
        )
        .await;
        now = match closer {
            Ok((planned, _)) => planned?,
            Err(error) => return Err(findings.forget_observed(error)),
        };
        applied = carry_out(context, chain, &now).await;
    }
    // Also after a failure: the status tells what is there, not what was planned.
    let look = if let Ok(answered) = &applied {
        let parent = &desired.notifier.queue.parent;
        context.caches.locations.answered(chain, parent, answered);
        Freshness::after(&now)
    } else {
        Freshness::All
    };
    match observe(context, chain, desired, look).await {
        Ok(seen) => *observed = seen,
        Err(error) => return Err(findings.forget_observed(error)),
    }
    count(context, chain, desired, observed).await;
    observed.has_finalizer |= applied.is_ok();
    applied?;
    events::tell_of(context, &chain.metadata, &now).await;
    let next = plan(ChainView::new(desired, observed))?;
    Ok(if next.is_empty() {
        next.recheck_in()
    } else if next.steps == now.steps {
        // What was just done doesn't show, or somebody undoes it.
        Some(NO_EFFECT)
    } else {
        Some(SOON)
    })
}

/// The queues that were made or set.
async fn carry_out(
    context: &Context,
    chain: &ExecutorChain,
    plan: &Plan,
) -> Result<Vec<Queue>, Error> {
    let workloads = Kubernetes {
        context,
        chain: &chain.metadata,
    };
    workloads.carry_out(plan).await
}

/// Whether a queue was to be made that is there.
fn is_there_after_all(error: &Error) -> bool {
    matches!(error, Error::CloudTasks(CloudError::Exists { .. }))
}

/// Whether the status tells of an older spec.
fn is_edited(chain: &ExecutorChain) -> bool {
    let status = chain.status.as_ref();
    let told = status.and_then(|status| status.observed_generation);
    told.is_some() && told != chain.metadata.generation
}

/// The plan, made anew after a look of `least` and until it asks for no closer one than there was, and how
/// close that was.
async fn closely(
    context: &Context,
    chain: &ExecutorChain,
    desired: &Desired,
    observed: &mut Observed,
    mut planned: Result<Plan, Problem>,
    least: Freshness,
) -> Result<(Result<Plan, Problem>, Freshness), Error> {
    let mut looked = Freshness::Cached;
    loop {
        let look = planned.as_ref().map_or(Freshness::All, |planned| {
            Freshness::before(planned, ChainView::new(desired, observed), is_edited(chain))
        });
        let look = look.max(least);
        if look <= looked {
            return Ok((planned, looked));
        }
        let has_counted = !observed.backlogs.is_empty();
        let has_finalizer = observed.has_finalizer;
        *observed = observe(context, chain, desired, look).await?;
        // It may be ours of this very round, and the chain that we were given is older.
        observed.has_finalizer |= has_finalizer;
        if has_counted {
            count(context, chain, desired, observed).await;
        }
        looked = look;
        planned = plan(ChainView::new(desired, observed));
    }
}
