//! The end of a deleted chain: its queues are paused, its workers go, then the chain itself.

use crds::conditions;
use jiff::Timestamp;
use kube::Resource;
use plan::{Desired, Problem, plan_deletion};

use crate::apply::apply;
use crate::context::Context;
use crate::error::Error;
use crate::kubernetes::Kubernetes;
use crate::observe::observe_end;

/// Brings a deleted chain to its end. More lenient than serving one: a namespace must be able to go
/// although Cloud Tasks can't be asked any more, and no task is lost by that, since the queues never
/// give one up.
pub async fn end(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    desired: Option<&Desired>,
) -> Result<(), Error> {
    let left = leave(chain, context, desired, true).await;
    if left.is_ok() {
        context.inventory.forget(chain);
    }
    let Err(Error::CloudTasks(error)) = left else {
        return left;
    };
    let deleted = chain.meta().deletion_timestamp.as_ref();
    let until = deleted
        .and_then(|time| time.0.checked_add(context.deletion_patience).ok())
        .unwrap_or(Timestamp::MAX);
    if has_no_queues(&error) || Timestamp::now() > until {
        tracing::warn!(%error, "the chain goes, and its queues were not all paused");
        context.inventory.forget(chain);
        leave(chain, context, desired, false).await
    } else {
        Err(Error::NotPaused { error, until })
    }
}

/// The deletion as planned.
async fn leave(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    desired: Option<&Desired>,
    with_queues: bool,
) -> Result<(), Error> {
    let metadata = chain.meta();
    let observed = observe_end(context, metadata, desired, with_queues).await?;
    let owner = chain.controller_owner_ref(&());
    let plan = plan_deletion(&context.queue_owner(metadata), owner.as_ref(), &observed);
    let workloads = Kubernetes {
        context,
        chain: metadata,
    };
    apply(&plan, &context.queues, &workloads, &context.metrics).await
}

/// Whether it says that the project or the location isn't there: then no queue of the chain is.
fn has_no_queues(error: &cloudtasks::Error) -> bool {
    Problem::from(error).reason == conditions::PROJECT_NOT_FOUND
}
