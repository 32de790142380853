//! Worker: the way of a push through it, beside what proxies and does nothing else.

pub mod create;
mod figures;
pub mod handler;
pub mod isolation;
pub mod pinned;
pub mod push;
pub mod reverse_proxy;

use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use crate::figure::Figure;
use crate::worker::figures::{Load, Measured, Started};
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

impl Options {
    fn loads(&self) -> Vec<Load> {
        let of_size = |size: usize| {
            let connections = self.connections.iter();
            connections.map(move |&connections| Load { size, connections })
        };
        self.sizes.iter().copied().flat_map(of_size).collect()
    }
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
            for load in options.loads() {
                let Load { size, connections } = load;
                // Not measured: connections to the handler are made, and memory is taken.
                let warm = pinned::push(running.addr, connections, size, 300, next, 200).await?;
                let before = running.usage()?;
                let to = running.addr;
                let pushed =
                    pinned::push(to, connections, size, options.millis, warm.next, 200).await?;
                let after = running.usage()?;
                next = pushed.next;
                println!(
                    "  round {round}: {}, {load}: {:.0}/s",
                    proxy.name(),
                    pushed.per_second()
                );
                measured.push(Measured {
                    proxy,
                    load,
                    pushed,
                    cpu_ms: after.cpu_ms - before.cpu_ms,
                    loaded_mib: after.resident_mib,
                });
            }
        }
    }
    let mut figures = figures::figures(&options.loads(), &measured, &started);
    figures.push(isolation::figure()?);
    Ok(figures)
}
