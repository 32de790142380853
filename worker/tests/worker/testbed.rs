//! What a test starts: an emulator, workers, queues that push to them, and a receiver of notifications.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use cloudtasks::{CloudTasks, Method, NewTask, QueueSettings, TaskInfo};
use executor_worker::{Config, ConfigError, RunningWorker};
use jiff::Timestamp;
use testkit::chain::http_target;
pub use testkit::chain::queue;
use testkit::{Emulator, Receiver, Recorded, eventually};

use crate::pushes::send;

/// Far more than anything here takes, on a slow machine too.
pub const SOON: Duration = Duration::from_secs(30);

/// The next stage of a worker that has one.
pub const DOWNSTREAM: (&str, &str) = (
    "DOWNSTREAM_QUEUE",
    "projects/p/locations/l/queues/incoming-2",
);
pub const ONE_ATTEMPT: (&str, &str) = ("MAX_ATTEMPTS", "1");

/// The variables of a stage `fast` on the queue `incoming`, with `more` over them.
pub fn config(more: &[(&str, &str)]) -> Config {
    parse(more).unwrap()
}

/// What the worker makes of these variables.
pub fn parse(more: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut vars: HashMap<String, String> = [
        ("CHAIN", "orders"),
        ("STAGE", "fast"),
        ("QUEUE", "projects/p/locations/l/queues/incoming"),
        ("MAX_ATTEMPTS", "3"),
        ("NOTIFIER_QUEUE", "projects/p/locations/l/queues/notifier"),
        ("NOTIFIER_URL", "http://127.0.0.1:9/events"),
        ("HANDLER_URL", "http://127.0.0.1:9"),
        ("LISTEN_ADDR", "127.0.0.1:0"),
        ("ADMIN_ADDR", "127.0.0.1:0"),
    ]
    .iter()
    .chain(more)
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    vars.retain(|_, value| value != "-");
    Config::from_vars(&|name| vars.get(name).cloned())
}

pub async fn is_ready(worker: &RunningWorker) {
    eventually("readiness", SOON, async || worker.is_ready()).await;
}

/// A testbed, and a worker before this handler, which no queue pushes to yet.
pub async fn started(
    handler: Receiver,
    vars: &[(&str, &str)],
) -> (Testbed, Receiver, RunningWorker) {
    let testbed = Testbed::new().await;
    let worker = testbed.worker(&handler, vars).await;
    (testbed, handler, worker)
}

/// An emulator, and the client's end of the notifier queue.
pub struct Testbed {
    pub emulator: Emulator,
    pub cloud: CloudTasks,
    pub client: Receiver,
}

impl Testbed {
    pub async fn new() -> Self {
        let emulator = Emulator::start().await;
        let cloud = emulator.cloud_tasks().await;
        let client = Receiver::answering(200);
        let testbed = Self {
            emulator,
            cloud,
            client,
        };
        testbed.create_queue("notifier", &settings()).await;
        testbed
    }

    /// A worker of this testbed's, which no queue pushes to yet.
    pub async fn worker(&self, handler: &Receiver, more: &[(&str, &str)]) -> RunningWorker {
        let emulator = self.emulator.addr().to_string();
        let (events, handler) = (self.client.url("/events"), handler.url(""));
        let mut vars = vec![
            ("CLOUD_TASKS_EMULATOR_HOST", emulator.as_str()),
            ("NOTIFIER_URL", events.as_str()),
            ("HANDLER_URL", handler.as_str()),
        ];
        vars.extend(more);
        let worker = executor_worker::start(config(&vars)).await.unwrap();
        is_ready(&worker).await;
        worker
    }

    pub async fn create_queue(&self, id: &str, settings: &QueueSettings) {
        let created = self.cloud.create_queue(&queue(id), settings).await;
        created.unwrap();
    }

    pub async fn queue(&self, id: &str, to: SocketAddr) {
        self.create_queue(id, &pushing(to)).await;
    }

