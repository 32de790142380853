//! What stands around the cluster: the emulator, the account, the client, and the clock.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint, Queue, QueuePath};
use testkit::eventually;
use tokio::process::{Child, Command};

use crate::account::Account;
use crate::dispatches::Dispatches;
use crate::ends;
use crate::load::Load;
use crate::seen::Seen;
use crate::starts::Starts;

/// What a person would wait for before he looks into it.
pub const SOON: Duration = Duration::from_mins(1);
/// Until what was put has ended: a task that fails for ever has six attempts, and after a kill some of
/// it waits for a backoff.
const ALL_END: Duration = Duration::from_mins(3);
/// Where the emulator listens.
const EMULATOR_PORT: u16 = 8123;

/// All of it.
pub struct Stage {
    begin: Instant,
    pub emulator: SocketAddr,
    pub cloud_tasks: CloudTasks,
    pub account: Arc<Account>,
    /// Whom the handlers ask, and where notifications go.
    pub asked: SocketAddr,
    pub client: SocketAddr,
    /// How soon the pods' programs are ready.
    pub starts: Starts,
    dispatches: Dispatches,
    _emulating: Child,
}

impl Stage {
    /// Starts it.
    pub async fn open(address: IpAddr, state: &Path) -> anyhow::Result<Self> {
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
        let account = Arc::new(Account::default());
        Ok(Self {
            begin,
            emulator,
            cloud_tasks,
            asked: ends::account(address, Arc::clone(&account)).await?,
            client: ends::client(address, Arc::clone(&account)).await?,
            account,
            starts: Starts::watch(),
            dispatches: Dispatches(log),
            _emulating: emulating,
        })
    }

    /// A line of the transcript.
    pub fn say(&self, what: impl std::fmt::Display) {
        println!("{:7.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    /// Starts the producer, and waits until tasks come through.
    pub async fn begin(&self, rate: u32) -> anyhow::Result<Load> {
        let load = Load::start(&self.emulator.to_string(), rate, Arc::clone(&self.account))?;
        eventually("the first tasks' ends", SOON, async || {
            let sum = self.account.sum();
            (sum.succeeded > 50 && sum.failed > 3)
                .then_some(())
                .ok_or(sum.put)
        })
        .await;
        self.say(format!("tasks come through, {rate} a second"));
        Ok(load)
    }

    /// A queue of the chain.
    pub async fn queue(&self, id: &str) -> anyhow::Result<Queue> {
        let path: QueuePath =
            format!("projects/demo/locations/europe-west1/queues/{id}").parse()?;
        Ok(self.cloud_tasks.get_queue(&path).await?)
    }

    /// Waits until so many more tasks were put and ended: what was done has to stand the load.
    pub async fn under_load(&self, tasks: usize) {
        let until = self.account.count() + tasks;
        eventually("tasks under way", SOON, async || {
            let sum = self.account.sum();
            let ended = sum.succeeded + sum.failed;
            (sum.put >= until && ended + 200 >= until)
                .then_some(())
                .ok_or((sum.put, ended))
        })
        .await;
    }

    /// What has come of the tasks so far.
    pub fn seen(&self) -> anyhow::Result<Seen> {
        Ok(Seen::of(self.dispatches.count()?, &self.account.sum()))
    }

    /// No task without an end, and none with another than its own.
    pub async fn account_for_all(&self) -> anyhow::Result<()> {
        eventually("an end of each task", ALL_END, async || {
            let lost = self.account.sum().lost;
            lost.is_empty().then_some(()).ok_or(lost)
        })
        .await;
        let sum = self.account.sum();
        self.say(format!(
            "{} tasks: {} succeeded, {} failed, lost {}, contradictory {}",
            sum.put,
            sum.succeeded,
            sum.failed,
            sum.lost.len(),
            sum.contradictory.len(),
        ));
        self.say(format!("in all {}", self.seen()?));
        anyhow::ensure!(
            sum.contradictory.is_empty(),
            "with two ends, or another than their own: {:?}",
            sum.contradictory
        );
        Ok(())
    }
}
