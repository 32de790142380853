//! Queues that a list doesn't show. A list of Cloud Tasks may lack a queue that exists, so what can't be
//! taken back waits until Cloud Tasks was asked for that queue by its name.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::model::{ChainView, Observed};
use crate::objects::former_stages::{looked_up_queues, served_queues};

/// The most queues to ask for because workers look up tasks in them. A tenant who may write Deployments can name
/// any number, and edits need the calls.
const MOST_LOOKED_UP: usize = 32;

/// The queues to ask for by name: those of removed stages that weren't listed, as long as workers serve
/// them or look up tasks in them; once the chain is deleted, also those that its spec names. No other
/// absence decides anything that can't be taken back: creating a queue that exists fails.
pub fn queues_to_look_up(view: ChainView<'_>) -> BTreeSet<QueuePath> {
    let ChainView { desired, observed } = view;
    let named = desired.queues().filter(|_| desired.finishes).cloned();
    let removed = view.removed_stages().into_iter().map(|it| it.queue);
    let is_named = |queue: &QueuePath| desired.queues().any(|named| named == queue);
    let looked_up = looked_up_queues(observed, desired.owner.as_ref());
    let parent = &desired.notifier.queue.parent;
    // Anybody who may create Deployments could name a queue elsewhere.
    let is_unlisted = |queue: &QueuePath| queue.parent == *parent && !observed.is_known(queue);
    let looked_up: BTreeSet<QueuePath> = looked_up
        .filter(|queue| !is_named(queue) && is_unlisted(queue))
        .collect();
    let all = named.chain(removed).filter(is_unlisted);
    all.chain(looked_up.into_iter().take(MOST_LOOKED_UP))
        .collect()
}

/// The queues of a deleted chain of which it isn't known whether they exist: those that its spec names,
/// and those that its Deployments serve.
pub fn unlisted<'a>(
    named: impl Iterator<Item = &'a QueuePath>,
    owner: Option<&OwnerReference>,
    observed: &Observed,
) -> BTreeSet<QueuePath> {
    let all = named.cloned().chain(served_queues(observed, owner));
    all.filter(|queue| !observed.is_known(queue)).collect()
}
