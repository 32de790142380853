//! The two servers outside of the cluster: what the handlers ask, and the client.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use oracle::{Tracker, task_number};
use testkit::server::{serve_on, status, text};

use crate::attempts::{Attempts, Run};

/// What the ids of tasks begin with; their numbers follow.
pub const PREFIX: &str = "e2e-";

/// Answers the handlers: 200 for a run that succeeds, 500 for one that fails.
pub async fn runs(
    at: IpAddr,
    tracker: Arc<Tracker>,
    attempts: Arc<Attempts>,
) -> std::io::Result<SocketAddr> {
    serve_on(SocketAddr::from((at, 0)), move |request| {
        let headers = request.headers();
        let run = task_number(text(headers, "executor-task"), PREFIX).and_then(|task| {
            Some(Run {
                task,
                stage: text(headers, "executor-stage").to_owned(),
                attempt: text(headers, "executor-attempt").parse().ok()?,
                version: text(headers, "handler-version").to_owned(),
                stopping: !text(headers, "handler-stopping").is_empty(),
            })
        });
        let (tracker, attempts) = (Arc::clone(&tracker), Arc::clone(&attempts));
        async move {
            let Some(run) = run else { return status(400) };
            attempts.run(&run);
            let succeeds = tracker.run(run.task, &run.stage);
            status(if succeeds { 200 } else { 500 })
        }
    })
    .await
}

pub async fn client(
    at: IpAddr,
    tracker: Arc<Tracker>,
    attempts: Arc<Attempts>,
) -> std::io::Result<SocketAddr> {
    let listen = SocketAddr::from((at, 0));
    oracle::receive(listen, PREFIX, move |notification| {
        tracker.notified(notification.task, notification.succeeded);
        if !notification.succeeded {
            attempts.failed(notification.task);
        }
        200
    })
    .await
}
