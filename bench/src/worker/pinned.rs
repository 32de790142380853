//! What takes part beside the one that is measured: on a core of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint, QueuePath, QueueSettings};
use serde::de::DeserializeOwned;
use testkit::{Process, free_addr};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::testbed::program;
use crate::worker::push::Pushed;

/// The core of who is measured.
const MEASURED: &str = "0";
/// The core of all the rest.
const ASIDE: &str = "1";

pub fn two_cores() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    anyhow::ensure!(cores > 1, "it takes two cores: one for who is measured");
    anyhow::ensure!(
        installed("taskset").is_some(),
        "taskset is missing: it is in the package util-linux"
    );
    Ok(())
}

pub fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/sbin".into());
    let mut places = folders.into_iter().map(|folder| folder.join(name));
    places.find(|place| place.is_file())
}

pub fn measured(program: impl AsRef<OsStr>) -> Command {
    on(MEASURED, program)
}

fn on(core: &str, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]).arg(program);
    command
}

/// A handler on the other core, which answers with this status.
pub async fn serve(status: u16) -> anyhow::Result<(SocketAddr, Process)> {
    let addr = free_addr();
    let mut command = on(ASIDE, program("bench")?);
    command.args(["serve", "--listen", &addr.to_string()]);
    command.args(["--status", &status.to_string()]);
    let process = Process::spawn_unlogged(&command);
    reached(addr).await?;
    Ok((addr, process))
}

pub async fn emulate() -> anyhow::Result<(SocketAddr, Process)> {
    let addr = free_addr();
    let mut command = on(ASIDE, program("executor-chain")?);
    command.args(["emulator", "--listen", &addr.to_string()]);
    let process = Process::spawn_unlogged(&command);
    reached(addr).await?;
    Ok((addr, process))
}

/// Pushes from the other core, by a process of its own.
pub async fn push(
    to: SocketAddr,
    connections: usize,
    size: usize,
    millis: u64,
    first: u64,
    expect: u16,
) -> anyhow::Result<Pushed> {
    let mut command = on(ASIDE, program("bench")?);
    command.args(["push", "--to", &to.to_string()]);
    command.args(["--connections", &connections.to_string()]);
    command.args(["--size", &size.to_string(), "--millis", &millis.to_string()]);
    command.args([
        "--first",
        &first.to_string(),
        "--expect",
        &expect.to_string(),
    ]);
    json_output_of(command).await
}

/// What a program says in its last line, as JSON.
pub async fn json_output_of<T: DeserializeOwned>(command: Command) -> anyhow::Result<T> {
    let output = tokio::process::Command::from(command).output().await?;
    anyhow::ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().context("a program said nothing")?;
    Ok(serde_json::from_str(last)?)
}

async fn reached(addr: SocketAddr) -> anyhow::Result<()> {
    for _ in 0..1000 {
        if TcpStream::connect(addr).await.is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("nobody listens on {addr}")
}

/// A queue of that name, which dispatches nothing.
pub async fn paused(emulator: SocketAddr, id: &str) -> anyhow::Result<QueuePath> {
    let cloud_tasks = CloudTasks::connect(&Endpoint::Emulator(emulator.to_string())).await?;
    let queue: QueuePath = format!("projects/demo/locations/europe-west1/queues/{id}").parse()?;
    cloud_tasks
        .create_queue(&queue, &QueueSettings::default())
        .await?;
    cloud_tasks.pause_queue(&queue).await?;
    Ok(queue)
}
