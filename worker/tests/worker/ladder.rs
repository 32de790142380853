//! A ladder of stages on an emulator: workers, queues that push to them, a client who listens.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use cloudtasks::{
    Address, CloudTasks, HttpTarget, Method, NewTask, QueuePath, QueueSettings, Scheme,
};
use executor_worker::{Config, RunningWorker};
use testkit::{Emulator, Receiver, Recorded, eventually};

/// Far more than anything here takes, on a slow machine too.
pub const SOON: Duration = Duration::from_secs(30);

pub fn queue(id: &str) -> QueuePath {
    format!("projects/p/locations/l/queues/{id}")
        .parse()
        .unwrap()
}

/// The variables of a stage `fast` on the queue `incoming`, with `more` over them.
pub fn config(more: &[(&str, &str)]) -> Config {
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
    Config::from_vars(&|name| vars.get(name).cloned()).unwrap()
}

pub async fn worker(config: Config) -> RunningWorker {
    let worker = executor_worker::start(config).await.unwrap();
    eventually("the worker's readiness", SOON, async || {
        worker.is_ready().then_some(())
    })
    .await;
    worker
}

/// An emulator, and the client's end of the notifier queue.
pub struct Ladder {
    pub emulator: Emulator,
    pub cloud: CloudTasks,
    pub client: Receiver,
}

impl Ladder {
    pub async fn new() -> Self {
        let emulator = Emulator::start().await;
        let cloud = emulator.cloud_tasks().await;
        let client = Receiver::answering(200);
        cloud
            .create_queue(&queue("notifier"), &settings(None))
            .await
            .unwrap();
        Self {
            emulator,
            cloud,
            client,
        }
    }

    /// A worker of this ladder's, which no queue pushes to yet.
    pub async fn worker(&self, handler: &Receiver, more: &[(&str, &str)]) -> RunningWorker {
        let emulator = self.emulator.addr().to_string();
        let (events, handler) = (self.client.url("/events"), handler.url(""));
        let mut vars = vec![
            ("CLOUD_TASKS_EMULATOR_HOST", emulator.as_str()),
            ("NOTIFIER_URL", events.as_str()),
            ("HANDLER_URL", handler.as_str()),
        ];
        vars.extend(more);
        worker(config(&vars)).await
    }

    pub async fn queue(&self, id: &str, to: SocketAddr) {
        self.cloud
            .create_queue(&queue(id), &settings(Some(to)))
            .await
            .unwrap();
    }

    /// A queue that pushes to `to`, and tries again at once.
    pub async fn eager_queue(&self, id: &str, to: SocketAddr) {
        let settings = QueueSettings {
            min_backoff: Some(Duration::from_millis(1)),
            max_backoff: Some(Duration::from_millis(5)),
            ..settings(Some(to))
        };
        self.cloud
            .create_queue(&queue(id), &settings)
            .await
            .unwrap();
    }

    pub async fn paused_queue(&self, id: &str) {
        self.cloud
            .create_queue(&queue(id), &settings(None))
            .await
            .unwrap();
        self.cloud.pause_queue(&queue(id)).await.unwrap();
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
        };
        self.cloud
            .create_task(&queue("incoming"), &task)
            .await
            .unwrap();
    }

    /// Waits until the client is notified of an end, and all queues are empty.
    pub async fn end(&self, queues: &[&str]) -> serde_json::Value {
        let events = eventually("the end of the task", SOON, async || {
            let events = self.client.requests();
            for id in queues.iter().chain(&["notifier"]) {
                let left = self
                    .cloud
                    .list_tasks(&queue(id), 10)
                    .await
                    .map_err(|e| e.to_string())?;
                if !left.is_empty() {
                    return Err(format!("{} tasks on {id}", left.len()));
                }
            }
            if events.is_empty() {
                Err("no event".to_owned())
            } else {
                Ok(events)
            }
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

fn settings(to: Option<SocketAddr>) -> QueueSettings {
    QueueSettings {
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(100)),
        http_target: to.map(|to| HttpTarget {
            address: Some(Address {
                scheme: Scheme::Http,
                host: to.ip().to_string(),
                port: to.port(),
            }),
            ..HttpTarget::default()
        }),
        ..QueueSettings::default()
    }
}
