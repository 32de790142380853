//! The operator's process, which is killed and started again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::{Process, free_addr, operator};
use tokio::task::spawn_blocking;

/// The kernel ends a process at once, on a busy machine a little later.
const END: Duration = Duration::from_secs(10);

/// The operator.
pub struct Operator {
    command: Vec<String>,
    kubeconfig: std::path::PathBuf,
    process: Process,
}

impl Operator {
    /// Starts it for one namespace.
    pub async fn start(
        kubeconfig: &Path,
        namespace: &str,
        cloud_tasks: SocketAddr,
    ) -> anyhow::Result<Self> {
        let command = operator::command(kubeconfig, namespace, &cloud_tasks.to_string());
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| word.to_string_lossy().into_owned());
        let command: Vec<String> = words.collect();
        Ok(Self {
            process: begin(command.clone(), kubeconfig.to_owned()).await?,
            command,
            kubeconfig: kubeconfig.to_owned(),
        })
    }

    /// Ends it by SIGKILL, and starts another.
    pub async fn again(&mut self) -> anyhow::Result<()> {
        self.process.kill9();
        self.process.exit(END).await;
        self.process = begin(self.command.clone(), self.kubeconfig.clone()).await?;
        Ok(())
    }
}

async fn begin(words: Vec<String>, kubeconfig: std::path::PathBuf) -> anyhow::Result<Process> {
    let admin = free_addr().to_string();
    let started = spawn_blocking(move || {
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            // The next one would wait for the lease of the one before.
            .args(["--queue-poll-interval=500ms", "--leader-election=false"])
            .args(["--admin-addr", &admin])
            .env("KUBECONFIG", kubeconfig);
        Process::spawn(&command)
    });
    Ok(started.await?)
}
