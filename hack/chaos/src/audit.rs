//! The receiver of notifications.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::BodyExt;
use serde::Deserialize;
use testkit::server::{number, serve, status};

use crate::account::Account;
use crate::chain::task_number;
use crate::chance::Seed;

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    task: String,
}

/// Starts it. Some notifications it takes and then says that it didn't, so that they come again.
pub async fn start(seed: Seed, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let account = Arc::clone(&account);
        async move {
            let retries = number(request.headers(), "x-cloudtasks-taskretrycount");
            let Ok(body) = request.into_body().collect().await else {
                return status(400);
            };
            let Ok(event) = serde_json::from_slice::<Event>(&body.to_bytes()) else {
                return status(400);
            };
            let succeeded = event.kind == "dev.executor-chain.task.succeeded.v1";
            let Some(task) = task_number(&event.data.task) else {
                return status(400);
            };
            account.ended(task, succeeded);
            let draw = seed.of("told", &event.data.task, retries);
            status(if draw.of_1000() < 30 { 503 } else { 200 })
        }
    })
    .await
}
