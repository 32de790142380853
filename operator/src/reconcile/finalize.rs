//! The end of a deleted chain: its deletion policy is carried out, then the chain itself goes.

use crds::DeletionPolicy;
use jiff::Timestamp;
use kube::Resource;
use plan::{Desired, plan_deletion};

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::observe::observe_end;

/// Brings a deleted chain to its end. More lenient than serving one: a namespace must be able to go
/// although Cloud Tasks can't be asked any more, and no task is lost by that, since the queues never
/// give one up.
pub async fn finalize(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    policy: DeletionPolicy,
    desired: Option<&Desired>,
) -> Result<(), Error> {
    let looks_at_queues = policy != DeletionPolicy::Orphan;
    let error = match carry_out_policy(chain, context, policy, desired, looks_at_queues).await {
        Err(Error::CloudTasks(error)) => error,
        other => return other,
    };
    let deleted = chain.meta().deletion_timestamp.as_ref();
    let until = deleted
        .and_then(|time| time.0.checked_add(context.deletion_patience).ok())
        .unwrap_or(Timestamp::MAX);
    if Timestamp::now() > until {
        tracing::warn!(%error, "the chain goes, and what its deletionPolicy asks of its queues is not all done");
        carry_out_policy(chain, context, policy, desired, false).await
    } else {
        Err(Error::DeletionBlocked { error, until })
    }
}

/// The deletion as planned.
async fn carry_out_policy(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    policy: DeletionPolicy,
    desired: Option<&Desired>,
    with_queues: bool,
) -> Result<(), Error> {
    let metadata = chain.meta();
    let observed = observe_end(context, metadata, desired, with_queues).await?;
    let owner = chain.controller_owner_ref(&());
    let plan = plan_deletion(
        policy,
        &context.queue_owner(metadata),
        owner.as_ref(),
        &observed,
    );
    let workloads = Kubernetes {
        context,
        chain: metadata,
    };
    workloads.carry_out(&plan).await.map(drop)
}
