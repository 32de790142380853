//! The state of each stage's queue and workers.

use cloudtasks::{Queue, QueuePath, QueueState};
use crds::StageStatus;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use super::overridden;
use super::paused::paused_by;
use crate::model::{Backlog, ChainView, DesiredStage, Rollout};
use crate::objects::deployment::deployment;
use crate::objects::former_stages::RemovedStage;
use crate::objects::names::{STAGE_LABEL, is_applied, is_ours};
use crate::objects::ownership::owns;
use crate::objects::worker_env::{RetiredQueues, variable};
use crate::rules::drain::{Drain, drain};
use crate::rules::token_rotation::{required_now, why_not_required_yet};

/// The stage's Deployment. One that merely has its name isn't counted.
pub(super) fn workers<'a>(view: ChainView<'a>, stage: &DesiredStage) -> Option<&'a Deployment> {
    let found = view.observed.deployments.get(&stage.child);
    found.filter(|found| is_ours(&found.metadata, view.desired.owner.as_ref()))
}

/// The state of each stage, and of each removed one that drains.
pub(super) fn stages(view: ChainView<'_>, removed: &[RemovedStage]) -> Vec<StageStatus> {
    let ChainView { desired, observed } = view;
    let retired = RetiredQueues::of(view);
    let stages = desired.stages.iter().enumerate();
    let named = stages.map(|(index, stage)| {
        let found = workers(view, stage);
        // A Deployment may be healthy and still not match the spec: an earlier step failed, the API
        // server refuses it, or it was changed outside the operator.
        let is_newest = |found: &Deployment| {
            let wanted = deployment(view, index, &retired, required_now(view, stage).as_ref());
            is_applied(found, &wanted)
                && owns(&found.metadata, &wanted)
                && why_not_required_yet(view, &desired.stages[index]).is_none()
        };
        StageStatus {
            workers_up_to_date: Rollout::of(found).is_rolled && found.is_some_and(is_newest),
            draining: desired
                .finishes
                .then(|| left(observed.backlog(&stage.queue))),
            overrides: overridden::in_force(view, stage, found),
            restoring: overridden::restoring(view, stage, found),
            ..seen(view, &stage.queue, &stage.name, found)
        }
    });
    let removed = removed.iter().filter_map(|removed| {
        let backlog = match drain(view, removed) {
            Drain::Drained => return None,
            Drain::Drains(backlog) => backlog,
            Drain::Fed | Drain::Deserted => observed.backlog(&removed.queue),
        };
        let child = removed.deployments.first();
        let found = child.and_then(|child| observed.deployments.get(child));
        let name = found.and_then(|found| found.labels().get(STAGE_LABEL).cloned());
        Some(StageStatus {
            draining: Some(left(backlog)),
            ..seen(view, &removed.queue, &name.unwrap_or_default(), found)
        })
    });
    named.chain(removed).collect()
}

/// The state of a stage's queue and workers.
fn seen(
    view: ChainView<'_>,
    queue: &QueuePath,
    name: &str,
    workers: Option<&Deployment>,
) -> StageStatus {
    let found = view.observed.queues.get(queue);
    let attempts = workers.and_then(|workers| variable(workers, "MAX_ATTEMPTS"));
    let rollout = Rollout::of(workers);
    StageStatus {
        queue: queue.id.to_string(),
        name: name.to_owned(),
        state: state(found).to_owned(),
        paused_by: found.and_then(|found| paused_by(view.desired, found)),
        max_dispatches_per_second: found.map(|found| found.max_dispatches_per_second),
        max_concurrent_dispatches: found.map(|found| found.max_concurrent_dispatches),
        max_attempts: attempts.and_then(|attempts| attempts.parse().ok()),
        replicas: workers.map(|_| rollout.wanted),
        ready_replicas: Some(rollout.ready),
        workers_up_to_date: rollout.is_rolled,
        draining: None,
        overrides: Vec::new(),
        restoring: Vec::new(),
    }
}

/// As the status has it, in ranges: it must not change with each task.
fn left(backlog: Option<Backlog>) -> String {
    let left = match backlog {
        None => "unknown",
        Some(Backlog::Empty | Backlog::Few) => "0-9",
        Some(Backlog::Tens) => "10-99",
        Some(Backlog::Many) => "100+",
    };
    left.to_owned()
}

/// A queue's state in the words of the API.
pub(super) fn state(queue: Option<&Queue>) -> &'static str {
    match queue.map(|queue| queue.state) {
        None => "Missing",
        Some(QueueState::Running) => "Running",
        Some(QueueState::Paused) => "Paused",
        Some(QueueState::Disabled) => "Disabled",
    }
}
