//! The same task again, byte for byte, with the ledger in its headers: on another queue, or later on its
//! own.

use std::time::Duration;

use cloudtasks::{NewTask, QueuePath, TaskPath};
use decide::headers::to_api_headers;
use decide::task::{LEDGER_HEADER, PARKED_HEADER};
use decide::{Ledger, ParkedRecord};
use jiff::Timestamp;

use crate::transport::PushRequest;

/// The task to create on `queue`, due after `delay`. `ledger` already has this stage's record; `folded` leaves
/// all records out.
pub(super) fn next_task(
    push: &PushRequest,
    ledger: Ledger,
    queue: &QueuePath,
    folded: bool,
    dispatch_deadline: Duration,
    delay: Option<Duration>,
) -> NewTask {
    let path = queue.task(ledger.next_task());
    let due = delay.map(due_after);
    copy(
        push,
        path,
        ledger.next_hop(),
        folded,
        Some(dispatch_deadline),
        due,
    )
}

/// The task to create on its own queue, due after `delay`. `ledger` says what it did there.
pub(super) fn later_task(
    push: &PushRequest,
    ledger: Ledger,
    path: TaskPath,
    folded: bool,
    dispatch_deadline: Duration,
    delay: Duration,
) -> NewTask {
    let due = Some(due_after(delay));
    copy(push, path, ledger, folded, Some(dispatch_deadline), due)
}

/// The task to create in the parking queue. It is never pushed from there: a redrive creates it anew.
pub(super) fn parked_task(
    push: &PushRequest,
    ledger: Ledger,
    queue: &QueuePath,
    folded: bool,
    record: &ParkedRecord,
) -> NewTask {
    let path = queue.task(ledger.root.parked());
    let mut task = copy(push, path, ledger, folded, None, None);
    task.headers
        .insert(PARKED_HEADER.to_owned(), record.encode());
    task
}

fn due_after(delay: Duration) -> Timestamp {
    let now = Timestamp::now();
    now.saturating_add(delay).unwrap_or(now)
}

/// The same task under another name.
fn copy(
    push: &PushRequest,
    path: TaskPath,
    ledger: Ledger,
    folded: bool,
    dispatch_deadline: Option<Duration>,
    schedule_time: Option<Timestamp>,
) -> NewTask {
    let ledger = if folded { ledger.folded() } else { ledger };
    let mut headers = to_api_headers(&push.task_headers());
    headers.insert(LEDGER_HEADER.to_owned(), ledger.encode());
    NewTask {
        path: Some(path),
        // The queue's own target replaces scheme, host and port. The shortest host, or a path that
        // fitted its producer's URL might be too long here.
        url: format!("http://x{}", push.path),
        method: push.method,
        headers,
        body: push.body.to_vec(),
        dispatch_deadline,
        schedule_time,
        oidc_token: None,
    }
}
