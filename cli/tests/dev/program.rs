//! The program under test, with a manifest in a folder of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint, QueuePath};
use tempfile::TempDir;
use testkit::{Process, Receiver, binary, eventually, free_port};

pub const SOON: Duration = Duration::from_secs(30);

/// Two stages, with backoffs that a test can wait for.
pub const ORDERS: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 400}, backoff: {min: 10ms, max: 50ms}}
  - {name: slow, queue: incoming-2, maxAttempts: 2, backoff: {min: 10ms, max: 50ms}}
";

/// The orders, with notifications to this receiver.
pub fn notifying(receiver: &Receiver) -> String {
    let url = receiver.url("/events");
    ORDERS.replace("https://api.example.com/task-events", &url)
}

pub struct Dev {
    pub process: Process,
    pub listen: String,
    pub manifest: PathBuf,
    _folder: TempDir,
}

impl Dev {
    pub async fn start(manifest: &str, options: &[&str]) -> Self {
        let dev = Self::spawn(manifest, options);
        dev.says("tasks are run ").await;
        dev
    }

    pub fn spawn(manifest: &str, options: &[&str]) -> Self {
        Self::spawn_on(&format!("127.0.0.1:{}", free_port()), manifest, options)
    }

    pub fn spawn_on(listen: &str, manifest: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.yaml");
        std::fs::write(&path, manifest).unwrap();
        let listen = listen.to_owned();
        let mut command = Command::new(binary("executor-chain"));
        command
            .arg("dev")
            .arg(&path)
            .args(["--listen", &listen])
            .args(options);
        let process = Process::spawn(&command);
        Self {
            process,
            listen,
            manifest: path,
            _folder: folder,
        }
    }

    /// Replaces the manifest, as an editor does: at once.
    pub fn edit(&self, manifest: &str) {
        let new = self.manifest.with_extension("new");
        std::fs::write(&new, manifest).unwrap();
        std::fs::rename(new, &self.manifest).unwrap();
    }

    pub async fn says(&self, text: &str) {
        eventually(&format!("the words {text:?}"), SOON, async || {
            let log = self.process.log();
            (log.contains(text), log)
        })
        .await;
    }

    pub async fn queues(&self) -> CloudTasks {
        CloudTasks::connect(&Endpoint::Emulator(self.listen.clone()))
            .await
            .unwrap()
    }

    /// Runs `executor-chain send` on its manifest, to the end.
    pub async fn send(&self, options: &[&str]) -> (i32, String) {
        let mut command = Command::new(binary("executor-chain"));
        command
            .arg("send")
            .arg(&self.manifest)
            .args(["--to", &self.listen])
            .args(options);
        let process = Process::spawn(&command);
        let code = process.exit(SOON).await;
        (code, process.log())
    }
}

pub fn queue(id: &str) -> QueuePath {
    format!("projects/demo/locations/europe-west1/queues/{id}")
        .parse()
        .unwrap()
}
