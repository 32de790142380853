//! How far the pods of each stage are.

use crds::StageStatus;
use crds::conditions as c;
use k8s_openapi::api::apps::v1::Deployment;

use super::queues::state;
use super::{Finding, list};
use crate::deployment::deployment;
use crate::desired::Desired;
use crate::environment::{Retired, variable};
use crate::observed::Observed;
use crate::order::is_applied;

pub(super) fn ready(desired: &Desired, rollouts: &[Rollout]) -> Finding {
    let stages = desired.stages.iter().zip(rollouts);
    let behind = stages.filter(|(_, rollout)| !rollout.is_done());
    match list(behind.map(|(stage, _)| stage.name.clone())) {
        None => Finding {
            kind: c::WORKERS_READY,
            holds: Some(true),
            reason: c::AS_SPECIFIED,
            message: "every stage has its pods ready, with the newest values".into(),
        },
        Some(behind) => Finding {
            kind: c::WORKERS_READY,
            holds: Some(false),
            reason: c::PODS_NOT_READY,
            message: format!("stages without all their pods ready and up to date: {behind}"),
        },
    }
}

/// What is in force on each stage.
pub(super) fn stages(
    desired: &Desired,
    observed: &Observed,
    rollouts: &[Rollout],
) -> Vec<StageStatus> {
    let stages = desired.stages.iter().zip(rollouts);
    stages
        .map(|(stage, rollout)| {
            let queue = observed.queues.get(&stage.queue);
            StageStatus {
                queue: stage.queue.id.to_string(),
                name: stage.name.clone(),
                state: state(queue).to_owned(),
                max_dispatches_per_second: queue.map(|queue| queue.max_dispatches_per_second),
                max_concurrent_dispatches: queue.map(|queue| queue.max_concurrent_dispatches),
                max_attempts: rollout.max_attempts,
                ready_replicas: Some(rollout.ready),
                workers_up_to_date: rollout.up_to_date,
            }
        })
        .collect()
}

/// How far the pods of a stage are.
#[derive(Default)]
pub(super) struct Rollout {
    ready: i32,
    wanted: i32,
    up_to_date: bool,
    max_attempts: Option<i32>,
}

impl Rollout {
    fn is_done(&self) -> bool {
        self.up_to_date && self.ready >= self.wanted
    }
}

/// Of every stage, in the order of the ladder.
pub(super) fn rollouts(desired: &Desired, observed: &Observed) -> Vec<Rollout> {
    let retired = Retired::of(desired, observed);
    let stages = desired.stages.iter().enumerate();
    stages
        .map(|(index, stage)| {
            let found = observed.deployments.get(&stage.child);
            // A Deployment may be well and still not be the one that the spec asks for: where a step
            // before it failed, or the API server refuses it.
            let wanted = deployment(desired, index, &retired, found);
            found.map_or_else(Rollout::default, |found| {
                rollout(found, is_applied(found, &wanted))
            })
        })
        .collect()
}

fn rollout(found: &Deployment, is_applied: bool) -> Rollout {
    let wanted = found.spec.as_ref().and_then(|spec| spec.replicas);
    let wanted = wanted.unwrap_or(1);
    let status = found.status.clone().unwrap_or_default();
    let is_seen = status.observed_generation == found.metadata.generation;
    let updated = status.updated_replicas.unwrap_or_default();
    let total = status.replicas.unwrap_or_default();
    Rollout {
        ready: status.ready_replicas.unwrap_or_default(),
        wanted,
        up_to_date: is_applied && is_seen && updated >= wanted && total <= updated,
        max_attempts: variable(found, "MAX_ATTEMPTS").and_then(|attempts| attempts.parse().ok()),
    }
}
