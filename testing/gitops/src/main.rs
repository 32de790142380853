//! `make gitops`: overrides that come and go while `GitOps` tools apply their chains.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use clap::Parser;
use gitops::{Run, run};
use testkit::ApiServer;

/// Creates and ends overrides of two chains that `GitOps` tools apply each second.
#[derive(Debug, Parser)]
struct Args {
    /// Overrides of each chain that are ended by hand.
    #[arg(long, default_value_t = 17)]
    undone: usize,
    /// Overrides of each chain that end by themselves after a minute.
    #[arg(long, default_value_t = 8)]
    expiring: usize,
    /// Seconds for which an override stays until it is ended by hand.
    #[arg(long, default_value_t = 17)]
    hold: u64,
    /// Seconds until the next one.
    #[arg(long, default_value_t = 17)]
    rest: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let begin = Instant::now();
    let settings = Run {
        undone: args.undone,
        expiring: args.expiring,
        hold: Duration::from_secs(args.hold),
        rest: Duration::from_secs(args.rest),
    };
    let report = run(ApiServer::shared_with_crd().await, settings).await?;
    println!("{report}, {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}
