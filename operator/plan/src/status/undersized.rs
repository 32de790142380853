//! Whether each queue dispatches more tasks at once than its workers run.

use crds::conditions::Reason;

use super::stages::workers;
use super::{Finding, list};
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
                "{} has {pushes} dispatches at once for {pods} × {each} places",
                stage.queue.id
            )
        })
    });
    match list(short) {
        None => Finding::new(
            Some(false),
            Reason::EnoughPlaces,
            "every stage has a place for each dispatch",
        ),
        Some(short) => Finding::new(
            Some(true),
            Reason::TooFewPlaces,
            format!("what finds no place is answered 503, which slows the queue: {short}"),
        ),
    }
}
