//! Whether each queue dispatches more tasks at once than its workers run.

use crds::conditions::Reason;

use super::finding::{Finding, list};
use super::stages::workers;
use crate::model::{ChainView, Rollout};

/// How many tasks a worker runs at once when it isn't told.
const DEFAULT_CONCURRENCY: i32 = 100;

/// Whether each queue may have more pushes under way than its workers have places.
pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let short = view.desired.stages.iter().filter_map(|stage| {
        let queue = view.observed.queues.get(&stage.queue)?;
        let found = workers(view, stage)?;
        let pods = Rollout::of(Some(found)).wanted;
        let each = stage.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        let places = pods.saturating_mul(each);
        let pushes = queue.max_concurrent_dispatches;
        (places < pushes).then(|| {
            format!(
                "{} dispatches {pushes} tasks at once, and its workers run {pods} × {each}",
                stage.queue.id
            )
        })
    });
    match list(short) {
        None => Finding::new(
            Some(false),
            Reason::EnoughPlaces,
            "every stage can run as many tasks as its queue dispatches at once",
        ),
        Some(short) => Finding::new(
            Some(true),
            Reason::TooFewPlaces,
            format!(
                "pushes over the workers' capacity get 503, which throttles the queue: {short}. Add replicas, raise concurrency, or lower maxConcurrentDispatches"
            ),
        ),
    }
}
