//! Whether a queue is to be paused or resumed: one decision for the queues of stages, of removed
//! stages and of deleted chains.
//!
//! A pause of the operator has its reason on the queue. Without a reason it was made outside the
//! operator, and stays.

use std::time::Duration;

use cloudtasks::{Queue, QueueState};

use super::drain::{is_fed, is_marked};
use super::push_target::{has_ready_pod, is_taken};
use super::route_acceptance::is_open;
use crate::model::{
    Backlog, ChainView, DesiredStage, OverrideField, PauseReason, ResumeObstacle, Rollout,
    TimedCondition, WaitReason, queue_headers,
};
use crate::objects::former_stages::RemovedStage;

/// What becomes of the pause of a queue.
#[derive(Debug, Clone, PartialEq)]
pub enum PauseDecision {
    /// It stays paused or running, as it is.
    Leave,
    /// It is paused, or stays so, for this cause.
    Pause(PauseCause),
    /// It is resumed, and the reason of the operator's pause removed.
    Resume(ResumeCause),
    /// It stays paused by the operator until this has happened.
    WaitFor(WaitReason),
}

/// Why a queue is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseCause {
    /// The spec says so.
    Spec,
    /// An override says so.
    Override,
    /// No worker of its stage is ready.
    NoReadyWorker,
    /// No Gateway routes pushes to its stage.
    NoRoute,
    /// Its stage was removed, and it is empty.
    Drained,
    /// Its stage was removed, and it has tasks that nobody serves.
    Deserted,
    /// Its chain is deleted and keeps its tasks.
    ChainDeleted,
    /// It keeps parked tasks.
    Parking,
}

/// Why a queue is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeCause {
    /// The spec says so, even of a pause made outside.
    Spec,
    /// The operator paused it, and the reason is gone.
    ReasonGone,
    /// Tasks arrived in a drained queue.
    TasksArrived,
}

impl PauseDecision {
    /// The reason that the queue has until the decision is carried out in full: the reason of a pause is
    /// written before the pause, and removed after the resume. An operator that dies in between leaves
    /// no queue paused whose pause nobody owns.
    pub(crate) fn reason_meanwhile(&self, found: Option<&Queue>) -> Option<PauseReason> {
        match self {
            Self::Pause(cause) => Some(cause.reason()),
            Self::Leave | Self::Resume(_) | Self::WaitFor(_) => found
                .filter(|queue| is_paused(queue))
                .and_then(queue_headers::pause_reason),
        }
    }
}

impl PauseCause {
    /// The reason that is written on the queue.
    pub(crate) fn reason(self) -> PauseReason {
        match self {
            // An operator that knows no overrides resumes it, unless the spec pauses it too.
            Self::Spec | Self::Override => PauseReason::Spec,
            Self::NoReadyWorker | Self::NoRoute => PauseReason::Gate,
            Self::Drained => PauseReason::Drained,
            Self::Deserted | Self::ChainDeleted => PauseReason::Retain,
            Self::Parking => PauseReason::Parking,
        }
    }

    /// The reason of the step.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Spec => "the spec says so",
            Self::Override => "an override says so",
            Self::NoReadyWorker => "no worker of the stage is ready",
            Self::NoRoute => "the stage's route isn't accepted",
            Self::Drained => "the stage is removed, and its queue is empty",
            Self::Deserted => "the queue has tasks and no workers",
            Self::ChainDeleted => "the chain is deleted and keeps its tasks",
            Self::Parking => "a parking queue never pushes",
        }
    }
}

impl ResumeCause {
    /// The reason of the step.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Spec => "the spec says so",
            Self::ReasonGone => "the reason of the operator's pause is gone",
            Self::TasksArrived => "tasks arrived in the drained queue",
        }
    }
}

