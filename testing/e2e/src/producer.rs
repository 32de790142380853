//! The producer: Google's own client in Python, at a steady rate.

use std::process::Stdio;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

pub struct Producer {
    child: Child,
    input: ChildStdin,
    reading: JoinHandle<()>,
}

impl Producer {
    /// Creates so many tasks a second in a queue, and says the number of each.
    pub fn start(
        cloud_tasks: &str,
        queue: &str,
        rate: u32,
        created: impl Fn(usize) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let python = std::env::var("EXECUTOR_CHAIN_PYTHON").context("no Python was named")?;
        let mut child = Command::new(python)
            .arg("hack/python/load.py")
            .args([cloud_tasks, "demo", "europe-west1", queue])
            .arg(rate.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the producer can't be started")?;
        let input = child.stdin.take().context("it has an input")?;
        let output = child.stdout.take().context("it has an output")?;
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(task) = line.trim().parse() {
                    created(task);
                }
            }
        });
        Ok(Self {
            child,
            input,
            reading,
        })
    }

    /// No more tasks; all that Cloud Tasks has taken are entered then.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.input);
        let ended = self.child.wait().await?;
        anyhow::ensure!(ended.success(), "the producer has failed");
        self.reading.await?;
        Ok(())
    }
}
