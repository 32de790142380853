//! What has to be done before a deleted chain is gone.

use crds::DeletionPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::pause_steps::{QueueNow, carry_out};
use super::queues::release;
use crate::invariants::broken_deletion;
use crate::model::{ChainView, Deletion, Observed, Plan, Step, TimedCondition, queue_headers};
use crate::objects::names::is_ours;
use crate::objects::queue_settings;
use crate::rules::absence::queues_to_look_up;
use crate::rules::pause;

const KEEPS: &str = "the chain is deleted and keeps its tasks";
const DELETES: &str = "the chain is deleted, and its queues with it";
const GIVES_UP: &str = "the chain is deleted, and Cloud Tasks fails";
const LEAVES: &str = "the chain is deleted and leaves everything as it is";

/// Whether a deleted chain that finishes its tasks first has finished them: it has no queue left, or
/// all were counted empty twice, as far apart as a hand-over can last.
pub fn has_finished(view: ChainView<'_>) -> bool {
    let ChainView { desired, observed } = view;
    let mut queues = observed.queues.naming(&desired.queue_owner);
    let has_queue = queues.any(|found| queue_headers::owner(found) == Some(&desired.queue_owner))
        || !queues_to_look_up(view).is_empty();
    let apart = desired.timing.hand_over_time;
    !has_queue || observed.has_elapsed(&TimedCondition::ChainIsEmpty, apart)
}

/// What becomes of a deleted chain's queues and workers.
///
/// - Retain: pause every queue with the chain's name on it, those of removed stages too, then delete
///   the workers and their routes. Nothing is lost for 31 days, and applying the chain again resumes
///   the queues.
/// - Delete: delete these queues with the tasks in them, then delete the workers.
/// - Drain: as Retain, once [`has_finished`].
/// - Orphan: remove the owner references, or the workers and their routes would be deleted with the
///   chain.
///
/// The notifier's queue stays: clients wait for its notifications, and other chains may use it.
///
/// Of the spec only the policy is used: a spec that can't be parsed must not keep a chain or its
/// queues. `owner` tells the chain's objects from others of such a name; `None` without an API
/// server.
pub fn plan_deletion(
    deletion: Deletion,
    queue_owner: &str,
    owner: Option<&OwnerReference>,
    observed: &Observed,
) -> Plan {
    let mut plan = Plan::default();
    let queues = observed.queues.naming(queue_owner);
    let queues = queues.filter(|found| queue_headers::owner(found) == Some(queue_owner));
    let reason = match deletion {
        // Drain gets here when the chain has finished, or can't.
        Deletion::ByPolicy(DeletionPolicy::Retain | DeletionPolicy::Drain) => {
            for found in queues {
                let decision = pause::of_deleted(found);
                carry_out(&mut plan, decision, &QueueNow::found(found), observed.now);
            }
            KEEPS
        }
        Deletion::ByPolicy(DeletionPolicy::Delete) => {
            for found in queues {
                let queue = found.path.clone();
                plan.push(Step::DeleteQueue { queue }, DELETES);
            }
            DELETES
        }
        Deletion::ByPolicy(DeletionPolicy::Orphan) => LEAVES,
        Deletion::WithoutQueues => GIVES_UP,
    };
    // An orphan's workers go on, and its successor of that name takes the mark over.
    if deletion.needs_queues() {
        for found in queue_settings::held_queues(&observed.queues, queue_owner) {
            plan.push(release(found), "another chain may set its limits");
        }
    }
    // Workers are deleted only when nothing is dispatched to them any more. Of those that are to be
    // released, one without the chain's owner reference would be released again and again.
    let releases = deletion == Deletion::ByPolicy(DeletionPolicy::Orphan);
    let goes_with_it = |metadata: &ObjectMeta| {
        let mut owners = metadata.owner_references.iter().flatten();
        owner.is_none_or(|owner| owners.any(|reference| reference.uid == owner.uid))
    };
    for (object, metadata) in observed.objects() {
        if is_ours(metadata, owner) && (!releases || goes_with_it(metadata)) {
            let end = if releases {
                Step::Release
            } else {
                Step::Delete
            };
            plan.push(end(object), reason);
        }
    }
    if observed.has_finalizer {
        plan.push(Step::RemoveFinalizer, "nothing is left to do");
    }
    debug_assert_eq!(
        broken_deletion(deletion, queue_owner, observed, &plan),
        Vec::<String>::new(),
        "the plan violates an invariant:\n{plan}"
    );
    plan
}
