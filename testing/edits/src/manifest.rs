//! A chain's manifest as rows edit it: its head, and a line for each stage.

use std::net::SocketAddr;

use cloudtasks::QueuePath;
use crds::ExecutorChain;

/// The chain's name.
pub const CHAIN: &str = "orders";
const PLACE: &str = "projects/demo/locations/europe-west1";

const HEAD: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  deletionPolicy: Retain
  driftPolicy: Enforce
  drainDelay: 1s
  notifier: {queue: ends, url: 'http://RECEIVER/ends'}
  template: {metadata: {annotations: {version: '1'}}, spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:";

/// Slow enough that tasks are under way for as long as an edit takes.
const STAGES: [&str; 3] = [
    "{name: fast, queue: incoming, maxAttempts: 2, replicas: 2, rateLimits: {maxDispatchesPerSecond: 120, maxConcurrentDispatches: 20}, backoff: {min: 100ms, max: 400ms}}",
    "{name: middle, queue: incoming-2, maxAttempts: 2, replicas: 1, rateLimits: {maxDispatchesPerSecond: 80, maxConcurrentDispatches: 20}, backoff: {min: 100ms, max: 400ms}}",
    "{name: slow, queue: incoming-3, maxAttempts: 1, replicas: 1, rateLimits: {maxDispatchesPerSecond: 60, maxConcurrentDispatches: 20}, backoff: {min: 100ms, max: 400ms}}",
];

/// A manifest. An edit that finds nothing to edit panics: its row would try nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    head: String,
    stages: Vec<String>,
}

impl Manifest {
    /// The chain that every row begins with.
    pub fn base() -> Self {
        Self {
            head: HEAD.to_owned(),
            stages: STAGES.map(str::to_owned).to_vec(),
        }
    }

    /// Other words above the stages.
    pub fn head(mut self, from: &str, to: &str) -> Self {
        self.head = replaced(&self.head, from, to);
        self
    }

    /// Other words in the stage at `place`.
    pub fn stage(mut self, place: usize, from: &str, to: &str) -> Self {
        self.stages[place] = replaced(&self.stages[place], from, to);
        self
    }

    /// One stage more, before the one at `place`.
    pub fn insert(mut self, place: usize, name: &str, queue: &str) -> Self {
        let stage = STAGES[1]
            .replace("name: middle", &format!("name: {name}"))
            .replace("queue: incoming-2", &format!("queue: {queue}"));
        self.stages.insert(place, stage);
        self
    }

    /// Without the stage at `place`.
    pub fn remove(mut self, place: usize) -> Self {
        self.stages.remove(place);
        self
    }

    /// Two stages in each other's place.
    pub fn swap(mut self, one: usize, other: usize) -> Self {
        self.stages.swap(one, other);
        self
    }

    /// The stages' queues, in order.
    pub fn queues(&self) -> Vec<QueuePath> {
        let ids = self.stages.iter().map(|stage| {
            let rest = stage.split("queue: ").nth(1).unwrap_or_default();
            rest.split(',').next().unwrap_or_default()
        });
        ids.map(queue).collect()
    }

    /// The chain that it describes.
    pub fn chain(&self, receiver: SocketAddr) -> anyhow::Result<ExecutorChain> {
        Ok(serde_saphyr::from_str(&self.yaml(receiver))?)
    }

    /// As it is applied.
    pub fn yaml(&self, receiver: SocketAddr) -> String {
        let stages = self.stages.iter().map(|stage| format!("  - {stage}"));
        let lines: Vec<String> = [self.head.replace("RECEIVER", &receiver.to_string())]
            .into_iter()
            .chain(stages)
            .collect();
        lines.join("\n") + "\n"
    }
}

/// A queue by its id.
pub fn queue(id: &str) -> QueuePath {
    let path = format!("{PLACE}/queues/{id}");
    path.parse().expect("the rows' ids are legal")
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no {from} in {text}");
    text.replace(from, to)
}
