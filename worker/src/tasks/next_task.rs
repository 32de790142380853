//! The hand-over: the same task on another queue, byte for byte, with the ledger in its headers.

use std::time::Duration;

use cloudtasks::{NewTask, QueuePath};
use decide::Ledger;
use decide::headers::to_api_headers;
use decide::task::LEDGER_HEADER;

use crate::transport::PushRequest;

/// The task to create on `queue`. `ledger` already has this stage's record; `folded` leaves all records
/// out.
pub(super) fn next_task(
    push: &PushRequest,
    ledger: Ledger,
    queue: &QueuePath,
    folded: bool,
    dispatch_deadline: Duration,
) -> NewTask {
    let path = queue.task(ledger.next_task());
    let ledger = ledger.next_hop();
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
        dispatch_deadline: Some(dispatch_deadline),
        oidc_token: None,
    }
}
