//! Whether tasks are parked, and which parking queues are left that the spec no longer names.

use cloudtasks::{Queue, QueuePath};
use crds::conditions::Reason;

use super::finding::Finding;
use crate::model::{ChainView, ParkedCount};

/// Whether tasks are parked. Nothing is said of a chain that never had a parking queue.
pub(super) fn finding(view: ChainView<'_>) -> Option<Finding> {
    let ChainView { desired, observed } = view;
    let count = |queue: &QueuePath| observed.parked.get(queue).copied();
    let former: Vec<&Queue> = view.former_parking().collect();
    let current = desired.parking_queue();
    let mut said: Vec<String> = Vec::new();
    let mut reason = Reason::NothingParked;
    if let Some(queue) = current {
        let (found, sentence) = match count(queue) {
            Some(count) if count.is_none() => (
                Reason::NothingParked,
                format!("queue {} keeps no parked task", queue.id),
            ),
            Some(count) => (
                Reason::TasksParked,
                format!(
                    "queue {} keeps {} that ended without a success, each for 31 days after it was parked",
                    queue.id,
                    count.text()
                ),
            ),
            None => (
                Reason::ParkedUnknown,
                format!(
                    "the tasks of queue {} could not be counted, so it is unknown whether tasks are parked. If this lasts, see the operator's log",
                    queue.id
                ),
            ),
        };
        reason = found;
        said.push(sentence);
    } else if former.is_empty() {
        return None;
    }
    for queue in former {
        if reason != Reason::TasksParked {
            reason = Reason::ParkingRemoved;
        }
        let tasks = count(&queue.path).map_or("an unknown number of tasks", ParkedCount::text);
        said.push(format!(
            "the former parking queue {} stays paused, and keeps {tasks}: set it as parking.queue again, or delete it with its tasks",
            queue.path.id
        ));
    }
    let holds = match reason {
        Reason::NothingParked => Some(false),
        Reason::ParkedUnknown => None,
        _ => Some(true),
    };
    Some(Finding::new(holds, reason, said.join("; ")))
}
