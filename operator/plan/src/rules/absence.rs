//! Queues that a list doesn't show. A list of Cloud Tasks may lack a queue that exists, so what can't be
//! taken back waits until Cloud Tasks was asked for that queue by its name.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::model::{ChainView, Observed};
use crate::objects::former_stages::served_queues;

/// The queues to ask for by name: those that the chain's Deployments serve and that were not listed;
/// for a deleted chain also those that its spec names. A new chain has none: creating a queue that
/// exists fails.
pub fn queues_to_look_up(view: ChainView<'_>) -> BTreeSet<QueuePath> {
    let ChainView { desired, observed } = view;
    let named = desired.queues().filter(|_| desired.finishes);
    unlisted(named, desired.owner.as_ref(), observed)
}

/// The queues among `named` and those that the chain's Deployments serve of which it isn't known
/// whether they exist.
pub fn unlisted<'a>(
    named: impl Iterator<Item = &'a QueuePath>,
    owner: Option<&OwnerReference>,
    observed: &Observed,
) -> BTreeSet<QueuePath> {
    let all = named.cloned().chain(served_queues(observed, owner));
    all.filter(|queue| !observed.is_known(queue)).collect()
}
