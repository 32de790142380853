//! Which queues are paused, and who paused them.

use cloudtasks::{Queue, QueueState};
use crds::PausedBy;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use crate::model::{ChainView, Desired, OverrideField, PauseReason, Push, queue_headers};

/// Who paused a queue, if it is paused.
pub(super) fn paused_by(desired: &Desired, queue: &Queue) -> Option<PausedBy> {
    if queue.state != QueueState::Paused {
        return None;
    }
    let mut stages = desired.stages.iter();
    let by_spec = stages.find(|stage| stage.queue == queue.path && stage.paused == Some(true));
    Some(if let Some(stage) = by_spec {
        let is_ours = queue_headers::pause_reason(queue).is_some();
        if stage.overridden.contains_key(&OverrideField::Paused) {
            // The end of an override doesn't lift a pause that was there before.
            if is_ours {
                PausedBy::Override
            } else {
                PausedBy::Outside
            }
        } else {
            PausedBy::Spec
        }
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
        .pushing_queues()
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
    let until = match view.desired.push {
        Push::Cluster | Push::Url => "",
        Push::Gateway(_) => " and its route accepted",
    };
    // What needs most attention comes first, and is the reason; the message has all.
    let said = [
        (
            PausedBy::Outside,
            Reason::PausedOutside,
            "paused outside the operator (resume it yourself, or set paused: false on its stage)"
                .to_owned(),
        ),
        (
            PausedBy::Operator,
            Reason::PausedByOperator,
            format!("paused by the operator until a worker of the stage is ready{until}"),
        ),
        (
            PausedBy::Override,
            Reason::PausedByOverride,
            "paused by a ChainOverride (see the condition Overridden)".to_owned(),
        ),
        (
            PausedBy::Spec,
            Reason::PausedBySpec,
            "paused by the spec".to_owned(),
        ),
    ];
    let said = said
        .into_iter()
        .filter_map(|(who, reason, how)| Some((reason, format!("{how}: {}", names(who)?))));
    let (reasons, sentences): (Vec<Reason>, Vec<String>) = said.unzip();
    match reasons.first() {
        Some(reason) => Finding::new(Some(true), *reason, sentences.join("; ")),
        None => Finding::new(Some(false), Reason::NotPaused, "no queue is paused"),
    }
}
