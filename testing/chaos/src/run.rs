//! One run: everything is started, the tasks are sent, and the report is made when nothing is
//! left in any queue.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use testkit::{Emulator, free_port, own_loopback};

use crate::chain::{self, STAGES, Upstreams};
use crate::forward::{self, Backend};
use crate::handler_processes::{self, Generations};
use crate::killer::{self, EACH, Workers};
use crate::report::Report;
use crate::seed::Seed;
use crate::trace::Trace;
use crate::tracker::Tracker;
use crate::{balancer, behavior, client, outages, producer};

#[derive(Debug)]
pub struct Plan {
    pub seed: Seed,
    pub tasks: usize,
    pub worker: PathBuf,
    pub trace: Option<PathBuf>,
}

pub async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let begin = Instant::now();
    let seed = plan.seed;
    let tracker = Arc::new(Tracker::new(plan.tasks));
    let trace = Arc::new(Trace::to(plan.trace.as_deref())?);
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;

    let (ports, handlers) = (local_ports(), local_ports());
    let generations = Arc::new(Generations::new(handlers.len()));
    let asked = behavior::start(seed, tracker.clone(), generations.clone(), trace.clone());
    handler_processes::keep(&handlers, asked.await?, seed, &tracker, &generations)?;
    let mut balancers = Vec::new();
    for stage in &STAGES {
        let slots = (stage.index * EACH..).take(EACH);
        let backends = slots.map(|slot| Backend {
            worker: ports[slot],
            slot,
        });
        let workers = forward::Workers::new(
            stage,
            backends.collect(),
            tracker.clone(),
            generations.clone(),
        );
        balancers.push(balancer::start(workers, seed, tracker.clone(), trace.clone()).await?);
    }
    let cloud_tasks = outages::start(emulator.addr(), seed, Arc::clone(&tracker)).await;
    let client = client::start(seed, Arc::clone(&tracker)).await?;
    chain::create_queues(&cloud, &balancers).await;
    let upstreams = handlers.iter().map(|handler| Upstreams {
        cloud_tasks,
        handler: *handler,
        client,
    });
    let workers = Workers::start(plan.worker.clone(), &ports, upstreams);
    let killer = tokio::spawn(killer::kill(
        Arc::clone(&workers),
        seed,
        Arc::clone(&tracker),
    ));

    producer::send(plan.tasks, seed, &cloud, &tracker)
        .await
        .context("sending the tasks")?;
    let left = producer::drain(&cloud, &tracker)
        .await
        .context("waiting for the last tasks")?;
    killer.abort();
    let parked = chain::parked(&cloud)
        .await
        .context("listing what is parked")?;
    for task in parked.iter().filter_map(|id| chain::task_number(id)) {
        tracker.parked(task);
    }
    Ok(Report::of(&tracker, begin.elapsed(), left))
}

/// One for each worker, or for each handler.
fn local_ports() -> Vec<SocketAddr> {
    let own = |_| SocketAddr::from((own_loopback(), free_port()));
    (0..STAGES.len() * EACH).map(own).collect()
}
