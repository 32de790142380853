//! The client: the receiver of notifications.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::chain::{PREFIX, task_id};
use crate::seed::Seed;
use crate::tracker::Tracker;

/// Starts it. Some notifications it takes and then says that it didn't, so that they come again.
pub async fn start(seed: Seed, tracker: Arc<Tracker>) -> std::io::Result<SocketAddr> {
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    oracle::receive(any_port, PREFIX, move |it| {
        tracker.notified(it.task, it.succeeded);
        let draw = seed.of("told", &task_id(it.task), it.retries);
        if draw.of_1000() < 30 { 503 } else { 200 }
    })
    .await
}
