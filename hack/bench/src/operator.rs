//! The operator's process, seen from outside.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use testkit::{Process, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::counters::{Counters, body};

const PATIENCE: Duration = Duration::from_secs(5);

/// A tick of the times in /proc. Only a C call could ask for it, and Linux has had this one on all
/// machines that we run on.
const TICK_MS: f64 = 10.0;

/// An operator.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    admin: String,
}

/// What it has used up.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu_ms: f64,
    pub resident_mib: f64,
}

impl Operator {
    /// Starts one with its default settings: addresses are all that it is told.
    pub fn start(program: &Path, kubeconfig: &Path, cloud_tasks: &str) -> Self {
        let admin = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command
            .args(["--admin-addr", &admin])
            .args(["--emulator-host", cloud_tasks])
            .env("KUBECONFIG", kubeconfig);
        Self {
            process: Process::spawn(&command),
            admin,
        }
    }

    /// What it has counted.
    pub async fn counters(&self) -> anyhow::Result<Counters> {
        let answer = timeout(PATIENCE, get(&self.admin, "/metrics"))
            .await
            .context("the operator's metrics take too long")?
            .with_context(|| format!("the operator's metrics:\n{}", self.process.log_tail()))?;
        Ok(Counters::parse(body(&answer)?))
    }

    /// Time on the processor so far, and memory now.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let read = |file: &str| {
            let path = format!("/proc/{}/{file}", self.process.pid());
            std::fs::read_to_string(path).context("the operator has ended")
        };
        let stat = read("stat")?;
        // After the name, which may hold spaces: the state is the third field of all.
        let (_, rest) = stat.rsplit_once(')').context("no name in /proc")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|it| it.parse::<f64>().ok());
        let (user, system) = (ticks(11), ticks(12));
        let status = read("status")?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|it| it.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(Usage {
            cpu_ms: (user.context("no time in /proc")? + system.context("no time in /proc")?)
                * TICK_MS,
            resident_mib: resident.context("no memory in /proc")? / 1024.0,
        })
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

async fn get(addr: &str, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
