//! Whether each queue dispatches more tasks at once than its workers run, and fewer than are isolated to it.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use super::stages::workers;
use crate::model::{ChainView, DesiredStage, Rollout};

/// How many tasks a worker runs at once when it isn't told.
const DEFAULT_CONCURRENCY: i32 = 100;

/// The part of a stage's rate that a rule without a share may isolate.
const UNCAPPED: f64 = 0.5;

/// Whether each queue may have more pushes under way than its workers have places, and whether a stage may
/// isolate more tasks than the next queue dispatches.
pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let short = list(view.desired.stages.iter().filter_map(|it| short(view, it)));
    let short = short.map(|short| {
        format!(
            "pushes over the workers' capacity get 503, which throttles the queue: {short}. Add replicas, raise concurrency, or lower maxConcurrentDispatches"
        )
    });
    let slow = list(view.desired.stages.iter().flat_map(|it| slow(view, it)));
    let slow = slow.map(|slow| {
        format!(
            "isolated tasks may wait long: {slow}. Raise maxDispatchesPerSecond of the target, lower maxShare, or isolate to another stage"
        )
    });
    match (short, slow) {
        (None, None) => Finding::new(
            Some(false),
            Reason::EnoughPlaces,
            "every stage can run as many tasks as its queue dispatches at once",
        ),
        (Some(short), None) => Finding::new(Some(true), Reason::TooFewPlaces, short),
        (Some(short), Some(slow)) => Finding::new(
            Some(true),
            Reason::TooFewPlaces,
            format!("{short}. And {slow}"),
        ),
        (None, Some(slow)) => Finding::new(Some(true), Reason::IsolationTargetTooSlow, slow),
    }
}

/// Which queue has more pushes under way than its workers have places.
fn short(view: ChainView<'_>, stage: &DesiredStage) -> Option<String> {
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
}

/// Which queues dispatch less than the stage may isolate: its rate, times the share of a category. No more than a
/// rule of thumb, because how many tasks a category has is not known here.
fn slow(view: ChainView<'_>, stage: &DesiredStage) -> BTreeSet<String> {
    let rate = |queue: &QueuePath| Some(view.observed.queues.get(queue)?.max_dispatches_per_second);
    let slow = stage.isolate.iter().filter_map(|rule| {
        let share = rule
            .max_share
            .map_or(UNCAPPED, |it| f64::from(it.get()) / 100.0);
        let isolated = rate(&stage.queue)? * share;
        let target = rate(&rule.to)?;
        (target < isolated).then(|| {
            format!(
                "stage {} may isolate {} tasks/s, and {} dispatches {target}/s",
                stage.name,
                (isolated * 10.0).round() / 10.0,
                rule.to.id
            )
        })
    });
    slow.collect()
}
