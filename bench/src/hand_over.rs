//! Hand-over: what it adds to a push whose handler has failed for the last time.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use cloudtasks::QueuePath;
use testkit::CallProxy;

use crate::figure::Figure;
use crate::quantile::median;
use crate::testbed::program;
use crate::worker::create::Created;
use crate::worker::pinned;
use crate::worker::push::{Pushed, count};
use crate::worker::reverse_proxy::{ReverseProxy, Upstreams};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Bytes of a body
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// How often each is measured
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how long, each time
    #[arg(long, default_value_t = 2000)]
    millis: u64,
}

/// What one that has attempts left answers, and one that has handed over.
const FAILED: u16 = 477;
const DONE: u16 = 200;

/// Of all rounds, in the order in which they were made.
#[derive(Debug, Default)]
struct Rounds {
    failed: Vec<Pushed>,
    handed: Vec<Pushed>,
    created: Vec<Created>,
    many: Vec<Pushed>,
}

pub async fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    pinned::two_cores()?;
    let (handler, _failing) = pinned::serve(500).await?;
    let (emulator, _emulating) = pinned::emulate().await?;
    let next = pinned::paused(emulator, "incoming-2").await?;
    let upstreams = Upstreams { handler, emulator };
    let mut rounds = Rounds::default();
    let mut first = 0;
    for round in 1..=options.rounds {
        let pushed = push(ReverseProxy::Failing, upstreams, 1, options, &mut first).await?;
        rounds.failed.push(pushed);
        let pushed = push(ReverseProxy::HandingOver, upstreams, 1, options, &mut first).await?;
        rounds.handed.push(pushed);
        rounds
            .created
            .push(create(emulator, &next, options, round).await?);
        let pushed = push(
            ReverseProxy::HandingOver,
            upstreams,
            32,
            options,
            &mut first,
        )
        .await?;
        println!("  round {round}: {:.0} hand-overs/s", pushed.per_second());
        rounds.many.push(pushed);
    }
    let way = CallProxy::start(emulator).await;
    let counted = Upstreams {
        emulator: way.addr(),
        ..upstreams
    };
    let short = Options {
        millis: 500,
        ..options.clone()
    };
    let before = first;
    push(ReverseProxy::HandingOver, counted, 1, &short, &mut first).await?;
    let calls = count(way.calls().values().sum()) / count(first - before);
    Ok(figures(&rounds, calls))
}

fn figures(rounds: &Rounds, calls: f64) -> Vec<Figure> {
    let of = |pushed: &[Pushed], value: fn(&Pushed) -> f64| median(pushed.iter().map(value));
    let zero = || 0.0;
    let failed = of(&rounds.failed, |it| it.p50_ms).unwrap_or_else(zero);
    let handed = of(&rounds.handed, |it| it.p50_ms).unwrap_or_else(zero);
    let created = median(rounds.created.iter().map(|it| it.p50_ms)).unwrap_or_else(zero);
    let created_p99 = median(rounds.created.iter().map(|it| it.p99_ms)).unwrap_or_else(zero);
    let handed_p99 = of(&rounds.handed, |it| it.p99_ms).unwrap_or_else(zero);
    let extra = handed - failed;
    vec![
        Figure::new("a push that is handed over, p50", handed, "ms")
            .against(format!("a failed push with attempts left: {failed:.3} ms")),
        Figure::new("a push that is handed over, p99", handed_p99, "ms")
            .against(format!("a bare CreateTask, p99: {created_p99:.3} ms")),
        Figure::new("what the hand-over adds, p50", extra, "ms")
            .against(format!("a bare CreateTask, p50: {created:.3} ms")),
        Figure::new(
            "what the hand-over adds, divided by a bare CreateTask",
            extra / created,
            "",
        )
        .at_most(1.1),
        Figure::new("calls to Cloud Tasks for each hand-over", calls, "").at_most(1.0),
        Figure::new(
            "hand-overs of one worker",
            of(&rounds.many, Pushed::per_second).unwrap_or_else(zero),
            "/s",
        ),
    ]
}

async fn push(
    proxy: ReverseProxy,
    upstreams: Upstreams,
    connections: usize,
    options: &Options,
    first: &mut u64,
) -> anyhow::Result<Pushed> {
    let running = proxy.start(upstreams).await?.context("no worker")?;
    let expect = if proxy == ReverseProxy::Failing {
        FAILED
    } else {
        DONE
    };
    let (to, size) = (running.addr, options.size);
    let warm = pinned::push(to, connections, size, 200, *first, expect).await?;
    let pushed = pinned::push(to, connections, size, options.millis, warm.next, expect).await?;
    *first = pushed.next;
    Ok(pushed)
}

async fn create(
    emulator: SocketAddr,
    queue: &QueuePath,
    options: &Options,
    round: usize,
) -> anyhow::Result<Created> {
    let mut command = pinned::measured(program("bench")?);
    command.args(["create", "--at", &emulator.to_string()]);
    command.args(["--queue", &queue.to_string()]);
    command.args(["--size", &options.size.to_string()]);
    command.args(["--millis", &options.millis.to_string()]);
    command.args(["--prefix", &format!("bare-{round}")]);
    pinned::json_output_of(command).await
}
