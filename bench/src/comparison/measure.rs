//! One operator with so many chains, in a place of its own.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Patch, PatchParams};
use testkit::CallProxy;
use tokio::time::sleep;

use crate::chains;
use crate::comparison::options::Options;
use crate::comparison::readiness::Readiness;
use crate::comparison::{drift, verify};
use crate::deployment_controller;
use crate::edits::chain_rates::ChainRates;
use crate::edits::editor::{EditLatency, Editor};
use crate::figure;
use crate::operator::{Implementation, Operator};
use crate::quantile::Sample;
use crate::testbed::Testbed;
use crate::watch_times::WatchTimes;

/// So many calls a second may each make to Cloud Tasks: more than it wants to, or it would be this
/// that is measured.
const CALLS: [&str; 2] = ["--cloud-tasks-calls-per-second", "1000"];
/// How many chains are edited at once while there is no operator.
const AT_ONCE: usize = 4;

/// What it has cost, in milliseconds and MiB.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// From its start until all chains are ready, of which there was nothing yet.
    pub cold_start: f64,
    /// How long it used the processor for that, and how much memory it held at most.
    pub cold_cpu: f64,
    pub peak: f64,
    /// What it has asked of the API server for that, and how long that used the processor.
    pub cold_requests: f64,
    pub server_cpu: f64,
    /// From its start until all chains are ready, each of which was edited while it was away.
    pub restart: f64,
    pub edit_p50: f64,
    pub edit_p99: f64,
    pub watch_p50: f64,
    pub watch_p99: f64,
    /// Until a queue is again as its chain says.
    pub drift_p50: f64,
    pub drift_longest: f64,
    /// When nobody touches anything; by the minute, but for memory.
    pub resident: f64,
    pub idle_cpu: f64,
    pub calls: f64,
    /// Of what calls go to: queues are listed by the location.
    pub locations: f64,
    pub chains: f64,
}

pub async fn measure(
    implementation: Implementation,
    count: usize,
    options: &Options,
    mut random: fastrand::Rng,
) -> anyhow::Result<Measured> {
    let name = implementation.program();
    let place = Testbed::new().await?;
    let counted = CallProxy::start(place.emulator).await;
    let _controller = deployment_controller::start(place.deployments());
    chains::create(&place, 0, count).await?;

    let readiness = Readiness::watch(place.chains(), count).await?;
    let before = place.counters().await?;
    let begin = Instant::now();
    let operator = place.operator_of(implementation, counted.addr(), &CALLS)?;
    let cold_start = readiness.all(&operator).await? - begin;
    let cold = operator.usage()?;
    let after = place.counters().await?;
    let served = |name: &str| after.total(name) - before.total(name);
    println!("  {name}, {count} chains: ready after {cold_start:.1?}");

    let queues = place.cloud_tasks().await?;
    let mut rates = ChainRates::new(count);
    verify::all(&place, &queues, &rates).await?;
    chains::wait_until_idle(&operator).await?;
    let idle = Idle::during(&operator, &counted, options.quiet).await?;

    let editor = Editor {
        chains: place.chains(),
        queues: queues.clone(),
        watch_times: WatchTimes::watch(place.chains()),
    };
    let mut seen = Vec::new();
    for _ in 0..options.edits {
        seen.extend(editor.make(vec![rates.draw(&mut random)]).await?);
        sleep(Duration::from_millis(random.u64(20..=80))).await;
    }
    let drifts = drift::drift(&queues, &rates, options.drifts, &mut random).await?;
    drop(editor);

    operator.leave().await;
    edit_all(&place, &mut rates, &mut random).await?;
    let readiness = Readiness::watch(place.chains(), count).await?;
    let begin = Instant::now();
    let operator = place.operator_of(implementation, counted.addr(), &CALLS)?;
    let restart = readiness.all(&operator).await? - begin;
    verify::all(&place, &queues, &rates).await?;
    println!("  {name}, {count} chains: ready {restart:.1?} after a restart");

    let milliseconds = |it: Duration| it.as_secs_f64() * 1000.0;
    let edits = Sample::new(seen.iter().map(|it: &EditLatency| it.in_force));
    let watch = Sample::new(seen.iter().map(|it: &EditLatency| it.watched));
    Ok(Measured {
        cold_start: milliseconds(cold_start),
        cold_cpu: cold.cpu_ms,
        peak: cold.peak_mib,
        cold_requests: served("apiserver_request_total"),
        server_cpu: served("process_cpu_seconds_total"),
        restart: milliseconds(restart),
        edit_p50: edits.percentile(50),
        edit_p99: edits.percentile(99),
        watch_p50: watch.percentile(50),
        watch_p99: watch.percentile(99),
        drift_p50: drifts.percentile(50),
        drift_longest: drifts.percentile(100),
        resident: idle.resident_mib,
        idle_cpu: idle.cpu_ms,
        calls: idle.calls,
        locations: figure::count(chains::locations(count)),
        chains: figure::count(count),
    })
}

async fn edit_all(
    place: &Testbed,
    rates: &mut ChainRates,
    random: &mut fastrand::Rng,
) -> anyhow::Result<()> {
    let changes = rates.draw_many(rates.chains(), random);
    let chains = place.chains();
    let parameters = PatchParams::default();
    stream::iter(changes)
        .map(async |change| {
            let name = chains::name(change.chain);
            let patch = Patch::Merge(&change.patch);
            chains.patch(&name, &parameters, &patch).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// What it costs that nobody touches; by the minute, but for memory.
struct Idle {
    calls: f64,
    cpu_ms: f64,
    resident_mib: f64,
}

impl Idle {
    async fn during(
        operator: &Operator,
        counted: &CallProxy,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let calls = || counted.calls().values().sum::<u64>();
        let (begin, before, calls_before) = (Instant::now(), operator.usage()?, calls());
        sleep(Duration::from_secs(seconds)).await;
        let (after, calls_after) = (operator.usage()?, calls());
        let minutes = begin.elapsed().as_secs_f64() / 60.0;
        let calls = u32::try_from(calls_after - calls_before).unwrap_or(u32::MAX);
        Ok(Self {
            calls: f64::from(calls) / minutes,
            cpu_ms: (after.cpu_ms - before.cpu_ms).max(0.0) / minutes,
            resident_mib: after.resident_mib,
        })
    }
}
