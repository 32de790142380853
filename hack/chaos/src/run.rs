//! One run: everything is started, the tasks are sent, and the account is closed when nothing is
//! left in any queue.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint, Method, NewTask};
use futures::{StreamExt, TryStreamExt, stream};
use testkit::{Process, free_port};

use crate::account::{Account, Sum};
use crate::chain::{self, Places, STAGES};
use crate::chance::Seed;
use crate::killer::{self, EACH, Workers};
use crate::trace::Trace;
use crate::{audit, balancer, handler, spells};

/// Tasks in all queues together.
const UNDER_WAY: usize = 300;
/// How long queues may hold tasks while nothing moves.
const STILL: Duration = Duration::from_mins(1);
/// No task under way may take longer, however much moves.
const LAST: Duration = Duration::from_mins(5);

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// Where all that goes wrong is drawn from.
    pub seed: Seed,
    /// How many tasks.
    pub tasks: usize,
    /// The worker's program.
    pub worker: PathBuf,
    /// The program that has the emulator.
    pub emulator: PathBuf,
    /// Where to write each push and its answer.
    pub trace: Option<PathBuf>,
}

/// Runs it.
pub async fn run(plan: &Plan) -> anyhow::Result<Sum> {
    let begin = Instant::now();
    let seed = plan.seed;
    let account = Arc::new(Account::new(plan.tasks));
    let trace = Arc::new(Trace::to(plan.trace.as_deref())?);
    let (emulator, _process) = start_emulator(&plan.emulator);
    let cloud = connect(emulator).await?;

    let ports: Vec<SocketAddr> = (0..STAGES.len() * EACH)
        .map(|_| SocketAddr::from(([127, 0, 0, 1], free_port())))
        .collect();
    let mut balancers = Vec::new();
    for (stage, ports) in STAGES.iter().zip(ports.chunks(EACH)) {
        let (account, trace) = (Arc::clone(&account), Arc::clone(&trace));
        balancers.push(balancer::start(stage.name, ports.to_vec(), seed, account, trace).await?);
    }
    let places = Places {
        cloud_tasks: spells::start(emulator, seed, Arc::clone(&account)).await?,
        handler: handler::start(seed, Arc::clone(&account)).await?,
        audit: audit::start(seed, Arc::clone(&account)).await?,
    };
    chain::create_queues(&cloud, &balancers).await?;
    let workers = Workers::start(plan.worker.clone(), places, &ports);
    let killer = tokio::spawn(killer::kill(
        Arc::clone(&workers),
        seed,
        Arc::clone(&account),
    ));

    send(plan.tasks, &cloud, &account)
        .await
        .context("sending the tasks")?;
    let left = drain(&cloud, &account)
        .await
        .context("waiting for the last tasks")?;
    killer.abort();
    Ok(account.sum(begin.elapsed(), left))
}

fn start_emulator(program: &Path) -> (SocketAddr, Process) {
    let addr = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = addr.to_string();
    // Unlogged: it writes a line for each dispatch.
    let process =
        Process::spawn_unlogged(Command::new(program).args(["emulator", "--listen", &listen]));
    (addr, process)
}

async fn connect(emulator: SocketAddr) -> anyhow::Result<CloudTasks> {
    let endpoint = Endpoint::Emulator(emulator.to_string());
    for _ in 0..400 {
        if let Ok(cloud) = CloudTasks::connect(&endpoint).await {
            return Ok(cloud);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the emulator on {emulator} doesn't answer")
}

/// Sends tasks so that no more than [`UNDER_WAY`] are in the queues: those that are lost hold up
/// nothing.
async fn send(tasks: usize, cloud: &CloudTasks, account: &Account) -> anyhow::Result<()> {
    let (mut next, mut still) = (0, Still::new(account));
    let mut sent_at = Instant::now();
    while next < tasks {
        let room = UNDER_WAY.saturating_sub(depth(cloud, UNDER_WAY).await?);
        let end = tasks.min(next + room);
        stream::iter(next..end)
            .map(|number| create(number, cloud, account))
            .buffer_unordered(16)
            .try_collect::<()>()
            .await?;
        if end > next {
            sent_at = Instant::now();
        }
        next = end;
        // Full of tasks that never end: the account will say so.
        if still.since(account) > STILL || sent_at.elapsed() > LAST {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn create(number: usize, cloud: &CloudTasks, account: &Account) -> anyhow::Result<()> {
    let queue = STAGES[0].queue();
    let id = chain::task_id(number).parse().context("a legal id")?;
    let task = NewTask {
        path: Some(queue.task(id)),
        url: "http://producer.invalid/orders".into(),
        method: Method::Post,
        headers: BTreeMap::new(),
        body: number.to_string().into_bytes(),
        dispatch_deadline: None,
    };
    cloud.create_task(&queue, &task).await?;
    account.sent.add();
    Ok(())
}

/// Waits until the queues are empty and nothing has moved for a while, or until waiting is of no
/// use; how many tasks the queues still hold then.
async fn drain(cloud: &CloudTasks, account: &Account) -> anyhow::Result<usize> {
    let begin = Instant::now();
    let mut still = Still::new(account);
    loop {
        let depth = depth(cloud, UNDER_WAY).await?;
        let quiet = still.since(account);
        // Longer than a late duplicate, a worker's start, and its tries to create.
        if depth == 0 && quiet > Duration::from_secs(5) {
            return Ok(0);
        }
        if quiet > STILL || begin.elapsed() > LAST {
            return Ok(depth);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn depth(cloud: &CloudTasks, limit: usize) -> anyhow::Result<usize> {
    let mut depth = 0;
    for queue in chain::queues() {
        depth += cloud.list_tasks(&queue, limit).await?.len();
    }
    Ok(depth)
}

/// How long nothing has moved.
struct Still {
    last: (u64, u64, u64, u64),
    at: Instant,
}

impl Still {
    fn new(account: &Account) -> Self {
        Self {
            last: account.movement(),
            at: Instant::now(),
        }
    }

    fn since(&mut self, account: &Account) -> Duration {
        let now = account.movement();
        if now != self.last {
            *self = Self::new(account);
        }
        self.at.elapsed()
    }
}
