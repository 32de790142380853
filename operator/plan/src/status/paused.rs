//! Which queues are paused, and who paused them.

use cloudtasks::{Queue, QueueState};
use crds::PausedBy;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::{ChainView, Desired, PauseReason, Push, queue_headers};

/// Who paused a queue, if it is paused.
pub(super) fn paused_by(desired: &Desired, queue: &Queue) -> Option<PausedBy> {
    if queue.state != QueueState::Paused {
        return None;
    }
    let mut stages = desired.stages.iter();
    let by_spec = stages.any(|stage| stage.queue == queue.path && stage.paused == Some(true));
    Some(if by_spec {
        PausedBy::Spec
    } else if queue_headers::pause_reason(queue).is_some() {
        PausedBy::Operator
    } else {
        PausedBy::Outside
    })
}

/// The paused queues of the chain, those of removed stages too, unless they are paused because they
/// are empty.
pub(super) fn paused(view: ChainView<'_>) -> Vec<(String, PausedBy)> {
    let found = |path| view.observed.queues.get(path);
    // A queue that the spec names again is missed while it is paused, for whatever reason.
    let removed = view.removed_stages();
    let removed = removed
        .iter()
        .filter_map(|removed| found(&removed.queue))
        .filter(|queue| queue_headers::pause_reason(queue) != Some(PauseReason::Drained));
    view.desired
        .queues()
        .filter_map(found)
        .chain(removed)
        .filter_map(|queue| Some((queue.path.id.to_string(), paused_by(view.desired, queue)?)))
        .collect()
}

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let paused = paused(view);
    let names = |who: PausedBy| {
        let theirs = paused.iter().filter(|(_, by)| *by == who);
        list(theirs.map(|(queue, _)| queue.clone()))
    };
    let mut said = Vec::new();
    if let Some(queues) = names(PausedBy::Outside) {
        let sentence = format!(
            "paused outside the operator, until it is resumed there or its stage sets paused: false: {queues}"
        );
        said.push((Reason::PausedOutside, sentence));
    }
    if let Some(queues) = names(PausedBy::Operator) {
        let until = match view.desired.push {
            Push::Cluster | Push::Url => "",
            Push::Gateway(_) => " and its route accepted",
        };
        let sentence =
            format!("paused by the operator until a worker of the stage is ready{until}: {queues}");
        said.push((Reason::PausedByOperator, sentence));
    }
    if let Some(queues) = names(PausedBy::Spec) {
        said.push((
            Reason::PausedBySpec,
            format!("paused by the spec: {queues}"),
        ));
    }
    // The reason that needs most attention; the message has all of them.
    let reason = said
        .first()
        .map_or(Reason::NotPaused, |(reason, _)| *reason);
    let sentences: Vec<String> = said.into_iter().map(|(_, sentence)| sentence).collect();
    let message = if sentences.is_empty() {
        "no queue is paused".to_owned()
    } else {
        sentences.join("; ")
    };
    Finding::new(Some(!paused.is_empty()), reason, message)
}
