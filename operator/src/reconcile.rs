//! The reconcile of one chain: observe → plan → apply → report.

pub mod bad_days;
pub mod count;
pub mod deleted_chain;
pub mod drain;
pub mod drift;
pub mod error_policy;
pub mod events;
pub mod finalize;
pub mod findings;
pub mod intervals;
pub mod kubernetes;
pub mod observe;
pub mod overrides;
pub mod read;
pub mod redrives;
pub mod report;
pub mod revisions;
pub mod serve;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use kube_runtime::controller::Action;
use plan::Problem;

use crate::chain::{Chain, name_of};
use crate::context::Context;
use crate::error::Error;
use bad_days::report_bad_days;
use drain::{drain, is_draining};
use finalize::finalize_deleted;
use findings::{Findings, Next};
use intervals::{PARKED_COUNT, RESYNC};
use overrides::report_overrides;
use report::report;
use serve::serve;

/// Makes one chain what its spec says, or deletes it.
#[tracing::instrument(skip_all, fields(chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any())))]
pub async fn reconcile(chain: Arc<Chain>, context: Arc<Context>) -> Result<Action, Error> {
    let _under_way = context.reconciles.begin();
    let mut findings = Findings::default();
    let parsed = chain.parsed();
    let next = match &parsed {
        Ok(parsed) if is_draining(parsed) => drain(parsed, &context, &mut findings).await,
        _ if chain.meta().deletion_timestamp.is_some() => finalize_deleted(&chain, &context).await,
        Ok(parsed) => serve(parsed, &context, &mut findings).await,
        Err(invalid) => Err(unreadable(invalid).into()),
    };
    let wait = match next {
        Ok(Next::Reconcile(action)) => return Ok(action),
        Ok(Next::Report(wait)) => wait,
        // The new leader continues, and reports.
        Err(Error::NotLeader) => return Err(Error::NotLeader),
        Err(error) => {
            findings.error = Some(error);
            None
        }
    };
    let failure = findings.error.as_ref().map(Error::problem);
    let chains = &context.caches.served_chains;
    chains.reconciled(&chain, failure.as_ref());
    let reported = report(chain.meta(), parsed.as_ref().ok(), &context, &findings).await;
    let name = name_of(&*chain);
    match (&parsed, &reported) {
        // Nothing of it is left.
        (Ok(_), Ok(None)) => report_overrides(&name, None, &context).await,
        (Ok(chain), Ok(status)) => {
            if let Some(status) = status {
                report_bad_days(&chain.metadata, status, &context).await;
            }
            let mut chain = chain.clone();
            chain.status.clone_from(status);
            report_overrides(&name, Some(&chain), &context).await;
        }
        (Ok(chain), Err(_)) => report_overrides(&name, Some(chain), &context).await,
        // Nothing is known of its stages.
        (Err(_), _) => {}
    }
    context.caches.revisions.reconciled(chain.meta());
    let planned = findings.planned();
    let parks = planned.is_some_and(|it| it.view.parking_queues().next().is_some());
    // What stopped the reconcile matters more than that its status can't be written.
    let failure = findings.error.or(reported.err());
    context.metrics.reconciled(failure.as_ref());
    if let Some(error) = failure {
        return Err(error);
    }
    let uid = chain.uid().unwrap_or_default();
    context.caches.failures.succeeded(&uid);
    if findings.desired.is_none() {
        // The chain is deleted. Its watch may have said so before this reconcile observed it.
        context.caches.forget_uid(&uid);
        let namespace = chain.namespace().unwrap_or_default();
        context.caches.forget(&namespace, &chain.name_any());
    }
    let desired = findings.desired.as_ref();
    let change = desired.and_then(|desired| desired.overrides_change);
    let until_change = change.map_or(RESYNC, |change| until(change, Timestamp::now()));
    let until_count = if parks { PARKED_COUNT } else { RESYNC };
    let wait = wait.unwrap_or(RESYNC).min(until_count).min(until_change);
    Ok(Action::requeue(wait))
}

/// How long it takes until a time is past.
fn until(time: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(time.duration_since(now)).unwrap_or_default();
    left + Duration::from_millis(1)
}

/// The schema accepts what can't be parsed. Other chains are served all the same.
fn unreadable(invalid: &InvalidObject) -> Problem {
    Problem::invalid(format!(
        "the chain can't be parsed: {invalid}. Correct that field"
    ))
}
