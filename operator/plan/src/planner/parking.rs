//! The parking queue: it is paused before a worker knows of it, and stays so for ever.

use cloudtasks::{Queue, QueuePath, QueueSettings};

use super::pause_steps::{QueueNow, carry_out};
use crate::model::{ChainView, Plan, Step};
use crate::objects::queue_settings::parking_settings;
use crate::rules::pause::{PauseCause, PauseDecision, is_paused};

/// Creates the parking queue, or sets what differs, and pauses it. A new queue runs for a moment: it has no
/// tasks then, since no worker has its name yet.
pub(super) fn parking(plan: &mut Plan, view: ChainView<'_>, is_there: bool) {
    let Some(queue) = view.desired.parking_queue() else {
        return;
    };
    let found = view.observed.queues.get(queue);
    if found.is_some() == is_there {
        keep_paused(plan, view, queue, found);
    }
}

/// A queue that the spec no longer names keeps its tasks until a person decides.
pub(super) fn former(plan: &mut Plan, view: ChainView<'_>) {
    for found in view.former_parking() {
        keep_paused(plan, view, &found.path, Some(found));
    }
}

fn keep_paused(plan: &mut Plan, view: ChainView<'_>, path: &QueuePath, found: Option<&Queue>) {
    let wanted = parking_settings(&view.desired.queue_owner, found);
    let target = wanted.http_target.clone().unwrap_or_default();
    let queue = path.clone();
    match found {
        None => {
            let settings = Box::new(wanted);
            let step = Step::CreateQueue { queue, settings };
            plan.push(step, "the parking queue doesn't exist");
        }
        Some(found) => {
            let settings: QueueSettings = wanted.difference(found);
            if !settings.is_empty() {
                let settings = Box::new(settings);
                let step = Step::UpdateQueue { queue, settings };
                plan.push(step, "the parking queue keeps its tasks, and never pushes");
            }
        }
    }
    let now = QueueNow {
        queue: path,
        is_paused: found.is_some_and(is_paused),
        target,
    };
    let decision = PauseDecision::Pause(PauseCause::Parking);
    carry_out(plan, decision, &now, view.observed.now);
}
