//! What has to be done before a deleted chain may go.

use std::collections::BTreeMap;

use cloudtasks::{Queue, QueueSettings, QueueState};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::child::is_ours;
use crate::observed::Observed;
use crate::queue::{self, Pause};
use crate::step::{Plan, Step};

const DELETED: &str = "the chain is deleted and keeps its tasks";

/// Retain: pause every queue that has our name on it, those of removed stages too, then remove the
/// workers. The notifier's queue goes on, since clients still wait for what is in it. Nothing is lost
/// for 31 days, and applying the chain again resumes what was paused here.
///
/// The spec isn't asked: one that can't be read any more must not keep a chain, or its queues
/// running. `owner` tells the chain's own children from objects that merely have such a name; `None`
/// where there is no API server.
pub fn plan_deletion(
    queue_owner: &str,
    owner: Option<&OwnerReference>,
    observed: &Observed,
) -> Plan {
    let mut plan = Plan::default();
    for found in observed.queues.values() {
        if queue::owner(found) == Some(queue_owner) {
            pause(&mut plan, found);
        }
    }
    // Workers go only when nothing is dispatched to them any more.
    for name in ours(owner, &observed.deployments, |object| &object.metadata) {
        plan.push(Step::DeleteDeployment { name }, DELETED);
    }
    for name in ours(owner, &observed.services, |object| &object.metadata) {
        plan.push(Step::DeleteService { name }, DELETED);
    }
    if observed.has_finalizer {
        plan.push(
            Step::RemoveFinalizer,
            "nothing is left to do before it goes",
        );
    }
    plan
}

/// The names of the objects that are the chain's.
fn ours<K>(
    owner: Option<&OwnerReference>,
    objects: &BTreeMap<String, K>,
    metadata: impl Fn(&K) -> &ObjectMeta,
) -> Vec<String> {
    let ours = objects
        .iter()
        .filter(|(_, object)| is_ours(metadata(object), owner));
    ours.map(|(name, _)| name.clone()).collect()
}

fn pause(plan: &mut Plan, found: &Queue) {
    let is_paused = found.state == QueueState::Paused;
    // Somebody else paused it, and means to resume it.
    if is_paused && queue::pause_reason(found).is_none() {
        return;
    }
    let queue = found.path.clone();
    let wanted = QueueSettings {
        http_target: Some(queue::target_with_reason(found, Pause::Retain)),
        ..QueueSettings::default()
    };
    let settings = Box::new(queue::difference(found, &wanted));
    if !settings.is_empty() {
        plan.push(
            Step::UpdateQueue {
                queue: queue.clone(),
                settings,
            },
            "the pause needs its reason",
        );
    }
    if !is_paused {
        plan.push(Step::PauseQueue { queue }, DELETED);
    }
}
