//! What a rule has found, and its place among the others.

use jiff::Timestamp;

use super::evidence::Evidence;
use crate::model::{Cause, Finding};

/// The places of findings. What is above may be why what is below is found too, never the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// An edit doesn't help before it is in force.
    Edit,
    Queue,
    Pause,
    Pods,
    /// The operator pauses the queue of a stage without pods.
    Gate,
    Pushes,
    /// What fails is the same that makes workers hold, and what waits, waits for them.
    Hold,
    /// A worker answers 503 for a handler that it doesn't reach.
    Connection,
    /// A task that was answered 5xx needs a lookup before its next run.
    LookUp,
    /// Tasks that can't leave are pushed again.
    Create,
    /// Where the rest is well, what fails here and on later stages is what is isolated.
    Isolation,
    /// Runs that time out keep their slots, and so the pushes of others from theirs.
    TimeOut,
    /// A few tasks that fail again and again take the rate from all others.
    FewTasks,
    Failures,
    /// Runs that take longer keep their slots for longer.
    Slow,
    /// Where the rest isn't well either, or runs are only long.
    IsolationToo,
    Producers,
    /// A limit that was changed outside the operator.
    ChangedLimit,
    /// 503 makes Cloud Tasks throttle.
    Slots,
    Throttle,
    HandOvers,
    Retries,
    /// Runs that fail in many ways: what they have in common is that they are tried again.
    ManyFailures,
    OwnLimit,
    Notifications,
    Expiry,
    NotParked,
    Drift,
    /// It hurts nobody now.
    Parked,
}

/// A finding and its place.
#[derive(Debug, Clone)]
pub(super) struct Found {
    place: Place,
    /// Where the stage is in its chain; none comes first.
    index: Option<usize>,
    pub(super) finding: Finding,
}

impl Found {
    pub(super) fn on_stage(
        stage: Evidence<'_>,
        place: Place,
        cause: Cause,
        message: String,
        command: String,
    ) -> Self {
        let mut found = Self::on_chain(place, cause, message, command);
        found.index = Some(stage.index);
        found.finding.stage = Some(stage.stage.name.clone());
        found
    }

    pub(super) fn on_chain(place: Place, cause: Cause, message: String, command: String) -> Self {
        Self {
            place,
            index: None,
            finding: Finding {
                cause,
                stage: None,
                since: None,
                message,
                command,
            },
        }
    }

    pub(super) fn since(mut self, since: Option<Timestamp>) -> Self {
        self.finding.since = since;
        self
    }

    /// By place, then by stage.
    pub(super) fn in_order(mut found: Vec<Self>) -> Vec<Finding> {
        found.sort_by_key(|it| (it.place, it.index));
        found.into_iter().map(|it| it.finding).collect()
    }
}
