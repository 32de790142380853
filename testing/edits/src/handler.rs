//! The handler of all workers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oracle::{Tracker, task_number};
use testkit::server::{serve, status, text};

/// How long a run takes.
const RUN: Duration = Duration::from_millis(10);

/// What the ids of tasks begin with; their numbers follow.
pub const PREFIX: &str = "t-";

/// Starts it.
pub async fn start(tracker: Arc<Tracker>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let header = |name| text(request.headers(), name).to_owned();
        let task = task_number(&header("executor-task"), PREFIX);
        let (stage, tracker) = (header("executor-stage"), Arc::clone(&tracker));
        async move {
            tokio::time::sleep(RUN).await;
            let Some(task) = task else { return status(400) };
            status(if tracker.run(task, &stage) { 200 } else { 500 })
        }
    })
    .await
}

/// The id of a task by its number.
pub fn task_id(number: usize) -> String {
    format!("{PREFIX}{number}")
}
