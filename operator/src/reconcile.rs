//! One round for one chain: observe → plan → apply → report.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{Error as CloudError, Queue};
use crds::{DeletionPolicy, ExecutorChain};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use kube_runtime::controller::Action;
use plan::{ChainView, Desired, Freshness, Observed, Plan, Problem, has_finished, plan};

use crate::apply::apply;
use crate::context::Context;
use crate::drift;
use crate::end::end;
use crate::error::Error;
use crate::events;
use crate::kubernetes::{Kubernetes, is_namespace_ending};
use crate::observe::{count, has_finalizer, observe};
use crate::report::report;

/// How often a chain is looked at when nothing is heard of it. Its objects are watched, and its
/// queues' changes are told by the inventory.
const RESYNC: Duration = Duration::from_mins(5);
/// When there is more to do at once, once the API server and Cloud Tasks show what was just done.
const SOON: Duration = Duration::from_millis(500);
/// When to do again what has had no effect. The inventory tells earlier, if it has.
const LATER: Duration = Duration::from_secs(10);
/// How often the tasks of a deleted chain are counted that finishes them first.
const FINISH_LOOK: Duration = Duration::from_secs(5);

/// A chain as it is watched: one that can't be read does not make us deaf to the others.
pub type Chain = DeserializeGuard<ExecutorChain>;

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

impl Round {
    /// Then nothing is known, and nothing is claimed.
    fn knows_nothing(&mut self, error: Error) -> Error {
        self.observed = None;
        error
    }
}

/// Brings one chain to what its spec says, or to its end.
#[tracing::instrument(skip_all, fields(chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any())))]
pub async fn reconcile(chain: Arc<Chain>, context: Arc<Context>) -> Result<Action, Error> {
    let mut round = Round::default();
    let served = match &chain.0 {
        Ok(parsed) if finishes(parsed) => finish(parsed, &context, &mut round).await,
        parsed if chain.meta().deletion_timestamp.is_some() => {
            let parsed = parsed.as_ref().ok();
            let desired = parsed.and_then(|chain| Desired::new(chain, &context.settings).ok());
            // What can't be read is kept.
            let policy = parsed.map_or(DeletionPolicy::Retain, |chain| chain.spec.deletion_policy);
            end(&*chain, &context, policy, desired.as_ref())
                .await
                .map(|()| None)
        }
        Ok(chain) => serve(chain, &context, &mut round).await,
        Err(invalid) => Err(unreadable(invalid).into()),
    };
    let look_in = served.as_ref().ok().copied().flatten();
    if let Err(Error::NotLeader) = served {
        // Whoever leads now goes on, and tells of it.
        return Err(Error::NotLeader);
    }
    round.error = served.err();
    let reported = report(&chain, &context, &round).await;
    // What stopped the round is worth more than that it could not be told. A status that can't be
    // written says so nowhere else: it is counted.
    let failed = round.error.or(reported.err());
    let counted = failed.as_ref().filter(|it| !matches!(it, Error::NotLeader));
    context.metrics.reconciled(counted);
    if let Some(error) = failed {
        return Err(error);
    }
    let uid = chain.uid().unwrap_or_default();
    context.succeeded(&uid);
    if round.desired.is_none() {
        // It has come to its end.
        context.memory.forget(&uid);
        context.echoes.forget(&uid);
    }
    Ok(Action::requeue(look_in.unwrap_or(RESYNC).min(RESYNC)))
}

/// Whether the chain is deleted and has its tasks to finish first. Without our finalizer it has ended,
/// and somebody else keeps it.
fn finishes(chain: &ExecutorChain) -> bool {
    chain.metadata.deletion_timestamp.is_some()
        && chain.spec.deletion_policy == DeletionPolicy::Drain
        && has_finalizer(&chain.metadata)
}

/// The schema lets pass what a client with types can't read. Such a chain stands alone: the others
/// are served.
fn unreadable(invalid: &InvalidObject) -> Problem {
    Problem::invalid(format!(
        "the chain can't be read: {invalid}. Correct that field"
    ))
}

/// Serves a chain; when to look at it again, if nothing is heard of it until then.
async fn serve(
    chain: &ExecutorChain,
    context: &Context,
    round: &mut Round,
) -> Result<Option<Duration>, Error> {
    let desired = &*round
        .desired
        .insert(Desired::new(chain, &context.settings)?);
    let observed = round
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
        Err(error) => return Err(round.knows_nothing(error)),
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
            Err(error) => return Err(round.knows_nothing(error)),
        };
        applied = carry_out(context, chain, &now).await;
    }
    // Also after a failure: the status tells what is there, not what was planned.
    let look = if let Ok(answered) = &applied {
        let parent = &desired.notifier.queue.parent;
        context.inventory.answered(chain, parent, answered);
        Freshness::after(&now)
    } else {
        Freshness::All
    };
    match observe(context, chain, desired, look).await {
        Ok(seen) => *observed = seen,
        Err(error) => return Err(round.knows_nothing(error)),
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
        Some(LATER)
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
    apply(plan, &context.queues, &workloads, &context.metrics).await
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

/// How long ago a chain was deleted.
fn deleted_for(chain: &ObjectMeta) -> Duration {
    let deleted = chain.deletion_timestamp.as_ref();
    let age = deleted.map(|time| Timestamp::now().duration_since(time.0));
    age.and_then(|age| age.try_into().ok()).unwrap_or_default()
}

/// Serves a deleted chain until its queues are empty, then ends it. Where it can't be served any more,
/// because its namespace ends too or whatever else has failed for too long, its tasks are kept.
async fn finish(
    chain: &ExecutorChain,
    context: &Context,
    round: &mut Round,
) -> Result<Option<Duration>, Error> {
    let served = serve(chain, context, round).await;
    let desired = round.desired.as_ref();
    let seen = desired.zip(round.observed.as_ref());
    let is_finished =
        seen.is_some_and(|(desired, observed)| has_finished(ChainView::new(desired, observed)));
    let has_waited = match &served {
        Ok(_) => false,
        Err(error) => {
            let failing = context.failing_for(&chain.uid().unwrap_or_default());
            let deleted = deleted_for(&chain.metadata);
            is_namespace_ending(error) || failing.min(deleted) > context.deletion_patience
        }
    };
    if !is_finished && !has_waited {
        return served.map(|look_in| Some(look_in.unwrap_or(RESYNC).min(FINISH_LOOK)));
    }
    if let (Err(error), false) = (&served, is_finished) {
        tracing::warn!(%error, "the chain goes without having finished its tasks, which are kept");
    }
    end(chain, context, DeletionPolicy::Retain, desired).await?;
    // Nothing is left to tell of.
    *round = Round::default();
    Ok(None)
}

/// When a failed chain is tried again.
#[allow(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub fn again(chain: Arc<Chain>, error: &Error, context: Arc<Context>) -> Action {
    if let Error::NotLeader = error {
        // Not the chain's failure. If we lead again, this comes up again.
        return Action::requeue(error.retry_after(0));
    }
    let failures = context.failed(&chain.uid().unwrap_or_default());
    let is_finishing = chain.0.as_ref().is_ok_and(finishes);
    // What is in its way may be gone, or its patience may be over.
    let most = if is_finishing { LATER } else { RESYNC };
    let wait = error.retry_after(failures).min(most);
    tracing::warn!(
        chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any()),
        reason = %error.problem().reason,
        %error,
        retry_in = ?wait,
        "a chain can't be served",
    );
    Action::requeue(wait)
}
