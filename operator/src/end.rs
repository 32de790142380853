//! The end of a deleted chain: its queues are paused, its workers go, then the chain itself.

use crds::{ExecutorChain, conditions};
use jiff::Timestamp;
use kube::Resource;
use plan::{Desired, Problem, plan_deletion};

use crate::apply::apply;
use crate::context::Context;
use crate::error::Error;
use crate::kubernetes::Kubernetes;
use crate::observe::{Freshness, observe};

/// Brings a deleted chain to its end. More lenient than serving one: a namespace must be able to go
/// although Cloud Tasks can't be asked any more, and no task is lost by that, since the queues never
/// give one up.
pub async fn end(
    chain: &ExecutorChain,
    context: &Context,
    desired: Option<&Desired>,
) -> Result<(), Error> {
    let error = match leave(chain, context, desired).await {
        Err(Error::CloudTasks(error)) => error,
        other => return other,
    };
    let deleted = chain.metadata.deletion_timestamp.as_ref();
    let until = deleted
        .and_then(|time| time.0.checked_add(context.deletion_patience).ok())
        .unwrap_or(Timestamp::MAX);
    if has_no_queues(&error) || Timestamp::now() > until {
        tracing::warn!(%error, "the chain goes, and its queues were not all paused");
        leave(chain, context, None).await
    } else {
        Err(Error::NotPaused { error, until })
    }
}

/// The deletion as planned; without `desired` no queue is looked at.
async fn leave(
    chain: &ExecutorChain,
    context: &Context,
    desired: Option<&Desired>,
) -> Result<(), Error> {
    let observed = observe(context, chain, desired, Freshness::Consistent).await?;
    let owner = chain.controller_owner_ref(&());
    let plan = plan_deletion(desired, owner.as_ref(), &observed);
    let workloads = Kubernetes { context, chain };
    apply(&plan, &context.queues, &workloads, &context.metrics).await
}

/// Whether it says that the project or the location isn't there: then no queue of the chain is.
fn has_no_queues(error: &cloudtasks::Error) -> bool {
    Problem::from(error).reason == conditions::PROJECT_NOT_FOUND
}
