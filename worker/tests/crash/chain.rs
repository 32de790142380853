//! The chain under test, and its workers.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, QueueSettings};
use testkit::binary;
pub use testkit::chain::{Stage, Upstreams};

/// The first and the last stage have attempts left after a failure, the middle one never.
pub const STAGES: [Stage; 3] = testkit::chain::stages([2, 1, 2]);

pub fn stage_named(name: &str) -> &'static Stage {
    STAGES.iter().find(|stage| stage.name == name).unwrap()
}

/// Looks whether all queues are empty, the notifier's included: then nothing can happen any more.
pub async fn nothing_left(cloud: &CloudTasks) -> Result<(), String> {
    for queue in testkit::chain::queues(&STAGES) {
        let left = cloud.list_tasks(&queue, 10).await;
        let left = left.map_err(|error| error.to_string())?;
        if !left.is_empty() {
            return Err(format!("{} tasks on {queue}", left.len()));
        }
    }
    Ok(())
}

/// Makes the queues. Each stage's pushes go to its address in `targets`, at most `at_once` at once.
pub async fn create_queues(cloud: &CloudTasks, targets: &[SocketAddr], at_once: i32) {
    let settings = QueueSettings {
        max_concurrent_dispatches: Some(at_once),
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(100)),
        ..QueueSettings::default()
    };
    testkit::chain::create_queues(cloud, &STAGES, targets, &settings).await;
}

/// Puts a task on the first stage, as a producer does.
pub async fn send(cloud: &CloudTasks, id: &str, body: &str) {
    let queue = STAGES[0].queue();
    let task = testkit::task(&queue, id, body);
    cloud.create_task(&queue, &task).await.unwrap();
}

pub fn worker(stage: &Stage, addrs: [SocketAddr; 2], upstreams: Upstreams) -> Command {
    testkit::chain::worker(&binary("executor-worker"), &STAGES, stage, addrs, upstreams)
}
