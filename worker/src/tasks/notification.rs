//! The notification: a task on the notifier's queue, which sends an event to the client.

use std::collections::BTreeMap;

use cloudtasks::{Method, NewTask, OidcToken};
use decide::{NotifierPolicy, Outcome};

use super::event::EventSource;

/// The media type of one `CloudEvents` event in JSON.
const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The task that carries the event. Its name depends on the task's root alone, so a task has one
/// notification, whatever its outcome.
pub(super) fn notification(
    source: &EventSource<'_>,
    outcome: Outcome,
    notifier: &NotifierPolicy,
    oidc_token: Option<OidcToken>,
) -> NewTask {
    NewTask {
        path: Some(notifier.queue.task(source.ledger.root.notification())),
        url: notifier.url.clone(),
        method: Method::Post,
        headers: BTreeMap::from([("content-type".to_owned(), CONTENT_TYPE.to_owned())]),
        body: source.event(outcome),
        dispatch_deadline: None,
        schedule_time: None,
        oidc_token,
    }
}
