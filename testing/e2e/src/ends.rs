//! The two ends of the chain outside of the cluster: whom the handlers ask, and whom the client is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use testkit::Ending;
use testkit::server::{serve_on, status, text};

use crate::account::{Account, Run};

/// Answers the handlers: 200 for a run that succeeds, 500 for one that fails.
pub async fn account(at: IpAddr, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve_on(SocketAddr::from((at, 0)), move |request| {
        let headers = request.headers();
        let run = task_number(text(headers, "executor-task")).and_then(|task| {
            Some(Run {
                task,
                stage: text(headers, "executor-stage").to_owned(),
                attempt: text(headers, "executor-attempt").parse().ok()?,
                version: text(headers, "handler-version").to_owned(),
                stopping: !text(headers, "handler-stopping").is_empty(),
            })
        });
        let account = Arc::clone(&account);
        async move {
            let Some(run) = run else { return status(400) };
            status(if account.run(&run) { 200 } else { 500 })
        }
    })
    .await
}

/// Takes the notifications.
pub async fn client(at: IpAddr, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve_on(SocketAddr::from((at, 0)), move |request| {
        let account = Arc::clone(&account);
        async move {
            let Some(ending) = Ending::of(request).await else {
                return status(400);
            };
            let Some(task) = task_number(&ending.task) else {
                return status(400);
            };
            account.told(task, ending.succeeded);
            status(200)
        }
    })
    .await
}

fn task_number(id: &str) -> Option<usize> {
    id.strip_prefix("e2e-")?.parse().ok()
}
