//! Serves one chain: observe → plan → apply → observe.

use std::time::Duration;

use cloudtasks::Error as CloudError;
use crds::{ExecutorChain, UNSEEN};
use jiff::Timestamp;
use kube_runtime::controller::Action;
use plan::objects::names::namespace_owner;
use plan::{
    ChainView, Desired, Freshness, Plan, override_stages, overrides_differ, plan,
    refuse_not_allowed,
};

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::count::count;
use crate::reconcile::drift::report_drift;
use crate::reconcile::events::publish_steps;
use crate::reconcile::findings::{Findings, Next, PlannedState};
use crate::reconcile::intervals::{NO_EFFECT, SOON};
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::observe::{ServedChain, observe};

/// Makes a chain what its spec says.
pub async fn serve(
    chain: &ExecutorChain,
    context: &Context,
    findings: &mut Findings,
) -> Result<Next, Error> {
    let desired = Desired::new(chain, &context.settings)?;
    let desired = findings.desired.insert(desired);
    // Before anything is read: what isn't allowed isn't shown either.
    refuse_not_allowed(desired, &context.settings.tenants)?;
    let uids = &context.caches.namespace_uids;
    let uid = uids.of(&context.client, &desired.namespace).await?;
    desired.namespace_owner = uid.map(|uid| namespace_owner(&desired.namespace, &uid));
    let overrides = &context.caches.overrides;
    let overrides = overrides.of(&desired.namespace, &desired.name).await?;
    override_stages(
        desired,
        overrides.iter().map(AsRef::as_ref),
        Timestamp::now(),
    );
    let desired = &*desired;
    let served = ServedChain {
        chain,
        context,
        desired,
    };
    let (state, freshness) = observe_and_plan(served).await?;
    // Before it is corrected, so that the change is seen to be noticed.
    report_drift(served, &state).await;
    let PlannedState { observed, plan } = state;
    let plan = match plan {
        Ok(plan) if !plan.is_empty() => plan,
        plan => {
            let state = findings.state.insert(PlannedState { observed, plan });
            return Ok(Next::Report(state.plan.clone()?.recheck_in()));
        }
    };
    let workloads = Kubernetes {
        context,
        chain: &chain.metadata,
    };
    if plan.begins_with_finalizer() {
        // Alone, as kube's own finalizer does: the watch shows the chain again, which reconciles it.
        let mut alone = Plan::default();
        alone.steps.extend(plan.steps.first().cloned());
        let plan = Ok(plan);
        findings.state = Some(PlannedState { observed, plan });
        workloads.carry_out(&alone).await?;
        return Ok(Next::Reconcile(Action::await_change()));
    }
    // Many chains wait here at once for the answers to their steps, and what was observed is the larger half
    // of what a reconcile holds.
    drop(observed);
    let applied = workloads.carry_out(&plan).await;
    let freshness = match &applied {
        Ok(queues) => {
            let parent = &desired.notifier.queue.parent;
            context.caches.locations.answered(chain, parent, queues);
            Freshness::after(&plan)
        }
        Err(error) if freshness != Freshness::All && exists(served, error).await? => {
            return Ok(Next::Reconcile(Action::requeue(Duration::ZERO)));
        }
        Err(_) => Freshness::All,
    };
    // Also after a failure: the status reports what exists, not what was planned.
    let state = observe_applied(served, freshness).await?;
    let next = findings.state.insert(state).plan.clone();
    applied?;
    publish_steps(context, &chain.metadata, &plan).await;
    Ok(Next::Report(wait_after(&plan, &next?)))
}

/// Observes and plans until what was observed is as fresh as the plan needs. Returns how fresh it is.
async fn observe_and_plan(served: ServedChain<'_>) -> Result<(PlannedState, Freshness), Error> {
    let desired = served.desired;
    let mut freshness = Freshness::Cached;
    loop {
        let mut observed = observe(served, freshness).await?;
        let mut planned = plan(ChainView::new(desired, &observed));
        // No edit waits for a count.
        if planned.as_ref().is_ok_and(Plan::is_empty) && count(served, &mut observed).await {
            planned = plan(ChainView::new(desired, &observed));
        }
        let view = ChainView::new(desired, &observed);
        let needed = match &planned {
            Ok(plan) if plan.is_empty() => Freshness::Cached,
            // Only the finalizer is added.
            Ok(plan) if plan.begins_with_finalizer() => Freshness::Cached,
            Ok(plan) => Freshness::before(plan, view, is_edited(served)),
            Err(_) => Freshness::All,
        };
        if needed <= freshness {
            let state = PlannedState {
                observed,
                plan: planned,
            };
            return Ok((state, freshness));
        }
        freshness = needed;
    }
}

/// Observes what exists after a plan was carried out, and plans what is still to be done.
async fn observe_applied(
    served: ServedChain<'_>,
    freshness: Freshness,
) -> Result<PlannedState, Error> {
    let mut observed = observe(served, freshness).await?;
    count(served, &mut observed).await;
    let plan = plan(ChainView::new(served.desired, &observed));
    Ok(PlannedState { observed, plan })
}

/// Whether the status is of an older spec, or of other overrides.
fn is_edited(served: ServedChain<'_>) -> bool {
    let ServedChain { chain, desired, .. } = served;
    let status = chain.status.as_ref();
    if status.is_some_and(|status| overrides_differ(desired, status)) {
        return true;
    }
    let reported = status.and_then(|status| status.observed_generation);
    // The CRD's default: no operator has reported.
    let reported = reported.filter(|generation| *generation != UNSEEN);
    reported.is_some() && reported != chain.metadata.generation
}

/// Whether a queue could not be created because another chain has just created it, such as a notifier's
/// queue that both use. The cache shows it from now on.
async fn exists(served: ServedChain<'_>, error: &Error) -> Result<bool, Error> {
    let Error::CloudTasks(CloudError::Exists { resource }) = error else {
        return Ok(false);
    };
    let parent = &served.desired.notifier.queue.parent;
    let locations = &served.context.caches.locations;
    let queues = locations.list_now(served.chain, parent).await?;
    let mut queues = queues.values();
    Ok(queues.any(|queue| queue.path.to_string() == *resource))
}

/// When a chain is reconciled again after a plan was carried out, and `next` is still to be done.
fn wait_after(done: &Plan, next: &Plan) -> Option<Duration> {
    if next.is_empty() {
        next.recheck_in()
    } else if next.steps == done.steps {
        Some(NO_EFFECT)
    } else {
        Some(SOON)
    }
}
