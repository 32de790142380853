//! Viewers: what it costs to look at chains, and how long a look takes.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use testkit::CallProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::chains;
use crate::deployment_controller;
use crate::figure::Figure;
use crate::idle::cost::{Baseline, IdleCost, Snapshot};
use crate::operator::Operator;
use crate::rounds::Rounds;
use crate::testbed::{Testbed, program};

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How many chains
    #[arg(long, value_parser = chains::number, default_value = "1000")]
    chains: usize,
    /// How many pages show them at once
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=250), default_value_t = 200)]
    viewers: u16,
    /// For how long, without viewers and with them
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..=600), default_value_t = 60)]
    quiet: u64,
    /// How often each command is run
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

pub async fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    let place = Testbed::new().await?;
    let counted = CallProxy::start(place.emulator).await;
    let operator = place.operator(counted.addr())?;
    chains::wait_for_leader(&operator).await?;
    let controller = deployment_controller::start(place.deployments());
    chains::create_and_wait(&place, &operator, 0, options.chains).await?;
    chains::wait_until_idle(&operator).await?;
    drop(controller);
    let alone = cost(&place, &operator, &counted, options.quiet).await?;
    println!("  no viewer: {alone}");
    let mut viewers = JoinSet::new();
    for _ in 0..options.viewers {
        viewers.spawn(view(operator.admin()));
    }
    // The period for viewers has begun.
    sleep(Duration::from_secs(5)).await;
    let viewed = cost(&place, &operator, &counted, options.quiet).await?;
    println!("  {} viewers: {viewed}", options.viewers);
    if let Some(ended) = viewers.try_join_next() {
        ended?.context("a viewer was cut off")?;
    }
    drop(viewers);
    let name = chains::name(options.chains / 2);
    let top = look(&operator, &["top", "-A", "--once"], &name, options.rounds).await?;
    // It doesn't repeat the name. Without such a chain it fails.
    let why = look(&operator, &["why", &name], "\n", options.rounds).await?;
    Ok(figures(options, &alone, &viewed, &top, &why))
}

/// The cost of a time in which nothing changes.
async fn cost(
    place: &Testbed,
    operator: &Operator,
    counted: &CallProxy,
    seconds: u64,
) -> anyhow::Result<IdleCost> {
    let before = Snapshot::take(place, operator, counted).await?;
    sleep(Duration::from_secs(seconds)).await;
    let after = Snapshot::take(place, operator, counted).await?;
    Ok(IdleCost::between(&before, &after, Baseline::default()))
}

/// Follows the page of all chains until it is dropped.
async fn view(admin: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut read = vec![0; 64 * 1024];
    while stream.read(&mut read).await? > 0 {}
    anyhow::bail!("the operator has closed the connection")
}

/// How many milliseconds a command takes from its start to its end, by which it has shown this.
async fn look(
    operator: &Operator,
    arguments: &[&str],
    shown: &str,
    rounds: usize,
) -> anyhow::Result<Rounds> {
    let mut times = Vec::new();
    // The first one is not measured: it reads the program from the disk.
    for _ in 0..=rounds {
        let mut command = Command::new(program("executor-chain")?);
        command
            .args(arguments)
            .args(["--dev", &operator.admin().to_string()]);
        let begin = Instant::now();
        let output = spawn_blocking(move || command.output()).await??;
        times.push(begin.elapsed().as_secs_f64() * 1000.0);
        // 2: something was found. 3: numbers are unknown, such as those of workers, which there are none of.
        let is_answer = matches!(output.status.code(), Some(0 | 2 | 3));
        let said = || String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(
            is_answer && String::from_utf8_lossy(&output.stdout).contains(shown),
            "{arguments:?}: {}",
            said()
        );
    }
    Ok(times.into_iter().skip(1).collect())
}

#[rustfmt::skip]
fn figures(
    options: &Options,
    alone: &IdleCost,
    viewed: &IdleCost,
    top: &Rounds,
    why: &Rounds,
) -> Vec<Figure> {
    let viewers = options.viewers;
    vec![
        Figure::new("calls to Cloud Tasks, no viewer", alone.calls, "a minute"),
        Figure::new(format!("calls to Cloud Tasks, {viewers} viewers"), viewed.calls, "a minute"),
        Figure::new("CPU time, no viewer", alone.cpu_ms, "ms a minute"),
        Figure::new(format!("CPU time, {viewers} viewers"), viewed.cpu_ms, "ms a minute"),
        Figure::new("memory, no viewer", alone.resident_mib, "MiB"),
        Figure::new(format!("memory, {viewers} viewers"), viewed.resident_mib, "MiB"),
        Figure::of("kubectl chain top -A --once", top, "ms").at_most(1000.0),
        Figure::of("kubectl chain why NAME", why, "ms").at_most(1000.0),
    ]
}
