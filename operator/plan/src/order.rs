//! The order of edits: from what is there to what should be, so that no task is lost on the way.

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings, QueueState};
use crds::{DriftPolicy, conditions};
use kube::ResourceExt;
use serde::Serialize;

use crate::child::{HASH_ANNOTATION, is_ours};
use crate::deployment::deployment;
use crate::desired::{Desired, DesiredStage};
use crate::environment::Retired;
use crate::observed::{Observed, Removed, serves};
use crate::ownership::owns;
use crate::problem::Problem;
use crate::queue::{self, Pause};
use crate::service::service;
use crate::step::{Plan, Step};

const SPEC: &str = "the spec says so";
const OUR_PAUSE_ENDS: &str = "we paused it, and the reason is gone";

/// What has to be done for `desired`, in order; nothing when all is as it should be.
///
/// Queues come before workers, and later stages before earlier ones: a worker is never told of a
/// queue that isn't there, nor of one that still gives tasks up by itself.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, Problem> {
    refuse_foreign(desired, observed)?;
    let mut plan = Plan::default();
    if !observed.has_finalizer {
        // First of all: a chain that is deleted half-made must still pause its queues.
        plan.push(
            Step::AddFinalizer,
            "deleting the chain must pause its queues first",
        );
    }
    // What is there comes first: a pause or a lower rate in an incident does not wait for a queue
    // that can't be made.
    for is_there in [true, false] {
        if observed.queues.contains_key(&desired.notifier.queue) == is_there {
            notifier(&mut plan, desired, observed);
        }
        for stage in desired.stages.iter().rev() {
            if observed.queues.contains_key(&stage.queue) == is_there {
                stage_queue(&mut plan, desired, stage, observed);
            }
        }
    }
    let retired = Retired::of(desired, observed);
    for (index, stage) in desired.stages.iter().enumerate().rev() {
        workers(&mut plan, desired, index, stage, observed, &retired);
    }
    for stage in desired.stages.iter().rev() {
        resume(&mut plan, desired, stage, observed);
    }
    for removed in observed.removed_stages(desired) {
        resume_removed(&mut plan, desired, &removed, observed);
    }
    Ok(plan)
}

