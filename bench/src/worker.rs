//! Worker: the way of a push through it, beside what proxies and does nothing else.

pub mod create;
pub mod handler;
pub mod isolation;
pub mod pinned;
pub mod push;
pub mod reverse_proxy;

use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use crate::figure::Figure;
use crate::quantile::median;
use crate::worker::push::{Pushed, count};
use crate::worker::reverse_proxy::{ReverseProxy, Upstreams};

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Connections, each with one push at a time
    #[arg(long, value_delimiter = ',', default_value = "1,32,256")]
    connections: Vec<usize>,
    /// Bytes of a body
    #[arg(long, value_delimiter = ',', default_value = "512,65536")]
    sizes: Vec<usize>,
    /// How often each is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how long, each time
    #[arg(long, default_value_t = 2000)]
    millis: u64,
}

#[derive(Debug, Clone)]
struct Measured {
    proxy: ReverseProxy,
    connections: usize,
    size: usize,
    pushed: Pushed,
    /// Of the proxy's own, while it was pushed to.
    cpu_ms: f64,
    loaded_mib: f64,
}

#[derive(Debug, Clone, Copy)]
struct Started {
    proxy: ReverseProxy,
    ready_ms: f64,
    idle_mib: f64,
}

pub async fn run(options: &Options) -> anyhow::Result<Vec<Figure>> {
    pinned::two_cores()?;
    let (handler, _serving) = pinned::serve(200).await?;
    let (emulator, _emulating) = pinned::emulate().await?;
    // Where the notifications of the one that tells wait, so that nobody has to take them.
    pinned::paused(emulator, "notifier").await?;
    let upstreams = Upstreams { handler, emulator };
    let (mut measured, mut started) = (Vec::new(), Vec::new());
    let mut next = 0;
    for round in 1..=options.rounds {
        for proxy in ReverseProxy::ALL {
            let Some(running) = proxy.start(upstreams).await? else {
                println!("  {} is not on this machine", proxy.name());
                continue;
            };
            sleep(Duration::from_millis(300)).await;
            started.push(Started {
                proxy,
                ready_ms: running.ready_after.as_secs_f64() * 1000.0,
                idle_mib: running.usage()?.resident_mib,
            });
            for (&size, &connections) in options
                .sizes
                .iter()
                .flat_map(|size| options.connections.iter().map(move |it| (size, it)))
            {
                // Not measured: connections to the handler are made, and memory is taken.
                let warm = pinned::push(running.addr, connections, size, 300, next, 200).await?;
                let before = running.usage()?;
                let to = running.addr;
                let pushed =
                    pinned::push(to, connections, size, options.millis, warm.next, 200).await?;
                let after = running.usage()?;
                next = pushed.next;
                println!(
                    "  round {round}: {}, {size} B, {connections} connections: {:.0}/s",
                    proxy.name(),
                    pushed.per_second()
                );
                measured.push(Measured {
                    proxy,
                    connections,
                    size,
                    pushed,
                    cpu_ms: after.cpu_ms - before.cpu_ms,
                    loaded_mib: after.resident_mib,
                });
            }
        }
    }
    let mut figures = figures(options, &measured, &started);
    figures.push(isolation::figure()?);
    Ok(figures)
}

fn figures(options: &Options, measured: &[Measured], started: &[Started]) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (&size, &connections) in options
        .sizes
        .iter()
        .flat_map(|size| options.connections.iter().map(move |it| (size, it)))
    {
        let of = |proxy: ReverseProxy, value: fn(&Measured) -> f64| {
            let rows = measured
                .iter()
                .filter(|it| (it.proxy, it.size, it.connections) == (proxy, size, connections));
            median(rows.map(value))
        };
        let what = format!("{size} B, {connections} connections");
        let others = |value: fn(&Measured) -> f64, unit: &str| {
            let told = [ReverseProxy::Nginx, ReverseProxy::Go].map(|proxy| {
                let value = of(proxy, value);
                let value = value.map_or_else(
                    || "not on this machine".to_owned(),
                    |value| Figure::new("", value, unit).quantity(),
                );
                format!("{}: {value}", proxy.name())
            });
            told.join("; ")
        };
        let rate = |it: &Measured| it.pushed.per_second();
        let p50 = |it: &Measured| it.pushed.p50_ms;
        let p99 = |it: &Measured| it.pushed.p99_ms;
        let efficiency = |it: &Measured| count(it.pushed.pushes) / (it.cpu_ms / 1000.0);
        for (name, value, unit) in [
            ("pushes per second", rate as fn(&Measured) -> f64, "/s"),
            ("p50", p50, "ms"),
            ("p99", p99, "ms"),
            ("pushes per second of CPU time", efficiency, "/s"),
        ] {
            if let Some(own) = of(ReverseProxy::Worker, value) {
                let figure = Figure::new(format!("{what}: {name}"), own, unit);
                figures.push(figure.against(others(value, unit)));
            }
        }
        let ratio = |value: fn(&Measured) -> f64| {
            Some(of(ReverseProxy::Worker, value)? / of(ReverseProxy::Nginx, value)?)
        };
        figures.push(
            Figure::or_missing(
                format!("{what}: pushes per second, divided by nginx's"),
                ratio(rate),
                "",
            )
            .at_least(1.0),
        );
        figures.push(
            Figure::or_missing(format!("{what}: p99, divided by nginx's"), ratio(p99), "")
                .at_most(1.0),
        );
        let cost = |proxy| Some(1000.0 / of(proxy, efficiency)? * 1000.0);
        if let (Some(own), Some(telling), Some(quiet)) = (
            cost(ReverseProxy::Worker),
            cost(ReverseProxy::Notifying),
            cost(ReverseProxy::WithoutLog),
        ) {
            let figure = Figure::new(format!("{what}: CPU time of a push"), own, "µs");
            figures.push(figure.against(format!(
                "with a notification: {telling:.0} µs; without its log line: {quiet:.0} µs"
            )));
        }
    }
    for proxy in ReverseProxy::ALL {
        let own = |value: fn(&Started) -> f64| {
            median(started.iter().filter(|it| it.proxy == proxy).map(value))
        };
        let loaded = median(
            measured
                .iter()
                .filter(|it| it.proxy == proxy)
                .map(|it| it.loaded_mib),
        );
        let (Some(ready), Some(idle), Some(loaded)) =
            (own(|it| it.ready_ms), own(|it| it.idle_mib), loaded)
        else {
            continue;
        };
        let name = proxy.name();
        let mut start = Figure::new(format!("{name}: start to ready"), ready, "ms");
        let mut memory = Figure::new(format!("{name}: memory, idle"), idle, "MiB")
            .against(format!("loaded: {loaded:.1} MiB"));
        if proxy == ReverseProxy::Worker {
            start = start.at_most(50.0);
            memory = memory.at_most(12.0);
        }
        figures.extend([start, memory]);
    }
    figures
}
