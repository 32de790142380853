//! Which queues are paused, and who paused them.

use cloudtasks::{QueuePath, QueueState};
use crds::conditions as c;

use super::{Finding, list};
use crate::desired::Desired;
use crate::observed::{Observed, Removed};
use crate::queue;

/// Who paused a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PausedBy {
    Spec,
    Operator,
    SomebodyElse,
}

/// The queues of the chain that are paused, those of removed stages too.
pub(super) fn paused(
    desired: &Desired,
    observed: &Observed,
    removed: &[Removed],
) -> Vec<(String, PausedBy)> {
    let by_spec = |queue: &QueuePath| {
        let mut stages = desired.stages.iter();
        stages.any(|stage| stage.queue == *queue && stage.paused == Some(true))
    };
    desired
        .queues()
        .chain(removed.iter().map(|removed| &removed.queue))
        .filter_map(|path| observed.queues.get(path))
        .filter(|queue| queue.state == QueueState::Paused)
        .map(|queue| {
            let by = if by_spec(&queue.path) {
                PausedBy::Spec
            } else if queue::pause_reason(queue).is_some() {
                PausedBy::Operator
            } else {
                PausedBy::SomebodyElse
            };
            (queue.path.id.to_string(), by)
        })
        .collect()
}

pub(super) fn finding(paused: &[(String, PausedBy)]) -> Finding {
    let names = |who: PausedBy| {
        let theirs = paused.iter().filter(|(_, by)| *by == who);
        list(theirs.map(|(queue, _)| queue.clone()))
    };
    let (reason, message) = if let Some(queues) = names(PausedBy::SomebodyElse) {
        (
            c::PAUSED_OUTSIDE,
            format!(
                "paused by somebody else, and left so until they resume it, or its stage says paused: false: {queues}"
            ),
        )
    } else if let Some(queues) = names(PausedBy::Operator) {
        (
            c::PAUSED_BY_OPERATOR,
            format!("paused by the operator, until there are workers to serve it: {queues}"),
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
