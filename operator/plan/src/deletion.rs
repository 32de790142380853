//! What has to be done before a deleted chain may go.

use std::collections::BTreeMap;

use cloudtasks::{QueuePath, QueueSettings, QueueState};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::child::is_ours;
use crate::desired::Desired;
use crate::observed::Observed;
use crate::queue::{self, Pause};
use crate::step::{Plan, Step};

const DELETED: &str = "the chain is deleted and keeps its tasks";

/// Retain: pause the stage queues, those of removed stages too, then remove the workers. The
/// notifier's queue goes on, since clients still wait for what is in it. Nothing is lost for 31
/// days, and applying the chain again resumes what was paused here.
///
/// `desired` is `None` when the spec can't be read: then there is nothing that we know to pause,
/// and the chain must be able to go all the same. `owner` tells its own children from objects that
/// merely have such a name; `None` where there is no API server.
pub fn plan_deletion(
    desired: Option<&Desired>,
    owner: Option<&OwnerReference>,
    observed: &Observed,
) -> Plan {
    let mut plan = Plan::default();
    if let Some(desired) = desired {
        let removed = observed.removed_stages(desired);
        let stages = desired.stages.iter().map(|stage| &stage.queue);
        for path in stages.chain(removed.iter().map(|(_, queue)| queue)) {
            pause(&mut plan, desired, path, observed);
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
            "its queues are paused and its workers gone",
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

fn pause(plan: &mut Plan, desired: &Desired, path: &QueuePath, observed: &Observed) {
    // A queue that isn't there needs no pause, and one of another chain is not ours to pause.
    let Some(found) = observed.queues.get(path) else {
        return;
    };
    if queue::owner(found) != Some(desired.queue_owner.as_str()) {
        return;
    }
    let is_paused = found.state == QueueState::Paused;
    if is_paused && queue::pause_reason(found).is_none() {
        return;
    }
    let queue = path.clone();
    let wanted = QueueSettings {
        http_target: Some(queue::target_with_reason(found, Pause::Retain)),
        ..QueueSettings::default()
    };
    let settings = Box::new(queue::difference(found, &wanted));
    if !settings.is_empty() {
        let reason = "the pause needs its reason";
        plan.push(
            Step::UpdateQueue {
                queue: queue.clone(),
                settings,
            },
            reason,
        );
    }
    if !is_paused {
        plan.push(Step::PauseQueue { queue }, DELETED);
    }
}
