//! Cloud Tasks' headers, as the handler gets them: one task on its way, on whatever stage it is.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::delivery::Delivery;
use super::delivery::names::{
    EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_ETA, TASK_NAME,
};
use crate::values::Answer;

/// Why Cloud Tasks retries.
static RETRY_REASON: HeaderName = HeaderName::from_static("x-cloudtasks-taskretryreason");

/// Sets Cloud Tasks' headers for the handler. Handlers take the name for a key against duplicates and count
/// attempts by the counters, so names are the first task's, and counters go on over all stages.
pub fn set_cloud_tasks_headers(headers: &mut HeaderMap, delivery: &Delivery, push: &HeaderMap) {
    let mut set = |name: &HeaderName, value| headers.insert(name, value);
    set(&QUEUE_NAME, value(delivery.ledger.queue.as_str()));
    set(&TASK_NAME, value(delivery.ledger.task.as_str()));
    let attempts = delivery.attempts_so_far();
    let attempts = HeaderValue::from(attempts);
    set(&RETRY_COUNT, attempts.clone());
    set(&EXECUTION_COUNT, attempts);
    let as_it_came = |name: &HeaderName| push.get(name).filter(|value| value.to_str().is_ok());
    if let Some(eta) = as_it_came(&TASK_ETA) {
        set(&TASK_ETA, eta.clone());
    }
    if delivery.retry_count > 0
        && let Some(reason) = as_it_came(&RETRY_REASON)
    {
        set(&RETRY_REASON, reason.clone());
    }
    if let Some(status) = previous_response(delivery) {
        set(&PREVIOUS_RESPONSE, HeaderValue::from(status));
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("ids are plain ASCII")
}

/// The status of the previous dispatch as far as it is known: the queue keeps the worker's answer in
/// place of the handler's status.
fn previous_response(delivery: &Delivery) -> Option<u16> {
    if delivery.retry_count == 0 {
        // What the handler answered before the task was put off is not kept.
        let arrives = delivery.ledger.stay.is_none();
        return delivery.ledger.stages.last().filter(|_| arrives)?.status;
    }
    let ours = [
        Answer::Failed,
        Answer::HandOverPending,
        Answer::NotificationPending,
    ];
    let previous = delivery.previous_response?;
    (!ours.iter().any(|answer| answer.code() == previous)).then_some(previous)
}
