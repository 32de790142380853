//! Counts the tasks of queues that drain, and those that are parked.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use plan::rules::drain::{is_at_rest, queues_to_count};
use plan::{Backlog, ChainView, Observed, ParkedCount};

use crate::reconcile::intervals::PARKED_COUNT;
use crate::reconcile::observe::{ServedChain, know_parked, time_conditions};

/// How often a queue is counted that is empty and paused, and has no stage. Before it is deleted it is
/// counted in any case: a task may have been added.
const REST_INTERVAL: Duration = Duration::from_mins(1);

/// Counts the tasks of queues that drain, as far as that is due. A count that fails stops nothing. Returns whether
/// there was anything to count: if not, a plan that was made before is still right.
pub async fn count(served: ServedChain<'_>, observed: &mut Observed) -> bool {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let timers = &context.caches.condition_timers;
    let last = timers.backlogs(uid, Instant::now());
    observed.backlogs.clear();
    let view = ChainView::new(desired, observed);
    // The longest ago first, and before them what was never counted: over the rate limit each has its
    // turn.
    let age = |queue: &QueuePath| last.get(queue).map_or(Duration::MAX, |(_, age)| *age);
    let mut due = queues_to_count(view);
    due.retain(|queue| !is_at_rest(view, queue) || age(queue) >= REST_INTERVAL);
    due.sort_by_key(|queue| Reverse(age(queue)));
    let has_queues = !due.is_empty() || view.parking_queues().next().is_some();
    if !has_queues {
        return false;
    }
    for queue in due {
        match context.queues.count_tasks(&queue, Backlog::ENOUGH).await {
            Ok(tasks) => {
                let counted = tasks.map(|tasks| (queue, Backlog::of(tasks)));
                observed.backlogs.extend(counted);
            }
            Err(error) => {
                tracing::warn!(%queue, %error, "the tasks of a queue could not be counted");
            }
        }
    }
    timers.counted(uid, &observed.backlogs, Instant::now());
    time_conditions(served, observed);
    count_parked(served, observed).await;
    true
}

/// Counts parked tasks where Cloud Tasks doesn't say how many a queue has.
async fn count_parked(served: ServedChain<'_>, observed: &mut Observed) {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let uid = chain.metadata.uid.as_deref().unwrap_or_default();
    let timers = &context.caches.condition_timers;
    let queues: Vec<QueuePath> = {
        let view = ChainView::new(desired, observed);
        let queues = view.parking_queues();
        queues.map(|queue| queue.path.clone()).collect()
    };
    for queue in queues {
        let locations = &context.caches.locations;
        let is_known = locations.queue_numbers(&queue).value().is_some();
        let last = timers.parked(uid, &queue, Instant::now());
        if is_known || last.is_some_and(|(_, age)| age < PARKED_COUNT) {
            continue;
        }
        match context
            .queues
            .count_tasks(&queue, ParkedCount::ENOUGH)
            .await
        {
            Ok(Some(tasks)) => {
                let count = ParkedCount::counted(tasks);
                timers.counted_parked(uid, &queue, count, Instant::now());
            }
            // Over the rate limit: the last count stands.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%queue, %error, "parked tasks could not be counted");
            }
        }
    }
    know_parked(served, observed);
}
