//! Who sets the limits of a notifier's queue: one chain of those that share it. The first that uses it
//! does, and its mark is on the queue; when it is gone, the oldest of the others follows.

use std::collections::{BTreeMap, BTreeSet};

use cloudtasks::QueuePath;

use crate::model::queue_headers::limits_holder;
use crate::model::{ChainView, KnownChain, LimitsHolder, NotifierUse, SpecState};
use crate::objects::queue_settings::notifier_rates;

/// Who sets the limits of the chain's notifier's queue.
pub fn holder(view: ChainView<'_>) -> LimitsHolder<'_> {
    by_mark(view).unwrap_or_else(|| match first_user(view) {
        Some(first) if first != view.desired.queue_owner => LimitsHolder::Other(first),
        Some(_) | None => LimitsHolder::Follows,
    })
}

/// Whether the mark on the queue says who sets its limits. If not, it depends on all chains that use
/// the queue.
pub fn is_marked(view: ChainView<'_>) -> bool {
    by_mark(view).is_some()
}

fn by_mark(view: ChainView<'_>) -> Option<LimitsHolder<'_>> {
    let ChainView { desired, observed } = view;
    let notifier = &desired.notifier;
    let Some(found) = observed.queues.get(&notifier.queue) else {
        return Some(LimitsHolder::Ours);
    };
    let mark = limits_holder(found)?;
    if mark == desired.queue_owner {
        return Some(LimitsHolder::Ours);
    }
    match observed.chains.get(mark) {
        // Of another cluster or namespace, or it can't be read: then its mark counts.
        None => Some(LimitsHolder::Other(mark)),
        Some(KnownChain::Exists(its)) if its.queue == notifier.queue => {
            let may_take = !its.sets_limits
                && notifier.sets_limits()
                && namespace(mark) == namespace(&desired.queue_owner);
            Some(if may_take {
                LimitsHolder::Follows
            } else {
                LimitsHolder::Other(mark)
            })
        }
        // Its workers notify through this queue until it is served with another one.
        Some(KnownChain::Exists(its)) if its.spec != SpecState::Served => {
            Some(LimitsHolder::Other(mark))
        }
        Some(KnownChain::Gone | KnownChain::Exists(_)) => None,
    }
}

/// The oldest chain that uses the queue, or will if nothing refuses it.
fn first_user(view: ChainView<'_>) -> Option<&str> {
    let ChainView { desired, observed } = view;
    let users = users(&desired.notifier.queue, &observed.chains);
    // This chain isn't refused: it is planned for.
    first(
        users.filter(|(mark, its)| its.spec != SpecState::Refused || *mark == desired.queue_owner),
    )
}

/// Whether a chain that changes from `before` to `now` may have kept others from setting the limits of
/// the queue that it used before.
pub fn gives_way(before: &NotifierUse, now: Option<&NotifierUse>) -> bool {
    let is_refused = |its: &NotifierUse| its.spec == SpecState::Refused;
    now.is_none_or(|now| {
        now.queue != before.queue
            || (before.sets_limits && !now.sets_limits)
            || (is_refused(now) && !is_refused(before))
            || (now.is_deleted && !before.is_deleted)
    })
}

/// Chains that may follow a chain which no longer sets the limits of a notifier's queue.
pub fn successors<'a>(
    former: &'a str,
    queue: &'a QueuePath,
    chains: &'a BTreeMap<String, KnownChain>,
) -> BTreeSet<&'a str> {
    let others = || {
        let users = users(queue, chains);
        users.filter(|(mark, its)| *mark != former && its.spec != SpecState::Refused)
    };
    // If it still uses the queue, one of its namespace may set limits instead.
    let beside =
        others().filter(|(mark, its)| its.sets_limits && namespace(mark) == namespace(former));
    [first(others()), first(beside)]
        .into_iter()
        .flatten()
        .collect()
}

fn users<'a>(
    queue: &'a QueuePath,
    chains: &'a BTreeMap<String, KnownChain>,
) -> impl Iterator<Item = (&'a str, &'a NotifierUse)> {
    chains.iter().filter_map(move |(mark, chain)| match chain {
        KnownChain::Exists(its) if its.queue == *queue => Some((mark.as_str(), its)),
        KnownChain::Gone | KnownChain::Exists(_) => None,
    })
}

/// The oldest; one that is being deleted only if there is no other.
fn first<'a>(users: impl Iterator<Item = (&'a str, &'a NotifierUse)>) -> Option<&'a str> {
    let oldest = users.min_by_key(|(mark, its)| (its.is_deleted, its.created, *mark));
    oldest.map(|(mark, _)| mark)
}

/// Cluster and namespace of a chain, as it is written on queues.
fn namespace(mark: &str) -> Option<&str> {
    mark.rsplit_once('/').map(|(namespace, _)| namespace)
}

/// The chain that sets the limits of the notifier's queue, if they aren't those of this chain's spec.
pub fn rival(view: ChainView<'_>) -> Option<&str> {
    let ChainView { desired, observed } = view;
    let found = observed.queues.get(&desired.notifier.queue)?;
    let is_other = !notifier_rates(desired).difference(found).is_empty();
    match holder(view) {
        LimitsHolder::Other(mark) if is_other => Some(mark),
        LimitsHolder::Other(_) | LimitsHolder::Ours | LimitsHolder::Follows => None,
    }
}
