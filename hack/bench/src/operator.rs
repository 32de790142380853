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
use crate::usage::Usage;

const PATIENCE: Duration = Duration::from_secs(5);

/// An operator.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    admin: String,
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
        Usage::of(self.process.pid())
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// The answer to a GET, its head included.
pub async fn get(addr: &str, path: &str) -> std::io::Result<String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
