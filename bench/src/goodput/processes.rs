//! A design as processes: an emulator, a handler, and a worker for each stage.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint, QueuePath, QueueSettings};
use simulation::{Design, Stage};
use testkit::chain::http_target;
use testkit::{Process, free_addr, http_get};
use tokio::time::sleep;

use crate::testbed::program;

const NOTIFIER: &str = "notifier";
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// A design at work. Dropped, it ends.
pub struct RunningDesign {
    pub cloud_tasks: CloudTasks,
    /// The stages', in their order.
    pub queues: Vec<QueuePath>,
    /// Their ends are its own.
    processes: Vec<Process>,
}

impl RunningDesign {
    /// Starts it. `handler` is what its process is told, after its address is known; `ends` is where
    /// notifications go.
    pub async fn start(
        design: &Design,
        handler: impl FnOnce(SocketAddr) -> Vec<String>,
        ends: SocketAddr,
    ) -> anyhow::Result<Self> {
        let (emulator, runs) = (free_addr(), free_addr());
        let mut command = roomy(program("executor-chain")?);
        command.args(["emulator", "--listen", &emulator.to_string()]);
        let emulating = Process::spawn_unlogged(&command);
        let mut command = roomy(program("bench")?);
        command.args(handler(runs));
        let handling = Process::spawn_unlogged(&command);
        let mut chain = Self {
            cloud_tasks: reached(emulator).await?,
            queues: Vec::new(),
            processes: vec![emulating, handling],
        };
        for place in 0..design.stages.len() {
            chain
                .queues
                .push(queue(&format!("incoming-{}", place + 1))?);
        }
        let plenty = QueueSettings {
            max_dispatches_per_second: Some(500.0),
            max_concurrent_dispatches: Some(1000),
            ..QueueSettings::default()
        };
        chain
            .cloud_tasks
            .create_queue(&queue(NOTIFIER)?, &plenty)
            .await?;
        for (place, stage) in design.stages.iter().enumerate() {
            chain
                .start_stage(place, stage, [emulator, runs, ends])
                .await?;
        }
        Ok(chain)
    }

    async fn start_stage(
        &mut self,
        place: usize,
        stage: &Stage,
        [emulator, handler, ends]: [SocketAddr; 3],
    ) -> anyhow::Result<()> {
        let (pushes, admin) = (free_addr(), free_addr());
        let own = &self.queues[place];
        let mut worker = roomy(program("executor-worker")?);
        worker
            .env("CHAIN", "bench/orders")
            .env("STAGE", format!("stage-{}", place + 1))
            .env("QUEUE", own.to_string())
            .env("MAX_ATTEMPTS", stage.attempts.to_string())
            .env("HANDLER_URL", format!("http://{handler}"))
            .env(
                "HANDLER_TIMEOUT",
                format!("{}ms", stage.timeout.as_millis()),
            )
            .env("CONCURRENCY", stage.capacity.to_string())
            .env("NOTIFIER_QUEUE", queue(NOTIFIER)?.to_string())
            .env("NOTIFIER_URL", format!("http://{ends}/ends"))
            .env("LISTEN_ADDR", pushes.to_string())
            .env("ADMIN_ADDR", admin.to_string())
            .env("CLOUD_TASKS_EMULATOR_HOST", emulator.to_string());
        if let Some(next) = self.queues.get(place + 1) {
            worker.env("DOWNSTREAM_QUEUE", next.to_string());
        }
        self.processes.push(Process::spawn_unlogged(&worker));
        ready(admin).await?;
        self.cloud_tasks
            .create_queue(own, &settings(stage, pushes)?)
            .await?;
        Ok(())
    }
}

/// The queue of a stage, whose pushes go there.
fn settings(stage: &Stage, pushes: SocketAddr) -> anyhow::Result<QueueSettings> {
    let limits = stage.limits;
    Ok(QueueSettings {
        max_dispatches_per_second: Some(limits.rate),
        max_concurrent_dispatches: Some(i32::try_from(limits.concurrency)?),
        // The worker keeps the budget.
        max_attempts: Some(-1),
        min_backoff: Some(limits.backoff.min),
        max_backoff: Some(limits.backoff.max),
        max_doublings: Some(i32::try_from(limits.backoff.doublings)?),
        http_target: Some(http_target(pushes)),
        ..QueueSettings::default()
    })
}

fn queue(id: &str) -> anyhow::Result<QueuePath> {
    Ok(format!("projects/demo/locations/europe-west1/queues/{id}").parse()?)
}

/// A program that may have as many connections as the machine allows: a thousand runs at once are two
/// thousand of the worker's.
fn roomy(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("sh");
    let script = r#"ulimit -n "$(ulimit -Hn)"; exec "$@""#;
    command.args(["-c", script, "sh"]).arg(program);
    command
}

async fn reached(emulator: SocketAddr) -> anyhow::Result<CloudTasks> {
    let endpoint = Endpoint::Emulator(emulator.to_string());
    let mut last = None;
    for _ in 0..TRIES {
        match CloudTasks::connect(&endpoint).await {
            Ok(cloud_tasks) => return Ok(cloud_tasks),
            Err(error) => last = Some(error),
        }
        sleep(PAUSE).await;
    }
    Err(last.context("never tried")?).context("the emulator doesn't answer")
}

async fn ready(admin: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        if http_get(admin, "/readyz").await.is_ok() {
            return Ok(());
        }
        sleep(PAUSE).await;
    }
    anyhow::bail!("a worker doesn't get ready")
}
