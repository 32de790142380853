//! The receiver of notifications.

use std::net::SocketAddr;
use std::sync::Arc;

use testkit::Ending;
use testkit::server::{number, serve, status};

use crate::account::Account;
use crate::chain::task_number;
use crate::chance::Seed;

/// Starts it. Some notifications it takes and then says that it didn't, so that they come again.
pub async fn start(seed: Seed, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let account = Arc::clone(&account);
        async move {
            let retries = number(request.headers(), "x-cloudtasks-taskretrycount");
            let Some(ending) = Ending::of(request).await else {
                return status(400);
            };
            let Some(task) = task_number(&ending.task) else {
                return status(400);
            };
            account.ended(task, ending.succeeded);
            let draw = seed.of("told", &ending.task, retries);
            status(if draw.of_1000() < 30 { 503 } else { 200 })
        }
    })
    .await
}
