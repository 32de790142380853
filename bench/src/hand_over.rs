//! Hand-over: what it adds to a push whose handler has failed for the last time.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use cloudtasks::QueuePath;
use testkit::CallProxy;

use crate::figure::Figure;
use crate::rounds::Rounds;
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
struct Measured {
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
    let mut measured = Measured::default();
    let mut first = 0;
    for round in 1..=options.rounds {
        let pushed = push(ReverseProxy::Failing, upstreams, 1, options, &mut first).await?;
        measured.failed.push(pushed);
        let pushed = push(ReverseProxy::HandingOver, upstreams, 1, options, &mut first).await?;
        measured.handed.push(pushed);
        let created = create(emulator, &next, options, round).await?;
        measured.created.push(created);
        let pushed = push(
            ReverseProxy::HandingOver,
            upstreams,
            32,
            options,
            &mut first,
        )
        .await?;
        println!("  round {round}: {:.0} hand-overs/s", pushed.per_second());
        measured.many.push(pushed);
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
    Ok(figures(&measured, calls))
}

fn figures(measured: &Measured, calls: f64) -> Vec<Figure> {
    let of = |pushed: &[Pushed], value: fn(&Pushed) -> f64| -> Rounds {
        pushed.iter().map(value).collect()
    };
    let bare =
        |value: fn(&Created) -> f64| -> Rounds { measured.created.iter().map(value).collect() };
    let (failed, handed) = (
        of(&measured.failed, |it| it.p50_ms),
        of(&measured.handed, |it| it.p50_ms),
    );
    let (created, created_p99) = (bare(|it| it.p50_ms), bare(|it| it.p99_ms));
    let extra = handed.with(&failed, |handed, failed| handed - failed);
    let beside = |what: &str, rounds: &Rounds| {
        let median = rounds.median().unwrap_or_default();
        format!("{what}: {median:.3} ms")
    };
    vec![
        Figure::of("a push that is handed over, p50", &handed, "ms")
            .against(beside("a failed push with attempts left", &failed)),
        Figure::of(
            "a push that is handed over, p99",
            &of(&measured.handed, |it| it.p99_ms),
            "ms",
        )
        .against(beside("a bare CreateTask, p99", &created_p99)),
        Figure::of("what the hand-over adds, p50", &extra, "ms")
            .against(beside("a bare CreateTask, p50", &created)),
        Figure::of(
            "what the hand-over adds, divided by a bare CreateTask",
            &extra.divided_by(&created),
            "",
        )
        .share_at_most(1.15),
        Figure::new("calls to Cloud Tasks for each hand-over", calls, "").at_most(1.0),
        Figure::of(
            "hand-overs of one worker",
            &of(&measured.many, Pushed::per_second),
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
