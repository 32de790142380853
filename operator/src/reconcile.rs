//! One round for one chain: observe → plan → apply → report.

use std::sync::Arc;
use std::time::Duration;

use crds::ExecutorChain;
use kube::ResourceExt;
use kube_runtime::controller::Action;
use plan::{Desired, Observed, plan};

use crate::apply::apply;
use crate::context::Context;
use crate::end::end;
use crate::error::Error;
use crate::kubernetes::Kubernetes;
use crate::observe::{Freshness, observe};
use crate::report::report;

/// How often a chain is looked at when nothing is heard of it: queues have no watch.
const RESYNC: Duration = Duration::from_secs(30);

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
pub async fn reconcile(chain: Arc<ExecutorChain>, context: Arc<Context>) -> Result<Action, Error> {
    let mut round = Round::default();
    let served = if chain.metadata.deletion_timestamp.is_some() {
        round.desired = Desired::new(&chain, &context.settings).ok();
        end(&chain, &context, round.desired.as_ref()).await
    } else {
        serve(&chain, &context, &mut round).await
    };
    round.error = served.err();
    report(&chain, &context, &round).await?;
    context.metrics.reconciled(round.error.as_ref());
    match round.error {
        None => {
            context.succeeded(&chain.uid().unwrap_or_default());
            Ok(Action::requeue(RESYNC))
        }
        Some(error) => Err(error),
    }
}

async fn serve(chain: &ExecutorChain, context: &Context, round: &mut Round) -> Result<(), Error> {
    let desired = &*round
        .desired
        .insert(Desired::new(chain, &context.settings)?);
    let observed = round
        .observed
        .insert(observe(context, chain, Some(desired), Freshness::Cached).await?);
    let plan = plan(desired, observed)?;
    if plan.is_empty() {
        return Ok(());
    }
    let applied = apply(
        &plan,
        &context.queues,
        &Kubernetes { context, chain },
        &context.metrics,
    )
    .await;
    // Also after a failure: the status tells what is there, not what was planned.
    *observed = observe(context, chain, Some(desired), Freshness::Consistent).await?;
    observed.has_finalizer |= applied.is_ok();
    applied
}

/// When a failed chain is tried again.
#[allow(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub fn again(chain: Arc<ExecutorChain>, error: &Error, context: Arc<Context>) -> Action {
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
