//! One run: everything is started, the tasks are sent, and the account is closed when nothing is
//! left in any queue.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint};
use testkit::{Process, free_port};

use crate::account::Account;
use crate::chain::{self, Places, STAGES};
use crate::chance::Seed;
use crate::forward::{self, Place};
use crate::killer::{self, EACH, Workers};
use crate::lives::{self, Lives};
use crate::sum::Sum;
use crate::trace::Trace;
use crate::{audit, balancer, fate, spells, traffic};

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

    let (ports, handlers) = (local_ports(), local_ports());
    let lives = Arc::new(Lives::new(handlers.len()));
    let fates = fate::start(seed, account.clone(), lives.clone(), trace.clone()).await?;
    lives::keep(&handlers, fates, seed, &account, &lives)?;
    let mut balancers = Vec::new();
    for stage in &STAGES {
        let slots = (stage.index * EACH..).take(EACH);
        let places = slots.map(|slot| Place {
            worker: ports[slot],
            slot,
        });
        let workers =
            forward::Workers::new(stage, places.collect(), account.clone(), lives.clone());
        balancers.push(balancer::start(workers, seed, account.clone(), trace.clone()).await?);
    }
    let places = Places {
        cloud_tasks: spells::start(emulator, seed, Arc::clone(&account)).await?,
        audit: audit::start(seed, Arc::clone(&account)).await?,
    };
    chain::create_queues(&cloud, &balancers).await?;
    let workers = Workers::start(plan.worker.clone(), places, &ports, &handlers);
    let killer = tokio::spawn(killer::kill(
        Arc::clone(&workers),
        seed,
        Arc::clone(&account),
    ));

    traffic::send(plan.tasks, &cloud, &account)
        .await
        .context("sending the tasks")?;
    let left = traffic::drain(&cloud, &account)
        .await
        .context("waiting for the last tasks")?;
    killer.abort();
    Ok(account.sum(begin.elapsed(), left))
}

/// One for each worker, or for each handler.
fn local_ports() -> Vec<SocketAddr> {
    let ports = (0..STAGES.len() * EACH).map(|_| free_port());
    ports
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .collect()
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
