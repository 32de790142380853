//! How far the pods of each stage are, and whether they are enough.

use crds::StageStatus;
use crds::conditions as c;
use k8s_openapi::api::apps::v1::Deployment;

use super::paused::paused_by;
use super::queues::state;
use super::{Finding, list};
use crate::child::is_ours;
use crate::deployment::deployment;
use crate::desired::{Desired, DesiredStage};
use crate::environment::{Retired, variable};
use crate::observed::Observed;
use crate::order::{is_applied, plan};
use crate::ownership::owns;
use crate::rollout::Rollout;
use crate::step::Concern;

/// How many tasks a worker runs at once when it isn't told.
const DEFAULT_CONCURRENCY: i32 = 100;

pub(super) fn ready(desired: &Desired, observed: &Observed, stages: &[StageStatus]) -> Finding {
    let is_done = |stage: &&DesiredStage| {
        let rollout = Rollout::of(workers(desired, observed, stage));
        let mut stages = stages.iter();
        let status = stages.find(|status| status.name == stage.name);
        status.is_some_and(|status| status.workers_up_to_date) && rollout.ready >= rollout.wanted
    };
    let behind = desired.stages.iter().filter(|stage| !is_done(stage));
    let Some(behind) = list(behind.map(|stage| stage.name.clone())) else {
        return Finding {
            kind: c::WORKERS_READY,
            holds: Some(true),
            reason: c::AS_SPECIFIED,
            message: "every stage has its pods ready, with the newest values".into(),
        };
    };
    let waits = plan(desired, observed).map(|plan| plan.waits_for(Concern::Workers));
    let waits = waits.unwrap_or_default();
    let message = format!("stages without all their pods ready and up to date: {behind}");
    let (reason, message) = if waits.is_empty() {
        (c::PODS_NOT_READY, message)
    } else {
        (c::PROGRESSING, format!("{message}; {}", waits.join("; ")))
    };
    Finding {
        kind: c::WORKERS_READY,
        holds: Some(false),
        reason,
        message,
    }
}

/// The stage's Deployment. The pods of one that merely has its name serve nobody here.
fn workers<'a>(
    desired: &Desired,
    observed: &'a Observed,
    stage: &DesiredStage,
) -> Option<&'a Deployment> {
    let found = observed.deployments.get(&stage.child);
    found.filter(|found| is_ours(&found.metadata, desired.owner.as_ref()))
}

/// What is in force on each stage.
pub(super) fn stages(desired: &Desired, observed: &Observed) -> Vec<StageStatus> {
    let retired = Retired::of(desired, observed);
    let stages = desired.stages.iter().enumerate();
    stages
        .map(|(index, stage)| {
            let queue = observed.queues.get(&stage.queue);
            let found = workers(desired, observed, stage);
            let rollout = Rollout::of(found);
            // A Deployment may be well and still not be the one that the spec asks for: where a step
            // before it failed, or the API server refuses it, or somebody has changed it.
            let wanted = deployment(desired, index, &retired, found);
            let is_newest = found
                .is_some_and(|found| is_applied(found, &wanted) && owns(&found.metadata, &wanted));
            let attempts = found.and_then(|found| variable(found, "MAX_ATTEMPTS"));
            StageStatus {
                queue: stage.queue.id.to_string(),
                name: stage.name.clone(),
                state: state(queue).to_owned(),
                paused_by: queue.and_then(|queue| paused_by(desired, queue)),
                max_dispatches_per_second: queue.map(|queue| queue.max_dispatches_per_second),
                max_concurrent_dispatches: queue.map(|queue| queue.max_concurrent_dispatches),
                max_attempts: attempts.and_then(|attempts| attempts.parse().ok()),
                ready_replicas: Some(rollout.ready),
                workers_up_to_date: is_newest && rollout.is_rolled,
            }
        })
        .collect()
}

/// Whether each queue may have more pushes under way than its workers have places.
pub(super) fn undersized(desired: &Desired, observed: &Observed) -> Finding {
    let short = desired.stages.iter().filter_map(|stage| {
        let queue = observed.queues.get(&stage.queue)?;
        let found = workers(desired, observed, stage)?;
        let pods = Rollout::of(Some(found)).wanted;
        let each = stage.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let places = pods.saturating_mul(each);
        let pushes = queue.max_concurrent_dispatches;
        (places < pushes).then(|| {
            format!(
                "{} has {pushes} dispatches at once for {pods} × {each} places",
                stage.queue.id
            )
        })
    });
    match list(short) {
        None => Finding {
            kind: c::UNDERSIZED,
            holds: Some(false),
            reason: c::ENOUGH_PLACES,
            message: "every stage has a place for each dispatch".into(),
        },
        Some(short) => Finding {
            kind: c::UNDERSIZED,
            holds: Some(true),
            reason: c::TOO_FEW_PLACES,
            message: format!("what finds no place is answered 503, which slows the queue: {short}"),
        },
    }
}
