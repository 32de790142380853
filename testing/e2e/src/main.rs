//! The end-to-end test, on the cluster that `testing/e2e/run` has made: what an engineer does with a chain
//! in its life, with tasks under way, and what becomes of each task.
//!
//! Google's service can't be had here: an emulator of it is a process beside the cluster, and pods find
//! it by a Service's name.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod account;
mod cluster;
mod deeds;
mod dispatches;
mod ends;
mod install;
mod load;
mod processes;
mod seen;
mod stage;
mod starts;

use std::path::PathBuf;

use clap::Parser;

use crate::stage::Stage;

#[derive(Debug, Parser)]
struct Args {
    /// The node's address, where pods reach what is outside
    #[arg(long)]
    node_address: std::net::IpAddr,

    /// The folder of the run
    #[arg(long)]
    state: PathBuf,

    /// Tasks that are put each second
    #[arg(long, default_value_t = 40)]
    rate: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    let stage = Stage::open(args.node_address, &args.state).await?;
    install::helm(&stage).await?;
    install::chain(&stage).await?;

    let load = stage.begin(args.rate).await?;
    deeds::edit_a_rate(&stage).await?;
    deeds::roll_the_handler(&stage).await?;
    deeds::a_broken_handler(&stage).await?;
    deeds::drain_the_node(&stage).await?;
    // From here on work is cut off in the middle.
    deeds::kill_pods(&stage).await?;
    deeds::lose_the_leader(&stage).await?;
    load.stop().await?;
    stage.account_for_all().await?;

    deeds::delete_the_chain(&stage).await?;
    deeds::uninstall(&stage).await?;
    stage.say("all is well");
    Ok(())
}
