//! What runs around the cluster: the emulator, the tracker of tasks, the client, and the clock.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint, Queue, QueuePath};
use oracle::{Script, Tracker};
use testkit::eventually;
use tokio::process::{Child, Command};

use crate::attempts::Attempts;
use crate::counts::Counts;
use crate::dispatches::Dispatches;
use crate::producer::Producer;
use crate::servers;
use crate::startup_times::StartupTimes;

/// What a person would wait for before he looks into it.
pub const SOON: Duration = Duration::from_mins(1);
/// Until what was put has ended: a task that fails for ever has six attempts, and after a kill some of
/// it waits for a backoff.
pub const ALL_END: Duration = Duration::from_mins(3);
const EMULATOR_PORT: u16 = 8123;

pub struct Harness {
    begin: Instant,
    pub emulator: SocketAddr,
    pub cloud_tasks: CloudTasks,
    pub tracker: Arc<Tracker>,
    pub attempts: Arc<Attempts>,
    /// What the handlers ask, and where notifications go.
    pub runs: SocketAddr,
    pub client: SocketAddr,
    pub startup_times: StartupTimes,
    dispatches: Dispatches,
    _emulating: Child,
}

impl Harness {
    pub async fn start(address: IpAddr, state: &Path) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let emulator = SocketAddr::new(address, EMULATOR_PORT);
        let log = state.join("log/emulator.log");
        let emulating = Command::new("target/debug/executor-chain")
            .args(["emulator", "--listen", &emulator.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("the emulator can't be started")?;
        let endpoint = Endpoint::Emulator(emulator.to_string());
        let cloud_tasks = eventually("an emulator", SOON, async || {
            CloudTasks::connect(&endpoint).await
        })
        .await;
        let tracker = Arc::new(Tracker::new(script));
        let attempts = Arc::new(Attempts::default());
        Ok(Self {
            begin,
            emulator,
            cloud_tasks,
            runs: servers::runs(address, tracker.clone(), attempts.clone()).await?,
            client: servers::client(address, tracker.clone(), attempts.clone()).await?,
            tracker,
            attempts,
            startup_times: StartupTimes::watch(),
            dispatches: Dispatches(log),
            _emulating: emulating,
        })
    }

    pub fn say(&self, what: impl std::fmt::Display) {
        println!("{:7.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    pub async fn begin(&self, rate: u32) -> anyhow::Result<Producer> {
        let emulator = self.emulator.to_string();
        let tracker = Arc::clone(&self.tracker);
        let created = move |task| tracker.created(task);
        let producer = Producer::start(&emulator, "incoming", rate, created)?;
        eventually("the first tasks' ends", SOON, async || {
            let found = self.tracker.results();
            let come_through = found.succeeded > 50 && found.failed > 3;
            (come_through, self.tracker.count())
        })
        .await;
        self.say(format!("tasks come through, {rate} a second"));
        Ok(producer)
    }

    pub async fn queue(&self, id: &str) -> anyhow::Result<Queue> {
        Ok(self.cloud_tasks.get_queue(&queue_path(id)?).await?)
    }

    /// Waits until so many more tasks were put and ended: what was done has to stand the load.
    pub async fn under_load(&self, tasks: usize) {
        let until = self.tracker.count() + tasks;
        eventually("tasks under way", SOON, async || {
            let found = self.tracker.results();
            let (created, ended) = (self.tracker.count(), found.succeeded + found.failed);
            (created >= until && ended + 200 >= until, (created, ended))
        })
        .await;
    }

    /// What has become of the tasks so far.
    pub fn counts(&self) -> anyhow::Result<Counts> {
        Ok(Counts {
            dispatches: self.dispatches.count()?,
            attempts: self.attempts.counts(),
        })
    }

    /// No task without an end, and none with another than its own.
    pub async fn account_for_all(&self) -> anyhow::Result<()> {
        eventually("an end of each task", ALL_END, async || {
            let lost = self.tracker.results().lost;
            (lost.is_empty(), lost)
        })
        .await;
        let found = self.tracker.results();
        self.say(format!(
            "{} tasks: {} succeeded, {} failed, lost {}, contradictory {}",
            self.tracker.count(),
            found.succeeded,
            found.failed,
            found.lost.len(),
            found.contradictory.len(),
        ));
        self.say(format!("in all {}", self.counts()?));
        let wrong = found.wrong(|task| task.to_string());
        anyhow::ensure!(found.is_clean(), "{}", wrong.join("\n"));
        Ok(())
    }
}

/// A queue of this ID.
pub fn queue_path(id: &str) -> anyhow::Result<QueuePath> {
    Ok(format!("projects/demo/locations/europe-west1/queues/{id}").parse()?)
}

/// A tenth climbs: 4 a second of 40, of the 5 that the last stage takes.
fn script(task: usize) -> Script {
    match task % 20 {
        0 | 1 => Script::FailsOnce,
        2 => Script::SucceedsOn("last"),
        3 => Script::Fails,
        _ => Script::Succeeds,
    }
}
