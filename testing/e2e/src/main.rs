//! The end-to-end test, on the cluster that `testing/e2e/run` has made: what an engineer does with a chain
//! in its life, with tasks in flight, and what becomes of each task.
//!
//! Google's service can't be had here: an emulator of it is a process beside the cluster, and pods find
//! it by a Service's name.

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod attempts;
mod billing;
mod cluster;
mod counts;
mod dispatches;
mod harness;
mod incident;
mod install;
mod invoices;
mod oncall;
mod plugin;
mod processes;
mod producer;
mod redrive;
mod scenario;
mod servers;
mod startup_times;

use std::path::PathBuf;

use clap::Parser;

use crate::harness::Harness;
use crate::plugin::Plugin;

#[derive(Debug, Parser)]
struct Args {
    /// The node's address, where pods reach what is outside
    #[arg(long)]
    node_address: std::net::IpAddr,

    /// The folder of the run
    #[arg(long)]
    state: PathBuf,

    /// Tasks that are created each second
    #[arg(long, default_value_t = 40)]
    rate: u32,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let args = Args::parse();
    let harness = Harness::start(args.node_address, &args.state).await?;
    install::helm(&harness).await?;
    install::chain(&harness).await?;

    let producer = harness.begin(args.rate).await?;
    scenario::edit_a_rate(&harness).await?;
    let plugin = Plugin::install(&args.state)?;
    plugin::kubectl_chain(&harness, &plugin).await?;
    let account = oncall::account(&plugin).await?;
    incident::from_the_page_to_a_proof(&harness, &plugin, &account).await?;
    redrive::from_the_page_to_new_lives(&harness, &plugin, &account).await?;
    scenario::roll_the_handler(&harness).await?;
    scenario::a_broken_handler(&harness).await?;
    scenario::a_wrong_port(&harness).await?;
    scenario::an_exhausted_quota(&harness).await?;
    scenario::drain_the_node(&harness).await?;
    // From here on work is cut off in the middle.
    scenario::kill_pods(&harness).await?;
    scenario::lose_the_leader(&harness).await?;
    producer.stop().await?;
    harness.account_for_all().await?;

    scenario::delete_the_chain(&harness).await?;
    scenario::uninstall(&harness).await?;
    harness.say("all is well");
    Ok(())
}
