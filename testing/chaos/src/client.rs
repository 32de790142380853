//! The client: the receiver of notifications.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::account::Account;
use crate::chain::{PREFIX, task_id};
use crate::seed::Seed;

/// Starts it. Some notifications it takes and then says that it didn't, so that they come again.
pub async fn start(seed: Seed, account: Arc<Account>) -> std::io::Result<SocketAddr> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    oracle::receive(any_port, PREFIX, move |it| {
        account.notified(it.task, it.succeeded);
        let draw = seed.of("told", &task_id(it.task), it.retries);
        if draw.of_1000() < 30 { 503 } else { 200 }
    })
    .await
}
