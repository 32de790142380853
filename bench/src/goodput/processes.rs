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

use crate::goodput::handler::TENANT;
use crate::testbed::program;

const NOTIFIER: &str = "notifier";
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// A design at work. Dropped, it ends.
pub struct RunningDesign {
    pub cloud_tasks: CloudTasks,
    /// The stages', in their order.
    pub queues: Vec<QueuePath>,
    /// Where each worker serves its metrics: the stage's place, and the address.
    pub admins: Vec<(usize, SocketAddr)>,
    /// The emulator, the handler, and where notifications go.
    peers: [SocketAddr; 3],
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
            admins: Vec::new(),
            peers: [emulator, runs, ends],
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
            let pushes = chain.start_worker(place, stage, None).await?;
            let settings = settings(stage, pushes)?;
            let own = &chain.queues[place];
            chain.cloud_tasks.create_queue(own, &settings).await?;
        }
        Ok(chain)
    }

    /// Edits a stage, as a rollout does: the queue pushes to a new worker, and runs in progress end in
    /// the old one. `routes` are the worker's.
    pub async fn edit(
        &mut self,
        place: usize,
        stage: &Stage,
        routes: Option<&str>,
    ) -> anyhow::Result<()> {
        let pushes = self.start_worker(place, stage, routes).await?;
        let settings = settings(stage, pushes)?;
        let own = &self.queues[place];
        self.cloud_tasks.update_queue(own, &settings).await?;
        Ok(())
    }

    /// Gives a queue the limits of a stage, and leaves its worker alone.
    pub async fn limit(&self, place: usize, stage: &Stage) -> anyhow::Result<()> {
        let settings = limits(stage)?;
        let own = &self.queues[place];
        self.cloud_tasks.update_queue(own, &settings).await?;
        Ok(())
    }

    /// Starts a worker. Where it takes pushes.
    async fn start_worker(
        &mut self,
        place: usize,
        stage: &Stage,
        routes: Option<&str>,
    ) -> anyhow::Result<SocketAddr> {
        let [emulator, handler, ends] = self.peers;
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
        if let Some(routes) = routes {
            worker.env("ROUTES", routes);
        }
        if let Some(isolate) = stage.workers.isolate {
            let to = self
                .queues
                .get(isolate.to)
                .context("no stage to isolate to")?;
            worker.env("ISOLATE", isolate.json(TENANT, &to.to_string()));
        }
        if let Some(time) = stage.workers.hold_on_outage {
            worker.env("HOLD_ON_OUTAGE", format!("{}s", time.as_secs()));
        }
        self.processes.push(Process::spawn_unlogged(&worker));
        ready(admin).await?;
        self.admins.push((place, admin));
        Ok(pushes)
    }
}

/// The queue of a stage, whose pushes go there.
fn settings(stage: &Stage, pushes: SocketAddr) -> anyhow::Result<QueueSettings> {
    Ok(QueueSettings {
        http_target: Some(http_target(pushes)),
        ..limits(stage)?
    })
}

fn limits(stage: &Stage) -> anyhow::Result<QueueSettings> {
    let limits = stage.limits;
    Ok(QueueSettings {
        max_dispatches_per_second: Some(limits.rate),
        max_concurrent_dispatches: Some(i32::try_from(limits.concurrency)?),
        // The worker keeps the budget.
        max_attempts: Some(-1),
        min_backoff: Some(limits.backoff.min),
        max_backoff: Some(limits.backoff.max),
        max_doublings: Some(i32::try_from(limits.backoff.doublings)?),
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
