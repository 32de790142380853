//! What is left of stages that were removed or renamed.

use crds::conditions as c;
use kube::ResourceExt;

use super::{Finding, list};
use crate::desired::Desired;
use crate::environment::hands_to;
use crate::observed::{Observed, Removed};

/// With what a person may do about it.
pub(super) fn finding(desired: &Desired, observed: &Observed, removed: &[Removed]) -> Finding {
    let is_fed = |removed: &Removed| {
        let mut others = observed.deployments.values();
        others.any(|deployment| {
            Some(deployment.name_any()) != removed.deployment
                && hands_to(deployment, &removed.queue)
        })
    };
    let queues = |wanted: &dyn Fn(&Removed) -> bool| {
        let found = removed.iter().filter(|removed| wanted(removed));
        list(found.map(|removed| removed.queue.id.to_string()))
    };
    let parts = [
        (
            "removed, with workers; when it has been empty for a day, delete Deployment, Service and queue",
            queues(&|removed| removed.deployment.is_some() && !is_fed(removed)),
        ),
        (
            "removed, and other workers still hand tasks to it: keep it",
            queues(&|removed| removed.deployment.is_some() && is_fed(removed)),
        ),
        (
            "removed, without workers: put the stage back to serve what is in it, or delete the queue",
            queues(&|removed| removed.deployment.is_none()),
        ),
        (
            "of a renamed stage, whose queue has new workers: once these are ready, delete the Deployment and the Service, and not the queue",
            list(observed.renamed_stages(desired).into_iter()),
        ),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter_map(|(what, names)| Some(format!("{what}: {}", names?)))
        .collect();
    let (reason, message) = if said.is_empty() {
        (c::NOTHING_DRAINS, "no removed stage is left".into())
    } else {
        (c::STAGE_REMOVED, said.join(". "))
    };
    Finding {
        kind: c::DRAINING,
        holds: Some(!said.is_empty()),
        reason,
        message,
    }
}