/// Whichever chain came first has the queue, and a Deployment that somebody else made is theirs.
fn refuse_foreign(desired: &Desired, observed: &Observed) -> Result<(), Problem> {
    // Chains may share a notifier's queue, which has no owner. One that has is a stage of a chain.
    let notifier = &desired.notifier.queue;
    if let Some(owner) = observed.queues.get(notifier).and_then(queue::owner) {
        return Err(Problem::new(
            conditions::QUEUE_OWNED_BY_ANOTHER,
            format!(
                "the notifier's queue {} is a stage of chain {owner} (cluster/namespace/name), whose workers would take the events for tasks: use another queue, or delete that chain and its owner header on the queue",
                notifier.id
            ),
        ));
    }
    for stage in &desired.stages {
        let found = observed.queues.get(&stage.queue);
        if let Some(owner) = found
            .and_then(queue::owner)
            .filter(|owner| *owner != desired.queue_owner)
        {
            return Err(Problem::new(
                conditions::QUEUE_OWNED_BY_ANOTHER,
                format!(
                    "queue {} belongs to chain {owner} (cluster/namespace/name): use another queue, or delete that chain and its owner header on the queue",
                    stage.queue.id
                ),
            ));
        }
        if found.is_some_and(queue::is_notifiers) {
            return Err(Problem::new(
                conditions::QUEUE_OWNED_BY_ANOTHER,
                format!(
                    "queue {} carries notifications, or has carried them, and its events would be taken for tasks: give stage {} another queue, or make sure that it is empty and delete its header {}",
                    stage.queue.id,
                    stage.name,
                    queue::NOTIFIER_HEADER
                ),
            ));
        }
        refuse_name_in_use(stage, observed)?;
        let owner = desired.owner.as_ref();
        let deployment = observed
            .deployments
            .get(&stage.child)
            .map(|object| &object.metadata);
        let service = observed
            .services
            .get(&stage.child)
            .map(|object| &object.metadata);
        for (kind, metadata) in [("Deployment", deployment), ("Service", service)] {
            if metadata.is_some_and(|metadata| !is_ours(metadata, owner)) {
                return Err(Problem::new(
                    conditions::NAME_TAKEN,
                    format!(
                        "{kind} {} exists and isn't this chain's: rename the stage, or delete the {kind}",
                        stage.child
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// A removed stage keeps its workers. Were its name taken for another queue, they would be told of
/// that one, and whatever still waits in theirs would have nobody.
fn refuse_name_in_use(stage: &DesiredStage, observed: &Observed) -> Result<(), Problem> {
    let served = observed.deployments.get(&stage.child).and_then(serves);
    let Some(served) = served.filter(|queue| *queue != stage.queue) else {
        return Ok(());
    };
    if served.id == stage.queue.id {
        let (from, to) = (&served.parent, &stage.queue.parent);
        return Err(Problem::invalid(format!(
            "the chain's queues are in {from}, and would now be looked for in {to}, since the operator's defaults have changed: write the old project and location into the spec, or start the operator with them again",
        )));
    }
    Err(Problem::new(
        conditions::NAME_TAKEN,
        format!(
            "stage {} was removed and its workers still serve {served}: choose another name, or delete Deployment {} once that queue is empty",
            stage.name, stage.child
        ),
    ))
}

fn notifier(plan: &mut Plan, desired: &Desired, observed: &Observed) {
    let queue = &desired.notifier.queue;
    let wanted = queue::notifier_settings(desired, observed.queues.get(queue));
    settings(plan, desired, queue, wanted, observed);
}

/// Creates the queue, or sets what differs.
fn settings(
    plan: &mut Plan,
    desired: &Desired,
    path: &QueuePath,
    wanted: QueueSettings,
    observed: &Observed,
) {
    let spares_limits = observed.was_in_force && desired.drift_policy == DriftPolicy::Report;
    let queue = path.clone();
    match observed.queues.get(path) {
        None => plan.push(
            Step::CreateQueue {
                queue,
                settings: Box::new(wanted),
            },
            "there is no such queue",
        ),
        Some(found) => {
            let difference = queue::difference(found, &wanted);
            let settings = Box::new(if spares_limits {
                queue::without_limits(difference)
            } else {
                difference
            });
            if !settings.is_empty() {
                let adopts =
                    settings.max_attempts.is_some() || settings.max_retry_duration.is_some();
                let reason = if adopts {
                    "the queue would give tasks up by itself, or differs from the spec"
                } else {
                    "the queue differs from the spec"
                };
                plan.push(Step::UpdateQueue { queue, settings }, reason);
            }
        }
    }
}

/// The queue's settings and its pause. The reason of a pause is written before we pause and wiped
/// after we resume: if we die in between, the queue is never left paused with nobody to own it.
fn stage_queue(plan: &mut Plan, desired: &Desired, stage: &DesiredStage, observed: &Observed) {
    let found = observed.queues.get(&stage.queue);
    let is_paused = found.is_some_and(|queue| queue.state == QueueState::Paused);
    let ours = found.and_then(queue::pause_reason);
    let queue = stage.queue.clone();
    let wants_pause = stage.paused == Some(true);
    // A pause that somebody else made needs no reason of ours until they lift it.
    let reason = match (is_paused, wants_pause) {
        (true, true) => ours.map(|_| Pause::Spec),
        (true, false) => ours,
        (false, true) => Some(Pause::Spec),
        (false, false) => None,
    };
    settings(
        plan,
        desired,
        &queue,
        queue::stage_settings(desired, stage, found, reason),
        observed,
    );
    if wants_pause && !is_paused {
        plan.push(Step::PauseQueue { queue }, SPEC);
    }
}

/// Lifts a pause that was ours, or that the spec speaks against. Last of all: its workers are there.
fn resume(plan: &mut Plan, desired: &Desired, stage: &DesiredStage, observed: &Observed) {
    let Some(found) = observed.queues.get(&stage.queue) else {
        return;
    };
    let ours = queue::pause_reason(found).is_some();
    let may_resume = ours || stage.paused == Some(false);
    if found.state != QueueState::Paused || stage.paused == Some(true) || !may_resume {
        return;
    }
    let queue = stage.queue.clone();
    let reason = if ours { OUR_PAUSE_ENDS } else { SPEC };
    plan.push(Step::ResumeQueue { queue }, reason);
    let http_target = queue::stage_settings(desired, stage, Some(found), None).http_target;
    if ours {
        wipe(plan, &stage.queue, http_target);
    }
}

/// Lifts our pause of a removed stage that has its workers: what waits there must be served. Without
/// workers it stays paused.
fn resume_removed(plan: &mut Plan, desired: &Desired, removed: &Removed, observed: &Observed) {
    let found = observed.queues.get(&removed.queue);
    let is_ours = |found: &&Queue| {
        queue::owner(found) == Some(desired.queue_owner.as_str())
            && queue::pause_reason(found).is_some()
    };
    let Some(found) = found.filter(is_ours) else {
        return;
    };
    if removed.deployment.is_none() {
        return;
    }
    if found.state == QueueState::Paused {
        let queue = removed.queue.clone();
        plan.push(Step::ResumeQueue { queue }, OUR_PAUSE_ENDS);
    }
    wipe(
        plan,
        &removed.queue,
        Some(queue::target_without_reason(found)),
    );
}

/// Takes the reason of a pause off the queue.
fn wipe(plan: &mut Plan, queue: &QueuePath, http_target: Option<HttpTarget>) {
    let settings = Box::new(QueueSettings {
        http_target,
        ..QueueSettings::default()
    });
    let queue = queue.clone();
    plan.push(Step::UpdateQueue { queue, settings }, "the pause is over");
}

fn workers(
    plan: &mut Plan,
    desired: &Desired,
    index: usize,
    stage: &DesiredStage,
    observed: &Observed,
    retired: &Retired,
) {
    let wanted = service(desired, stage);
    let found = observed.services.get(&stage.child);
    if let Some(reason) = why_apply(found, &wanted, "the stage needs an address") {
        plan.push(Step::ApplyService(Box::new(wanted)), reason);
    }
    let found = observed.deployments.get(&stage.child);
    let wanted = deployment(desired, index, retired, found);
    if let Some(reason) = why_apply(found, &wanted, "the stage has no workers") {
        plan.push(Step::ApplyDeployment(Box::new(wanted)), reason);
    }
}

/// Why `wanted` has to be applied, if it has to; `missing` is the reason where it isn't there.
fn why_apply<K: ResourceExt + Serialize>(
    found: Option<&K>,
    wanted: &K,
    missing: &'static str,
) -> Option<&'static str> {
    let Some(found) = found else {
        return Some(missing);
    };
    if !is_applied(found, wanted) {
        Some(SPEC)
    } else if !owns(found.meta(), wanted) {
        Some("somebody changed it")
    } else {
        None
    }
}

/// Whether `wanted` is what was applied last.
pub(crate) fn is_applied<K: ResourceExt>(found: &K, wanted: &K) -> bool {
    let hash = |object: &K| object.annotations().get(HASH_ANNOTATION).cloned();
    hash(found) == hash(wanted)
}
