//! When a chain whose reconcile has failed is tried again.

use std::sync::Arc;
use std::time::Duration;

use crds::conditions::Reason;
use kube::{Resource, ResourceExt};
use kube_runtime::controller::Action;

use crate::chain::Chain;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::drain::is_draining;
use crate::reconcile::intervals::{DRAIN_RETRY, RESYNC};

/// When a failed chain is tried again.
#[allow(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub fn error_policy(chain: Arc<Chain>, error: &Error, context: Arc<Context>) -> Action {
    if let Error::NotLeader = error {
        // No failure of the chain. In a new term every chain is reconciled in any case.
        return Action::requeue(retry_after(error, 0));
    }
    let uid = chain.uid().unwrap_or_default();
    let is_deleted = chain.meta().deletion_timestamp.is_some();
    let failures = context.caches.failures.failed(&uid, is_deleted);
    let is_draining = chain.parsed().is_ok_and(|chain| is_draining(&chain));
    let at_most = if is_draining { DRAIN_RETRY } else { RESYNC };
    let wait = retry_after(error, failures).min(at_most);
    tracing::warn!(
        chain = %format!("{}/{}", chain.namespace().unwrap_or_default(), chain.name_any()),
        reason = %error.problem().reason,
        %error,
        retry_in = ?wait,
        "a chain can't be served",
    );
    Action::requeue(wait)
}

/// How long to wait before the next attempt, after `failures` in a row.
fn retry_after(error: &Error, failures: u32) -> Duration {
    let exponential = |at_most: u32| Duration::from_secs(1 << failures.min(at_most));
    match error {
        // A user fixes these in the cluster, which no watch shows: a foreign Deployment is deleted, a
        // right is granted. To read the cluster costs little.
        Error::Problem(problem)
            if [
                Reason::NameTaken,
                Reason::GatewayApiMissing,
                Reason::KubernetesError,
            ]
            .contains(&problem.reason) =>
        {
            Duration::from_secs(8)
        }
        Error::Kubernetes { .. } => exponential(3),
        // Only an edit fixes these, and an edit is watched.
        Error::Problem(_) => Duration::from_secs(30),
        // A quota needs time.
        Error::CloudTasks(cloudtasks::Error::Quota { .. }) => {
            exponential(5).max(Duration::from_secs(15))
        }
        Error::CloudTasks(_)
        | Error::DeletionBlocked { .. }
        | Error::TimedOut { .. }
        | Error::NotLeader
        | Error::NoCluster(_)
        | Error::Admin { .. } => exponential(5),
    }
}

#[cfg(test)]
mod tests {
    use plan::Problem;

    use super::*;

    #[test]
    fn errors_that_are_fixed_in_the_cluster_are_retried_within_8_seconds() {
        let refused = Error::Kubernetes {
            action: "apply Deployment orders-fast".into(),
            source: Box::new(kube::Error::LinesCodecMaxLineLengthExceeded),
        };
        let taken = Problem::new(Reason::NameTaken, "Deployment orders-fast exists");
        for (error, seconds) in [
            (refused, [1, 2, 8, 8]),
            (taken.into(), [8, 8, 8, 8]),
            (Problem::invalid("no project").into(), [30, 30, 30, 30]),
        ] {
            let waits = [0, 1, 3, 9].map(|failures| retry_after(&error, failures).as_secs());
            assert_eq!(waits, seconds, "{error}");
        }
    }
}
