//! Cloud Tasks' headers, as the handler gets them: one task on its way, on whatever stage it is.

use http::HeaderMap;

use super::delivery::{
    Delivery, EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_ETA, TASK_NAME,
};
use crate::values::Answer;

/// Why Cloud Tasks retries.
const RETRY_REASON: &str = "x-cloudtasks-taskretryreason";

/// Cloud Tasks' headers for the handler. Handlers take the name for a key against duplicates and count
/// attempts by the counters, so names are the first task's, and counters go on over all stages.
pub fn cloud_tasks_headers(delivery: &Delivery, push: &HeaderMap) -> Vec<(&'static str, String)> {
    let attempts = delivery.attempts_so_far().to_string();
    let mut headers = vec![
        (QUEUE_NAME, delivery.ledger.queue.to_string()),
        (TASK_NAME, delivery.ledger.task.to_string()),
        (RETRY_COUNT, attempts.clone()),
        (EXECUTION_COUNT, attempts),
    ];
    let as_it_came = |name| {
        let value = push.get(name).and_then(|value| value.to_str().ok());
        value.map(|value| (name, value.to_owned()))
    };
    headers.extend(as_it_came(TASK_ETA));
    if delivery.retry_count > 0 {
        headers.extend(as_it_came(RETRY_REASON));
    }
    let previous = previous_response(delivery);
    headers.extend(previous.map(|status| (PREVIOUS_RESPONSE, status.to_string())));
    headers
}

/// The status of the previous dispatch as far as it is known: the queue keeps the worker's answer in
/// place of the handler's status.
fn previous_response(delivery: &Delivery) -> Option<u16> {
    if delivery.retry_count == 0 {
        return delivery.ledger.stages.last()?.status;
    }
    let ours = [
        Answer::Failed,
        Answer::HandOverPending,
        Answer::NotificationPending,
    ];
    let previous = delivery.previous_response?;
    (!ours.iter().any(|answer| answer.code() == previous)).then_some(previous)
}
