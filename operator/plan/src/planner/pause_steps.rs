//! The one place that pauses and resumes queues.

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings};
use jiff::Timestamp;

use crate::model::queue_headers::PAUSE_HEADER;
use crate::model::{Plan, Step, Wait};
use crate::objects::queue_settings::with_pause_reason;
use crate::rules::pause::{PauseDecision, is_paused};

/// A queue as the steps before leave it.
pub(super) struct QueueNow<'a> {
    pub(super) queue: &'a QueuePath,
    pub(super) is_paused: bool,
    pub(super) target: HttpTarget,
}

impl<'a> QueueNow<'a> {
    /// One that no step before touches.
    pub(super) fn found(queue: &'a Queue) -> Self {
        Self {
            queue: &queue.path,
            is_paused: is_paused(queue),
            target: queue.http_target.clone().unwrap_or_default(),
        }
    }
}

/// Carries out a decision. The reason of a pause is written before the pause, and removed after the
/// resume: an operator that dies in between leaves no paused queue whose pause nobody owns.
pub(super) fn carry_out(
    plan: &mut Plan,
    decision: PauseDecision,
    now: &QueueNow<'_>,
    at: Timestamp,
) {
    let QueueNow {
        queue,
        is_paused,
        target,
    } = now;
    let update = |reason| {
        let settings = Box::new(QueueSettings {
            http_target: Some(with_pause_reason(target, reason, at)),
            ..QueueSettings::default()
        });
        let queue = QueuePath::clone(queue);
        Step::UpdateQueue { queue, settings }
    };
    let path = || QueuePath::clone(queue);
    match decision {
        PauseDecision::Leave => {}
        PauseDecision::WaitFor(reason) => plan.wait(Wait::soon(reason)),
        PauseDecision::Pause(cause) => {
            let reason = Some(cause.reason());
            if with_pause_reason(target, reason, at) != *target {
                plan.push(update(reason), "the queue records why it is paused");
            }
            if !is_paused {
                plan.push(Step::PauseQueue { queue: path() }, cause.text());
            }
        }
        PauseDecision::Resume(cause) => {
            if *is_paused {
                plan.push(Step::ResumeQueue { queue: path() }, cause.text());
            }
            if target.headers.contains_key(PAUSE_HEADER) {
                plan.push(update(None), "the pause has ended");
            }
        }
    }
}
