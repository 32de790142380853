//! A chain of three workers without an operator: its stages, its queues, and a worker's environment.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use cloudtasks::{Address, CloudTasks, HttpTarget, QueuePath, QueueSettings, Scheme};

const NOTIFIER: &str = "notifier";

/// A stage.
#[derive(Debug)]
pub struct Stage {
    /// Its index, from 0.
    pub index: usize,
    /// Its name.
    pub name: &'static str,
    queue: &'static str,
    /// N: how often the handler runs.
    pub attempts: u8,
}

impl Stage {
    const fn new(index: usize, name: &'static str, queue: &'static str, attempts: u8) -> Self {
        Self {
            index,
            name,
            queue,
            attempts,
        }
    }

    /// Its queue.
    pub fn queue(&self) -> QueuePath {
        queue(self.queue)
    }
}

/// The stages, with these attempts.
pub const fn stages([fast, slow, last]: [u8; 3]) -> [Stage; 3] {
    [
        Stage::new(0, "fast", "incoming", fast),
        Stage::new(1, "slow", "incoming-2", slow),
        Stage::new(2, "last", "incoming-3", last),
    ]
}

/// A queue by its id.
pub fn queue(id: &str) -> QueuePath {
    let path = format!("projects/p/locations/l/queues/{id}");
    path.parse().expect("a legal id")
}

/// The queues of the stages, and the notifier's.
pub fn queues(stages: &[Stage]) -> Vec<QueuePath> {
    let own = stages.iter().map(Stage::queue);
    own.chain([queue(NOTIFIER)]).collect()
}

/// The queue that keeps what the workers park.
pub fn parking_queue() -> QueuePath {
    queue("parked")
}

/// Creates the parking queue, and pauses it.
pub async fn create_parking_queue(cloud: &CloudTasks) {
    let queue = parking_queue();
    let created = cloud.create_queue(&queue, &QueueSettings::default()).await;
    created.unwrap_or_else(|error| panic!("creating {queue}: {error}"));
    let paused = cloud.pause_queue(&queue).await;
    paused.unwrap_or_else(|error| panic!("pausing {queue}: {error}"));
}

/// Has a worker park in the parking queue.
pub fn parks(worker: &mut Command) {
    worker.env("PARKING_QUEUE", parking_queue().to_string());
}

/// The target of a queue whose pushes go to this address.
pub fn http_target(to: SocketAddr) -> HttpTarget {
    HttpTarget {
        address: Some(Address {
            scheme: Scheme::Http,
            host: to.ip().to_string(),
            port: to.port(),
        }),
        ..HttpTarget::default()
    }
}

/// Creates the queues with these settings. The pushes of each stage go to its address in `targets`.
pub async fn create_queues(
    cloud: &CloudTasks,
    stages: &[Stage],
    targets: &[SocketAddr],
    settings: &QueueSettings,
) {
    let own = stages.iter().zip(targets);
    let own = own.map(|(stage, to)| (stage.queue(), Some(http_target(*to))));
    for (queue, http_target) in own.chain([(queue(NOTIFIER), None)]) {
        let settings = QueueSettings {
            http_target,
            ..settings.clone()
        };
        let created = cloud.create_queue(&queue, &settings).await;
        created.unwrap_or_else(|error| panic!("creating {queue}: {error}"));
    }
}

/// The servers that a worker calls.
#[derive(Debug, Clone, Copy)]
pub struct Upstreams {
    /// Cloud Tasks.
    pub cloud_tasks: SocketAddr,
    /// The stage's handler.
    pub handler: SocketAddr,
    /// The receiver of notifications.
    pub client: SocketAddr,
}

/// A worker of the stage, with the environment that the operator would write.
pub fn worker(
    program: &Path,
    stages: &[Stage],
    stage: &Stage,
    [listen, admin]: [SocketAddr; 2],
    upstreams: Upstreams,
) -> Command {
    let path = |stage: &Stage| stage.queue().to_string();
    let lookup: Vec<String> = stages.iter().map(path).collect();
    let downstream = stages.get(stage.index + 1).map(path);
    let mut command = Command::new(program);
    command.envs([
        ("CHAIN", "orders".to_owned()),
        ("STAGE", stage.name.to_owned()),
        ("QUEUE", path(stage)),
        ("DOWNSTREAM_QUEUE", downstream.unwrap_or_default()),
        ("LOOKUP_QUEUES", lookup.join(",")),
        ("MAX_ATTEMPTS", stage.attempts.to_string()),
        ("NOTIFIER_QUEUE", queue(NOTIFIER).to_string()),
        ("NOTIFIER_URL", format!("http://{}/ends", upstreams.client)),
        ("HANDLER_URL", format!("http://{}", upstreams.handler)),
        ("LISTEN_ADDR", listen.to_string()),
        ("ADMIN_ADDR", admin.to_string()),
        (
            "CLOUD_TASKS_EMULATOR_HOST",
            upstreams.cloud_tasks.to_string(),
        ),
        ("RUST_LOG", "error".to_owned()),
    ]);
    command
}