    /// A queue that pushes to `to`, and tries again at once.
    pub async fn eager_queue(&self, id: &str, to: SocketAddr) {
        let settings = QueueSettings {
            min_backoff: Some(Duration::from_millis(1)),
            max_backoff: Some(Duration::from_millis(5)),
            ..pushing(to)
        };
        self.create_queue(id, &settings).await;
    }

    pub async fn paused_queue(&self, id: &str) {
        self.create_queue(id, &settings()).await;
        self.cloud.pause_queue(&queue(id)).await.unwrap();
    }

    /// The tasks in a queue.
    pub async fn tasks(&self, id: &str) -> Vec<TaskInfo> {
        self.cloud.list_tasks(&queue(id), 1000).await.unwrap()
    }

    /// Sends a task by the queue `incoming`, which pushes to `to`, and waits for its end.
    pub async fn run(&self, to: SocketAddr, headers: &[(&str, &str)]) -> serde_json::Value {
        self.queue("incoming", to).await;
        self.send("order-1", Method::Post, headers, b"{}").await;
        self.end(&["incoming"]).await
    }

    pub async fn send(&self, id: &str, method: Method, headers: &[(&str, &str)], body: &[u8]) {
        let task = NewTask {
            path: Some(queue("incoming").task(id.parse().unwrap())),
            url: "http://producer.example/orders?id=7&x=%20".into(),
            method,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            body: body.to_vec(),
            dispatch_deadline: None,
            schedule_time: None,
            oidc_token: None,
        };
        self.cloud
            .create_task(&queue("incoming"), &task)
            .await
            .unwrap();
    }

    /// Creates a task on the queue `incoming` that is due at `time`.
    pub async fn schedule(&self, id: &str, time: Timestamp) {
        let task = serde_json::json!({"task": {
            "name": queue("incoming").task(id.parse().unwrap()).to_string(),
            "scheduleTime": time.to_string(),
            "httpRequest": {"url": "http://producer.example/", "httpMethod": "POST"},
        }});
        let path = format!("/v2/{}/tasks", queue("incoming"));
        self.rest(&path, &task).await;
    }

    /// Has a task of the queue `incoming` dispatched now, whenever it is due.
    pub async fn run_now(&self, id: &str) {
        let task = queue("incoming").task(id.parse().unwrap());
        let path = format!("/v2/{task}:run");
        self.rest(&path, &serde_json::json!({})).await;
    }

    /// What [`CloudTasks`] can't do.
    async fn rest(&self, path: &str, body: &serde_json::Value) {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let body = Bytes::from(body.to_string());
        let (status, said) = send(self.emulator.addr(), "POST", path, &headers, body).await;
        assert_eq!(status, 200, "{said:?}");
    }

    /// Waits until the client is notified of an end, and all queues are empty.
    pub async fn end(&self, queues: &[&str]) -> serde_json::Value {
        let events = eventually("the end of the task", SOON, async || {
            let events = self.client.requests();
            for id in queues.iter().chain(&["notifier"]) {
                let left = self.tasks(id).await;
                if !left.is_empty() {
                    return Err(format!("{} tasks on {id}", left.len()));
                }
            }
            let has_ended = !events.is_empty();
            has_ended.then_some(events).ok_or("no event".to_owned())
        })
        .await;
        assert_eq!(events.len(), 1, "one end, one event");
        event(&events[0])
    }
}

pub fn event(request: &Recorded) -> serde_json::Value {
    assert_eq!(
        request.header("content-type"),
        "application/cloudevents+json; charset=utf-8"
    );
    let event: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["source"], "/chains/orders");
    event
}

fn pushing(to: SocketAddr) -> QueueSettings {
    QueueSettings {
        http_target: Some(http_target(to)),
        ..settings()
    }
}

fn settings() -> QueueSettings {
    QueueSettings {
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(100)),
        ..QueueSettings::default()
    }
}
