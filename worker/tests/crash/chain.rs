//! The chain under test: three stages, their queues, and the environment of their workers.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{Address, CloudTasks, HttpTarget, QueuePath, QueueSettings, Scheme};
use testkit::binary;

#[derive(Debug)]
pub struct Stage {
    /// Its place, from 0.
    pub index: usize,
    pub name: &'static str,
    queue: &'static str,
    /// N: how often the handler runs.
    pub attempts: u32,
}

/// The first and the last stage have attempts left after a failure, the middle one never.
pub const STAGES: [Stage; 3] = [
    Stage {
        index: 0,
        name: "fast",
        queue: "incoming",
        attempts: 2,
    },
    Stage {
        index: 1,
        name: "slow",
        queue: "incoming-2",
        attempts: 1,
    },
    Stage {
        index: 2,
        name: "last",
        queue: "incoming-3",
        attempts: 2,
    },
];
const NOTIFIER: &str = "notifier";

impl Stage {
    pub fn named(name: &str) -> &'static Self {
        STAGES.iter().find(|stage| stage.name == name).unwrap()
    }

    pub fn queue(&self) -> QueuePath {
        queue(self.queue)
    }
}

/// Looks whether all queues are empty, the notifier's included: then nothing can happen any more.
pub async fn nothing_left(cloud: &CloudTasks) -> Result<(), String> {
    for queue in STAGES.iter().map(Stage::queue).chain([queue(NOTIFIER)]) {
        let left = cloud.list_tasks(&queue, 10).await;
        let left = left.map_err(|error| error.to_string())?;
        if !left.is_empty() {
            return Err(format!("{} tasks on {queue}", left.len()));
        }
    }
    Ok(())
}

fn queue(id: &str) -> QueuePath {
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

/// Makes the queues. Each stage's pushes go to its place in `targets`, at most `at_once` at once.
pub async fn create_queues(cloud: &CloudTasks, targets: [SocketAddr; 3], at_once: i32) {
    let settings = QueueSettings {
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(100)),
        ..QueueSettings::default()
    };
    cloud
        .create_queue(&queue(NOTIFIER), &settings)
        .await
        .unwrap();
    for (stage, to) in STAGES.iter().zip(targets) {
        let address = Address {
            scheme: Scheme::Http,
            host: to.ip().to_string(),
            port: to.port(),
        };
        let settings = QueueSettings {
            max_concurrent_dispatches: Some(at_once),
            http_target: Some(HttpTarget {
                address: Some(address),
                ..HttpTarget::default()
            }),
            ..settings.clone()
        };
        cloud.create_queue(&stage.queue(), &settings).await.unwrap();
    }
}

/// Puts a task on the first stage, as a producer does.
pub async fn send(cloud: &CloudTasks, id: &str, body: &str) {
    let queue = STAGES[0].queue();
    let task = testkit::task(&queue, id, body);
    cloud.create_task(&queue, &task).await.unwrap();
}

/// What a worker needs to know of its surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub cloud_tasks: SocketAddr,
    pub handler: String,
    pub client: String,
}

/// A worker of the stage, with the environment that the operator would write.
pub fn worker(stage: &Stage, listen: SocketAddr, admin: SocketAddr, at: &Surroundings) -> Command {
    let lookup: Vec<String> = STAGES.iter().map(|s| s.queue().to_string()).collect();
    let downstream = STAGES.get(stage.index + 1).map(|s| s.queue().to_string());
    let mut command = Command::new(binary("executor-worker"));
    command.envs([
        ("CHAIN", "crash".to_owned()),
        ("STAGE", stage.name.to_owned()),
        ("QUEUE", stage.queue().to_string()),
        ("DOWNSTREAM_QUEUE", downstream.unwrap_or_default()),
        ("LOOKUP_QUEUES", lookup.join(",")),
        ("MAX_ATTEMPTS", stage.attempts.to_string()),
        ("NOTIFIER_QUEUE", queue(NOTIFIER).to_string()),
        ("NOTIFIER_URL", at.client.clone()),
        ("HANDLER_URL", at.handler.clone()),
        ("LISTEN_ADDR", listen.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        ("CLOUD_TASKS_EMULATOR_HOST", at.cloud_tasks.to_string()),
        ("RUST_LOG", "error".to_owned()),
    ]);
    command
}
