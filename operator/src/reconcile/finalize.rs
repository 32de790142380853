//! Deletes a chain: carries out its deletion policy, then removes the finalizer.

use crds::DeletionPolicy;
use kube::Resource;
use plan::{Deletion, plan_deletion};

use crate::chain::{Chain, has_finalizer};
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::deleted_chain::DeletedChain;
use crate::reconcile::findings::Next;
use crate::reconcile::kubernetes::Kubernetes;
use crate::reconcile::observe::observe_deleted;

/// Deletes a chain by the policy in its spec. One that can't be parsed keeps its tasks.
pub async fn finalize_deleted(chain: &Chain, context: &Context) -> Result<Next, Error> {
    if !has_finalizer(chain.meta()) {
        // It was never served, or its policy is carried out: it waits for others' finalizers.
        return Ok(Next::Report(None));
    }
    let parsed = chain.parsed();
    let (deleted, policy) = if let Ok(chain) = &parsed {
        (DeletedChain::of(chain, context), chain.spec.deletion_policy)
    } else {
        let deleted = DeletedChain::unreadable(chain, context).await?;
        (deleted, DeletionPolicy::Retain)
    };
    finalize(&deleted, context, policy).await?;
    Ok(Next::Report(None))
}

/// Deletes a chain. If Cloud Tasks has failed for `deletion_patience`, without a success in between, it
/// no longer keeps the chain: a namespace must be able to go. No task is lost by that, since queues have
/// unlimited attempts.
pub async fn finalize(
    chain: &DeletedChain<'_>,
    context: &Context,
    policy: DeletionPolicy,
) -> Result<(), Error> {
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let blocked = &context.caches.blocked_deletions;
    let error = match carry_out(chain, context, Deletion::ByPolicy(policy)).await {
        Err(Error::CloudTasks(error)) => error,
        other => {
            blocked.ended(uid);
            return other;
        }
    };
    let blocked = blocked.failed(uid);
    if blocked.exceeds(context.deletion_patience) {
        tracing::warn!(%error, "the chain is deleted although its deletionPolicy could not be carried out on its queues");
        carry_out(chain, context, Deletion::WithoutQueues).await
    } else {
        let until = blocked.until(context.deletion_patience);
        Err(Error::DeletionBlocked { error, until })
    }
}

async fn carry_out(
    chain: &DeletedChain<'_>,
    context: &Context,
    deletion: Deletion,
) -> Result<(), Error> {
    let observed = observe_deleted(chain, context, deletion).await?;
    let queue_owner = context.queue_owner(chain.metadata);
    let plan = plan_deletion(deletion, &queue_owner, chain.owner.as_ref(), &observed);
    let workloads = Kubernetes {
        context,
        chain: chain.metadata,
    };
    workloads.carry_out(&plan).await.map(drop)
}
