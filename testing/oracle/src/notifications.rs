//! The client: the receiver of notifications.

use std::net::SocketAddr;

use testkit::Ending;
use testkit::server::{number, serve_on, status};

/// A notification that came, perhaps not for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The task's number, the end of its id.
    pub task: usize,
    /// The event's id.
    pub event: String,
    /// Which life of the task ended, from 1.
    pub life: u64,
    /// Succeeded, or else Failed.
    pub succeeded: bool,
    /// How often Cloud Tasks has dispatched it before.
    pub retries: u64,
}

/// Receives notifications on an address. `answer` gives the status of the answer to each; what is no
/// notification about a task whose id is `prefix` and a number gets 400.
pub async fn receive<A>(
    listen: SocketAddr,
    prefix: &'static str,
    answer: A,
) -> std::io::Result<SocketAddr>
where
    A: Fn(Notification) -> u16 + Clone + Send + Sync + 'static,
{
    serve_on(listen, move |request| {
        let answer = answer.clone();
        async move {
            let retries = number(request.headers(), "x-cloudtasks-taskretrycount");
            let notification = Ending::of(request).await.and_then(|ending| {
                Some(Notification {
                    task: task_number(&ending.task, prefix)?,
                    event: ending.id,
                    life: ending.life,
                    succeeded: ending.succeeded,
                    retries,
                })
            });
            status(notification.map_or(400, answer))
        }
    })
    .await
}

/// The number of a task by its id, which is `prefix` and the number.
pub fn task_number(id: &str, prefix: &str) -> Option<usize> {
    id.strip_prefix(prefix)?.parse().ok()
}
