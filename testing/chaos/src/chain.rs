//! The chain under test: three stages, their queues, and the environment of their workers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{Address, CloudTasks, HttpTarget, QueuePath, QueueSettings, Scheme};
use http::HeaderMap;
use testkit::server::text;

#[derive(Debug)]
pub struct Stage {
    /// Its place, from 0.
    pub index: usize,
    pub name: &'static str,
    queue: &'static str,
    /// N.
    pub attempts: u8,
}

pub const STAGES: [Stage; 3] = [
    Stage {
        index: 0,
        name: "fast",
        queue: "incoming",
        attempts: 3,
    },
    Stage {
        index: 1,
        name: "slow",
        queue: "incoming-2",
        attempts: 2,
    },
    Stage {
        index: 2,
        name: "last",
        queue: "incoming-3",
        attempts: 1,
    },
];

pub const HANDLER_TIMEOUT: Duration = Duration::from_secs(1);
const NOTIFIER: &str = "notifier";

#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The way to Cloud Tasks, as workers see it.
    pub cloud_tasks: SocketAddr,
    pub client: SocketAddr,
}

impl Stage {
    pub fn named(name: &str) -> Option<&'static Self> {
        STAGES.iter().find(|stage| stage.name == name)
    }

    pub fn queue(&self) -> QueuePath {
        queue(self.queue)
    }
}

pub fn queues() -> Vec<QueuePath> {
    let stages = STAGES.iter().map(Stage::queue);
    stages.chain([queue(NOTIFIER)]).collect()
}

fn queue(id: &str) -> QueuePath {
    format!("projects/chaos/locations/here/queues/{id}")
        .parse()
        .expect("these ids are legal")
}

pub async fn create_queues(cloud: &CloudTasks, balancers: &[SocketAddr]) -> anyhow::Result<()> {
    let mut settings = QueueSettings {
        max_dispatches_per_second: Some(300.0),
        max_concurrent_dispatches: Some(50),
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(100)),
        max_backoff: Some(Duration::from_millis(800)),
        max_doublings: Some(3),
        ..QueueSettings::default()
    };
    cloud.create_queue(&queue(NOTIFIER), &settings).await?;
    for (stage, to) in STAGES.iter().zip(balancers) {
        settings.http_target = Some(HttpTarget {
            address: Some(Address {
                scheme: Scheme::Http,
                host: to.ip().to_string(),
                port: to.port(),
            }),
            ..HttpTarget::default()
        });
        cloud.create_queue(&stage.queue(), &settings).await?;
    }
    Ok(())
}

/// A worker of the stage, told what the operator would tell it.
pub fn worker(
    program: &Path,
    stage: &Stage,
    listen: SocketAddr,
    handler: SocketAddr,
    addresses: Addresses,
) -> Command {
    let lookup: Vec<String> = STAGES
        .iter()
        .map(|stage| stage.queue().to_string())
        .collect();
    let downstream = STAGES
        .get(stage.index + 1)
        .map(|next| next.queue().to_string());
    let mut command = Command::new(program);
    command.envs([
        ("CHAIN", "chaos".to_owned()),
        ("STAGE", stage.name.to_owned()),
        ("QUEUE", stage.queue().to_string()),
        ("DOWNSTREAM_QUEUE", downstream.unwrap_or_default()),
        ("LOOKUP_QUEUES", lookup.join(",")),
        ("MAX_ATTEMPTS", stage.attempts.to_string()),
        ("NOTIFIER_QUEUE", queue(NOTIFIER).to_string()),
        ("NOTIFIER_URL", format!("http://{}/ends", addresses.client)),
        ("HANDLER_URL", format!("http://{handler}")),
        (
            "HANDLER_TIMEOUT",
            format!("{}ms", HANDLER_TIMEOUT.as_millis()),
        ),
        ("LISTEN_ADDR", listen.to_string()),
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        (
            "CLOUD_TASKS_EMULATOR_HOST",
            addresses.cloud_tasks.to_string(),
        ),
        ("RUST_LOG", "error".to_owned()),
    ]);
    command
}

/// What the ids of tasks begin with; their numbers follow.
pub const PREFIX: &str = "t-";

pub fn task_id(number: usize) -> String {
    format!("{PREFIX}{number}")
}

/// The id of the task as it was sent, of whichever stage's push.
pub fn first_task(push: &HeaderMap) -> String {
    serde_json::from_str::<serde_json::Value>(text(push, "executor-ledger"))
        .ok()
        .and_then(|ledger| Some(ledger.get("task")?.as_str()?.to_owned()))
        .unwrap_or_else(|| text(push, "x-cloudtasks-taskname").to_owned())
}

pub fn task_number(id: &str) -> Option<usize> {
    oracle::task_number(id, PREFIX)
}
