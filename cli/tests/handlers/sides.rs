//! The two sides: the bare emulator, and `dev`.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Process, Receiver, binary, free_port};

use crate::rest::{self, PARENT, QUEUE};
use crate::row::{Course, End, Row, Settings};
use crate::server::{self, Log, Request};

/// How long all rows may take. A row that has not ended then is reported with what it has seen.
const LIMIT: Duration = Duration::from_secs(20);
/// The attempts of the bare queue, and of the two stages together.
pub const ATTEMPTS: usize = 4;

/// What a row's handler has seen, and how its task ended.
#[derive(Debug)]
pub struct Seen {
    pub requests: Vec<Request>,
    pub end: Option<End>,
    /// The notification's data.
    pub event: Value,
}

/// Looks until it is so, or the limit is over.
fn until(mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn requests(log: &Log, row: &Row) -> Vec<Request> {
    log.lock()
        .unwrap()
        .get(row.name)
        .cloned()
        .unwrap_or_default()
}

/// Whether a row's handler has had its requests, and all answers are written or given up.
fn is_answered(log: &Log, row: &Row, course: Course) -> bool {
    let requests = requests(log, row);
    requests.len() >= course.requests && requests.iter().all(|it| it.answered.is_some())
}

fn serve(rows: &[&Row], cloud_tasks: SocketAddr) -> (SocketAddr, Log) {
    let handlers = rows.iter().map(|row| (row.name.to_owned(), row.handler));
    server::serve(handlers.collect(), cloud_tasks)
}

/// The emulator alone pushes to the handlers.
pub struct Bare<'a> {
    rows: Vec<&'a Row>,
    emulator: SocketAddr,
    log: Log,
    _process: Process,
}

impl<'a> Bare<'a> {
    pub fn start(rows: &'a [Row]) -> Self {
        let emulator = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new(binary("executor-chain"));
        command.args(["emulator", "--listen", &emulator.to_string()]);
        let process = Process::spawn_unlogged(&command);
        let queue = json!({
            "name": format!("{PARENT}/queues/{QUEUE}"),
            "retryConfig": {"maxAttempts": ATTEMPTS, "minBackoff": "0.010s", "maxBackoff": "0.050s"},
        });
        let path = format!("{PARENT}/queues");
        let is_created =
            || rest::call(emulator, "POST", &path, &queue).is_ok_and(|(status, _)| status == 200);
        assert!(until(is_created), "the emulator has no queue");
        let rows: Vec<&Row> = rows.iter().collect();
        let (handler, log) = serve(&rows, emulator);
        for row in &rows {
            rest::create_task(emulator, row.name, row.name, &row.task, handler.port());
        }
        Self {
            rows,
            emulator,
            log,
            _process: process,
        }
    }

    pub fn wait(&self) {
        let mut rows = self.rows.clone();
        until(|| {
            rows.retain(|row| {
                rest::has_task(self.emulator, row.name) || !is_answered(&self.log, row, row.course)
            });
            rows.is_empty()
        });
    }

    pub fn seen(&self, row: &Row) -> Seen {
        let requests = requests(&self.log, row);
        // Cloud Tasks tells nobody how a task ends. It ends before its attempts are over only by a
        // success, and no row succeeds on its last attempt.
        let retries = requests
            .iter()
            .filter_map(|request| request.header("x-cloudtasks-taskretrycount")?.parse().ok());
        let is_last = retries.max() == Some(ATTEMPTS - 1);
        let ended = !rest::has_task(self.emulator, row.name);
        let end = if is_last { End::Failed } else { End::Succeeded };
        Seen {
            requests,
            end: ended.then_some(end),
            event: Value::Null,
        }
    }
}

/// A chain of two stages pushes to the handlers.
pub struct Dev<'a> {
    pub rows: Vec<&'a Row>,
    listen: SocketAddr,
    handler: SocketAddr,
    log: Log,
    client: Receiver,
    process: Process,
    _folder: TempDir,
}

impl<'a> Dev<'a> {
    /// Starts a chain with these settings.
    pub fn spawn(settings: Settings, rows: Vec<&'a Row>) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (handler, log) = serve(&rows, listen);
        let client = Receiver::answering(200);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chain.yaml");
        std::fs::write(&file, manifest(settings, &client.url("/"))).unwrap();
        let mut command = Command::new(binary("executor-chain"));
        command
            .arg("dev")
            .arg(&file)
            .args(["--listen", &listen.to_string()])
            .args(["--handler", &format!("http://{handler}")]);
        Self {
            rows,
            listen,
            handler,
            log,
            client,
            process: Process::spawn(&command),
            _folder: folder,
        }
    }

    /// Creates the tasks when the chain runs, or says why it doesn't.
    pub fn send(&self) -> Result<(), String> {
        let runs = || self.process.log().contains("tasks are run by");
        until(|| runs() || self.process.exit_code().is_some());
        if !runs() {
            return Err(self.process.log_tail());
        }
        for row in &self.rows {
            rest::create_task(
                self.listen,
                row.name,
                row.name,
                &row.task,
                self.handler.port(),
            );
        }
        Ok(())
    }

    pub fn wait(&self) {
        let mut rows = self.rows.clone();
        until(|| {
            rows.retain(|row| {
                self.event(row).is_none() || !is_answered(&self.log, row, row.course_in_chain())
            });
            rows.is_empty()
        });
    }

    pub fn seen(&self, row: &Row) -> Seen {
        let event = self.event(row);
        let end = event.as_ref().map(|event| match event["outcome"].as_str() {
            Some("Succeeded") => End::Succeeded,
            _ => End::Failed,
        });
        Seen {
            requests: requests(&self.log, row),
            end,
            event: event.unwrap_or_default(),
        }
    }

    fn event(&self, row: &Row) -> Option<Value> {
        self.client.requests().iter().find_map(|request| {
            let mut event: Value = serde_json::from_slice(&request.body).ok()?;
            (event["subject"] == row.name).then(|| event["data"].take())
        })
    }
}

fn manifest(settings: Settings, client: &str) -> String {
    let Settings { spec, handler } = settings;
    let stage = |name: &str, queue: &str| {
        format!(
            "  - {{name: {name}, queue: {queue}, maxAttempts: 2, backoff: {{min: 10ms, max: 50ms}}, handler: {handler}}}\n"
        )
    };
    let (one, two) = (stage("one", QUEUE), stage("two", "incoming-2"));
    format!(
        "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {{name: handlers}}
spec:
  project: demo
  location: europe-west1
  notifier: {{queue: handlers-notifier, url: '{client}'}}
  template: {{spec: {{containers: [{{name: handler, image: 'shop:1'}}]}}}}
  {spec}
  stages:
{one}{two}"
    )
}
