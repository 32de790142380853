//! Deletes a chain: carries out its deletion policy, then removes the finalizer.

use crds::DeletionPolicy;
use jiff::Timestamp;
use kube::Resource;
use plan::{Desired, plan_deletion};

use crate::chain::Chain;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::findings::Next;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::observe::observe_deleted;

/// Deletes a chain by the policy in its spec. One that can't be parsed keeps its tasks.
pub async fn finalize_deleted(chain: &Chain, context: &Context) -> Result<Next, Error> {
    let parsed = chain.0.as_ref().ok();
    let desired = parsed.and_then(|chain| Desired::new(chain, &context.settings).ok());
    let policy = parsed.map_or(DeletionPolicy::Retain, |chain| chain.spec.deletion_policy);
    finalize(chain, context, policy, desired.as_ref()).await?;
    Ok(Next::Report(None))
}

/// Deletes a chain. After `deletion_patience` a failure of Cloud Tasks no longer keeps it: a namespace
/// must be able to go. No task is lost by that, since queues have unlimited attempts.
pub async fn finalize(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    policy: DeletionPolicy,
    desired: Option<&Desired>,
) -> Result<(), Error> {
    let needs_queues = policy != DeletionPolicy::Orphan;
    let error = match carry_out_policy(chain, context, policy, desired, needs_queues).await {
        Err(Error::CloudTasks(error)) => error,
        other => return other,
    };
    let deleted = chain.meta().deletion_timestamp.as_ref();
    let until = deleted
        .and_then(|time| time.0.checked_add(context.deletion_patience).ok())
        .unwrap_or(Timestamp::MAX);
    if Timestamp::now() > until {
        tracing::warn!(%error, "the chain is deleted although its deletionPolicy could not be carried out on its queues");
        carry_out_policy(chain, context, policy, desired, false).await
    } else {
        Err(Error::DeletionBlocked { error, until })
    }
}

async fn carry_out_policy(
    chain: &impl Resource<DynamicType = ()>,
    context: &Context,
    policy: DeletionPolicy,
    desired: Option<&Desired>,
    with_queues: bool,
) -> Result<(), Error> {
    let metadata = chain.meta();
    let observed = observe_deleted(metadata, context, desired, with_queues).await?;
    let owner = chain.controller_owner_ref(&());
    let queue_owner = context.queue_owner(metadata);
    let plan = plan_deletion(policy, &queue_owner, owner.as_ref(), &observed);
    let workloads = Kubernetes {
        context,
        chain: metadata,
    };
    workloads.carry_out(&plan).await.map(drop)
}
