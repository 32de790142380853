//! Which queues are paused, and who paused them.

use cloudtasks::{Queue, QueueState};
use crds::PausedBy;
use crds::conditions as c;

use super::{Finding, list};
use crate::desired::Desired;
use crate::observed::{Observed, Removed};
use crate::queue::{self, Pause};

/// Who paused a queue, if it is paused.
pub(super) fn paused_by(desired: &Desired, queue: &Queue) -> Option<PausedBy> {
    if queue.state != QueueState::Paused {
        return None;
    }
    let mut stages = desired.stages.iter();
    let by_spec = stages.any(|stage| stage.queue == queue.path && stage.paused == Some(true));
    Some(if by_spec {
        PausedBy::Spec
    } else if queue::pause_reason(queue).is_some() {
        PausedBy::Operator
    } else {
        PausedBy::Outside
    })
}

/// The queues of the chain that are paused, those of removed stages too, unless they are paused
/// because nothing is in them.
pub(super) fn paused(
    desired: &Desired,
    observed: &Observed,
    removed: &[Removed],
) -> Vec<(String, PausedBy)> {
    let removed = removed.iter().map(|removed| &removed.queue);
    desired
        .queues()
        .chain(removed)
        .filter_map(|path| observed.queues.get(path))
        .filter(|queue| queue::pause_reason(queue) != Some(Pause::Drained))
        .filter_map(|queue| Some((queue.path.id.to_string(), paused_by(desired, queue)?)))
        .collect()
}

pub(super) fn finding(paused: &[(String, PausedBy)]) -> Finding {
    let names = |who: PausedBy| {
        let theirs = paused.iter().filter(|(_, by)| *by == who);
        list(theirs.map(|(queue, _)| queue.clone()))
    };
    let (reason, message) = if let Some(queues) = names(PausedBy::Outside) {
        (
            c::PAUSED_OUTSIDE,
            format!(
                "paused by somebody else, and left so until they resume it, or its stage says paused: false: {queues}"
            ),
        )
    } else if let Some(queues) = names(PausedBy::Operator) {
        (
            c::PAUSED_BY_OPERATOR,
            format!("paused by the operator, until a worker of the stage is ready: {queues}"),
        )
    } else if let Some(queues) = names(PausedBy::Spec) {
        (c::PAUSED_BY_SPEC, format!("paused by the spec: {queues}"))
    } else {
        (c::NOT_PAUSED, "no queue is paused".to_owned())
    };
    Finding {
        kind: c::PAUSED,
        holds: Some(!paused.is_empty()),
        reason,
        message,
    }
}