/// For the queue of a stage.
pub(crate) fn of_stage(view: ChainView<'_>, stage: &DesiredStage) -> PauseDecision {
    let found = view.observed.queues.get(&stage.queue);
    let paused = found.filter(|queue| is_paused(queue));
    let is_ours = found.and_then(queue_headers::pause_reason).is_some();
    let is_outside = paused.is_some() && !is_ours;
    let cause = match stage.paused {
        Some(true) if stage.overridden.contains_key(&OverrideField::Paused) => {
            Some(PauseCause::Override)
        }
        Some(true) => Some(PauseCause::Spec),
        Some(false) => None,
        None if until_gate(view, stage) != Some(Duration::ZERO) => None,
        None if found.is_none() || has_ready_pod(view, stage) => Some(PauseCause::NoRoute),
        None => Some(PauseCause::NoReadyWorker),
    };
    match cause {
        // A pause that was made outside gets no reason until it is lifted.
        Some(_) if is_outside => PauseDecision::Leave,
        Some(cause) => PauseDecision::Pause(cause),
        None if paused.is_none() => PauseDecision::Leave,
        None if stage.paused == Some(false) => PauseDecision::Resume(ResumeCause::Spec),
        None if is_outside => PauseDecision::Leave,
        None if is_taken(view, stage) => PauseDecision::Resume(ResumeCause::ReasonGone),
        None => PauseDecision::WaitFor(WaitReason::Resume(
            stage.queue.id.clone(),
            stage.name.clone(),
            if has_ready_pod(view, stage) {
                ResumeObstacle::RouteNotAccepted
            } else {
                ResumeObstacle::NoReadyWorker
            },
        )),
    }
}

/// How long it takes until the queue of a stage is paused, if its pushes still reach no ready pod then:
/// each push that fails lengthens its task's backoff.
pub(crate) fn until_gate(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let ChainView { desired, observed } = view;
    let condition = TimedCondition::Unserved(stage.child.clone());
    let is_well = is_taken(view, stage);
    // What the spec says of a pause holds.
    let is_free = stage.paused.is_none();
    let after = desired.timing.gate_after.filter(|_| is_free && !is_well)?;
    // What a load balancer without the route answers is counted as an attempt: a new queue waits.
    let is_new = !observed.queues.contains_key(&stage.queue);
    if is_new && !is_open(view, stage) {
        return Some(Duration::ZERO);
    }
    let is_timed = observed.elapsed.contains_key(&condition);
    is_timed.then(|| observed.remaining(&condition, after))
}

/// For the queue of a removed stage that has something left.
pub(crate) fn of_removed(
    view: ChainView<'_>,
    removed: &RemovedStage,
    found: &Queue,
) -> PauseDecision {
    let observed = view.observed;
    let condition = TimedCondition::Drained(removed.queue.clone());
    let has_been_empty = observed.has_elapsed(&condition, view.desired.timing.hand_over_time);
    let is_marked = is_marked(Some(found));
    let has_workers = !removed.deployments.is_empty();
    let mut deployments = removed.deployments.iter();
    let has_ready_pod =
        deployments.any(|name| Rollout::of(observed.deployments.get(name)).has_ready_pod());
    let resumed = |cause| match queue_headers::pause_reason(found) {
        Some(_) => PauseDecision::Resume(cause),
        None => PauseDecision::Leave,
    };
    if is_fed(view, removed) {
        return if has_ready_pod {
            resumed(ResumeCause::ReasonGone)
        } else {
            PauseDecision::Leave
        };
    }
    match observed.backlogs.get(&removed.queue) {
        Some(Backlog::Empty) if is_marked && is_paused(found) => PauseDecision::Leave,
        Some(Backlog::Empty) if has_been_empty => PauseDecision::Pause(PauseCause::Drained),
        Some(Backlog::Empty) if is_marked => PauseDecision::Leave,
        // What waits there has to be served.
        Some(_) if has_ready_pod && is_marked => resumed(ResumeCause::TasksArrived),
        Some(_) if has_ready_pod => resumed(ResumeCause::ReasonGone),
        Some(Backlog::Few | Backlog::Tens | Backlog::Many) if !has_workers && !is_paused(found) => {
            // Kept until a person decides: pushes would reach nobody.
            PauseDecision::Pause(PauseCause::Deserted)
        }
        Some(Backlog::Empty | Backlog::Few | Backlog::Tens | Backlog::Many) | None => {
            PauseDecision::Leave
        }
    }
}

/// For a queue of a deleted chain that keeps its tasks.
pub(crate) fn of_deleted(found: &Queue) -> PauseDecision {
    if queue_headers::is_parking(found) {
        return PauseDecision::Pause(PauseCause::Parking);
    }
    match queue_headers::pause_reason(found) {
        // It was paused outside; or it is empty, and its stage was removed.
        None | Some(PauseReason::Drained) if is_paused(found) => PauseDecision::Leave,
        None
        | Some(
            PauseReason::Spec
            | PauseReason::Retain
            | PauseReason::Gate
            | PauseReason::Drained
            | PauseReason::Parking,
        ) => PauseDecision::Pause(PauseCause::ChainDeleted),
    }
}

/// Whether a queue is paused, by anyone.
pub(crate) fn is_paused(queue: &Queue) -> bool {
    queue.state == QueueState::Paused
}
