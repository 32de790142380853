//! One round for one chain: observe → plan → apply → report.

pub mod drain;
pub mod drift;
pub mod error_policy;
pub mod events;
pub mod finalize;
pub mod findings;
pub mod intervals;
pub mod kubernetes;
pub mod observe;
pub mod report;
pub mod serve;

use std::sync::Arc;

use crds::DeletionPolicy;
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use kube_runtime::controller::Action;
use plan::{Desired, Problem};

use crate::chain::Chain;
use crate::context::Context;
use crate::error::Error;
use drain::{drain, is_draining};
use finalize::finalize;
use findings::Findings;
use intervals::RESYNC;
use report::report;
use serve::serve;

/// Brings one chain to what its spec says, or to its end.
#[tracing::instrument(skip_all, fields(chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any())))]
pub async fn reconcile(chain: Arc<Chain>, context: Arc<Context>) -> Result<Action, Error> {
    let mut findings = Findings::default();
    let served = match &chain.0 {
        Ok(parsed) if is_draining(parsed) => drain(parsed, &context, &mut findings).await,
        parsed if chain.meta().deletion_timestamp.is_some() => {
            let parsed = parsed.as_ref().ok();
            let desired = parsed.and_then(|chain| Desired::new(chain, &context.settings).ok());
            // What can't be read is kept.
            let policy = parsed.map_or(DeletionPolicy::Retain, |chain| chain.spec.deletion_policy);
            finalize(&*chain, &context, policy, desired.as_ref())
                .await
                .map(|()| None)
        }
        Ok(chain) => serve(chain, &context, &mut findings).await,
        Err(invalid) => Err(unreadable(invalid).into()),
    };
    let look_in = served.as_ref().ok().copied().flatten();
    if let Err(Error::NotLeader) = served {
        // Whoever leads now goes on, and tells of it.
        return Err(Error::NotLeader);
    }
    findings.error = served.err();
    let reported = report(&chain, &context, &findings).await;
    // What stopped the round is worth more than that it could not be told. A status that can't be
    // written says so nowhere else: it is counted.
    let failed = findings.error.or(reported.err());
    let counted = failed.as_ref().filter(|it| !matches!(it, Error::NotLeader));
    context.metrics.reconciled(counted);
    if let Some(error) = failed {
        return Err(error);
    }
    let uid = chain.uid().unwrap_or_default();
    context.caches.failures.succeeded(&uid);
    if findings.desired.is_none() {
        // It has come to its end.
        context.caches.forget_uid(&uid);
    }
    Ok(Action::requeue(look_in.unwrap_or(RESYNC).min(RESYNC)))
}

/// The schema lets pass what a client with types can't read. Such a chain stands alone: the others
/// are served.
fn unreadable(invalid: &InvalidObject) -> Problem {
    Problem::invalid(format!(
        "the chain can't be read: {invalid}. Correct that field"
    ))
}
