//! What an override sets comes back: it is on the queue, or in the spec.

use std::collections::BTreeMap;

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings};
use crds::Duration;
use serde_json::Value;

use crate::model::{DesiredStage, Observed, OverrideField, Plan, Step, queue_headers};

/// The fields that a queue's record may have, as paths in it.
const FIELDS: [(OverrideField, &str); 5] = [
    (OverrideField::Rate, "/rateLimits/maxDispatchesPerSecond"),
    (
        OverrideField::Concurrency,
        "/rateLimits/maxConcurrentDispatches",
    ),
    (OverrideField::BackoffMin, "/backoff/min"),
    (OverrideField::BackoffMax, "/backoff/max"),
    (OverrideField::BackoffDoublings, "/backoff/maxDoublings"),
];

/// Updates of stages' queues after which nobody would know what a queue had before an override, or that forget
/// it.
pub(super) fn unrecorded(stages: &[DesiredStage], observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut broken = Vec::new();
    let mut records: BTreeMap<&QueuePath, Value> = BTreeMap::new();
    for planned in &plan.steps {
        let (Step::UpdateQueue { queue, settings } | Step::CreateQueue { queue, settings }) =
            &planned.step
        else {
            continue;
        };
        let Some(stage) = stages.iter().find(|stage| stage.queue == *queue) else {
            continue;
        };
        let found = observed.queues.get(queue);
        let first = || record(found.and_then(|queue| queue.http_target.as_ref()));
        let before = records.remove(queue).unwrap_or_else(first);
        let after = match &settings.http_target {
            Some(target) => record(Some(target)),
            None => before.clone(),
        };
        records.insert(queue, after.clone());
        for (field, path) in FIELDS {
            let overridden = stage.overridden.get(&field);
            let is_set = sets(settings, field);
            let has = |record: &Value| record.pointer(path).is_some_and(|it| !it.is_null());
            if is_set && overridden.is_some() && !has(&after) {
                broken.push(format!(
                    "{}: nobody would know what {field} was",
                    planned.step
                ));
            }
            let in_spec = match overridden {
                Some(overridden) => overridden.spec.is_some(),
                None => is_in_spec(stage, field),
            };
            let is_back = found.is_some_and(|found| has_value(found, field, before.pointer(path)));
            if has(&before) && !has(&after) && !is_set && !in_spec && !is_back {
                broken.push(format!("{}: {field} would not come back", planned.step));
            }
        }
    }
    broken
}

fn record(target: Option<&HttpTarget>) -> Value {
    let text = target.and_then(|target| target.headers.get(queue_headers::REPLACED_HEADER));
    let record = text.and_then(|text| serde_json::from_str(text).ok());
    record.unwrap_or_default()
}

/// Whether a queue has what was recorded: an override may have set the same.
fn has_value(queue: &Queue, field: OverrideField, recorded: Option<&Value>) -> bool {
    let Some(recorded) = recorded else {
        return false;
    };
    let time = || {
        recorded
            .as_str()
            .and_then(|text| text.parse::<Duration>().ok())
    };
    let is_count = |count: i32| recorded.as_i64() == Some(i64::from(count));
    match field {
        OverrideField::Rate => recorded.as_f64() == Some(queue.max_dispatches_per_second),
        OverrideField::Concurrency => is_count(queue.max_concurrent_dispatches),
        OverrideField::BackoffMin => time() == Some(Duration(queue.min_backoff)),
        OverrideField::BackoffMax => time() == Some(Duration(queue.max_backoff)),
        OverrideField::BackoffDoublings => is_count(queue.max_doublings),
        OverrideField::Paused | OverrideField::Replicas => false,
    }
}

fn sets(settings: &QueueSettings, field: OverrideField) -> bool {
    match field {
        OverrideField::Rate => settings.max_dispatches_per_second.is_some(),
        OverrideField::Concurrency => settings.max_concurrent_dispatches.is_some(),
        OverrideField::BackoffMin => settings.min_backoff.is_some(),
        OverrideField::BackoffMax => settings.max_backoff.is_some(),
        OverrideField::BackoffDoublings => settings.max_doublings.is_some(),
        OverrideField::Paused | OverrideField::Replicas => false,
    }
}

fn is_in_spec(stage: &DesiredStage, field: OverrideField) -> bool {
    let limits = stage.rate_limits.unwrap_or_default();
    let backoff = stage.backoff.unwrap_or_default();
    match field {
        OverrideField::Rate => limits.max_dispatches_per_second.is_some(),
        OverrideField::Concurrency => limits.max_concurrent_dispatches.is_some(),
        OverrideField::BackoffMin => backoff.min.is_some(),
        OverrideField::BackoffMax => backoff.max.is_some(),
        OverrideField::BackoffDoublings => backoff.max_doublings.is_some(),
        OverrideField::Paused | OverrideField::Replicas => true,
    }
}
