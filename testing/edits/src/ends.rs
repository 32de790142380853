//! The two servers at the chain's ends: the handler of all workers, and the receiver of
//! notifications.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use testkit::Ending;
use testkit::server::{serve, status, text};

use crate::account::Account;

/// What a run takes.
const RUN: Duration = Duration::from_millis(10);

/// Starts the handler.
pub async fn handler(account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let task = task_number(text(request.headers(), "executor-task"));
        let account = Arc::clone(&account);
        async move {
            tokio::time::sleep(RUN).await;
            let Some(task) = task else { return status(400) };
            status(if account.run(task) { 200 } else { 500 })
        }
    })
    .await
}

/// Starts the receiver.
pub async fn receiver(account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let account = Arc::clone(&account);
        async move {
            let Some(ending) = Ending::of(request).await else {
                return status(400);
            };
            let Some(task) = task_number(&ending.task) else {
                return status(400);
            };
            account.end(task, ending.succeeded);
            status(200)
        }
    })
    .await
}

/// The id of a task by its number.
pub fn task_id(number: usize) -> String {
    format!("t-{number}")
}

fn task_number(id: &str) -> Option<usize> {
    id.strip_prefix("t-")?.parse().ok()
}
