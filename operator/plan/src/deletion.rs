//! What has to be done before a deleted chain may go.

use cloudtasks::QueueState;

use crate::desired::Desired;
use crate::observed::Observed;
use crate::queue::{self, Pause};
use crate::step::{Plan, Step};

const DELETED: &str = "the chain is deleted and keeps its tasks";

/// Retain: pause the stage queues, then remove the workers. The notifier's queue goes on, since
/// clients still wait for what is in it. Nothing is lost for 31 days, and applying the chain again
/// resumes what was paused here.
///
/// `desired` is `None` when the spec can't be read: then there is nothing that we know to pause,
/// and the chain must be able to go all the same.
pub fn plan_deletion(desired: Option<&Desired>, observed: &Observed) -> Plan {
    let mut plan = Plan::default();
    for stage in desired.into_iter().flat_map(|desired| &desired.stages) {
        let Some(desired) = desired else { continue };
        pause(&mut plan, desired, stage, observed);
    }
    // Workers go only when nothing is dispatched to them any more.
    for name in observed.deployments.keys() {
        plan.push(Step::DeleteDeployment { name: name.clone() }, DELETED);
    }
    for name in observed.services.keys() {
        plan.push(Step::DeleteService { name: name.clone() }, DELETED);
    }
    if observed.has_finalizer {
        plan.push(
            Step::RemoveFinalizer,
            "its queues are paused and its workers gone",
        );
    }
    plan
}

fn pause(
    plan: &mut Plan,
    desired: &Desired,
    stage: &crate::desired::DesiredStage,
    observed: &Observed,
) {
    // A queue that isn't there needs no pause, and one of another chain is not ours to pause.
    let Some(found) = observed.queues.get(&stage.queue) else {
        return;
    };
    if queue::owner(found) != Some(desired.queue_owner.as_str()) {
        return;
    }
    let is_paused = found.state == QueueState::Paused;
    if is_paused && queue::pause_reason(found).is_none() {
        return;
    }
    let queue = stage.queue.clone();
    let target = queue::stage_settings(desired, stage, Some(Pause::Retain)).http_target;
    let wanted = cloudtasks::QueueSettings {
        http_target: target,
        ..Default::default()
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
