//! The notification: an event on the notifier queue, which sends it by POST to the client.

use std::collections::BTreeMap;

use cloudtasks::{Method, NewTask};
use decide::{Notifier, Outcome};

use crate::event::Told;

/// The media type of `CloudEvents` for an event that is one JSON object.
const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";

/// The task that carries the event. Its name follows from the task's root alone, so that a second
/// one is never created, whatever it says.
pub(crate) fn notification(told: &Told<'_>, outcome: Outcome, notifier: &Notifier) -> NewTask {
    NewTask {
        path: Some(notifier.queue.task(told.ledger.root.notification())),
        url: notifier.url.clone(),
        method: Method::Post,
        headers: BTreeMap::from([("content-type".to_owned(), CONTENT_TYPE.to_owned())]),
        body: told.event(outcome),
        dispatch_deadline: None,
    }
}
