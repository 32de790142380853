//! The operator's process, which crashes and is started again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use testkit::{Process, counters, free_addr, operator};
use tokio::task::spawn_blocking;

/// Short times, so that a row takes seconds.
const ARGUMENTS: &[&str] = &[
    "--queue-poll-interval=500ms",
    "--gate-after=2s",
    "--address-delay=1s",
    "--hand-over-time=1s",
    // The next run would wait for the lease of the one before.
    "--leader-election=false",
];
/// After so many looks at the queues without a step there is none to come.
const LOOKS: f64 = 3.0;
/// 128 + SIGKILL.
const KILLED: i32 = 137;
/// The kernel ends a process at once, on a busy machine a little later.
const END: Duration = Duration::from_secs(10);

/// When the operator crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// By itself, after each single step. It takes the feature `dies-after-a-step`.
    AfterEachStep,
    /// By a kill from outside, as soon as a step is seen in its log.
    AtFirstStep,
    /// Not at all.
    Never,
}

/// The operator.
pub struct Operator {
    command: Command,
    crash: Crash,
    starts: usize,
    past: Vec<String>,
    run: Run,
}

struct Run {
    process: Process,
    admin: SocketAddr,
    steps: Vec<String>,
}

impl Operator {
    /// Starts it for one namespace. It runs until [`Self::begin`].
    pub async fn start(
        kubeconfig: &Path,
        namespace: &str,
        cloud_tasks: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut command = operator::command(kubeconfig, namespace, &cloud_tasks.to_string());
        command.args(ARGUMENTS);
        Ok(Self {
            run: Run::begin(&command, Crash::Never).await?,
            command,
            crash: Crash::Never,
            starts: 1,
            past: Vec::new(),
        })
    }

    /// From now on it crashes so, and its runs are counted from here.
    pub async fn begin(&mut self, crash: Crash) -> anyhow::Result<()> {
        self.crash = crash;
        self.again().await?;
        self.starts = 1;
        self.past.clear();
        Ok(())
    }

    /// Ends what is to end, and starts what has ended.
    pub async fn tend(&mut self) -> anyhow::Result<()> {
        let code = self.run.process.exit_code();
        // After the look at the process: of one that has ended this is all.
        self.run.steps = steps(&self.run.process.log());
        if code.is_some_and(|code| code != KILLED) {
            anyhow::bail!("the operator ended by itself: {}", self.log_tail());
        }
        let is_seen = self.crash == Crash::AtFirstStep && !self.run.steps.is_empty();
        if code.is_some() || is_seen {
            self.again().await?;
        }
        Ok(())
    }

    async fn again(&mut self) -> anyhow::Result<()> {
        let process = &self.run.process;
        if process.exit_code().is_none() {
            process.kill9();
            process.exit(END).await;
        }
        // It may have gone on since it was looked at.
        self.past.extend(steps(&process.log()));
        self.run = Run::begin(&self.command, self.crash).await?;
        self.starts += 1;
        Ok(())
    }

    /// Whether a run of it that has done nothing finds nothing to do. One that has done something
    /// gives way to another.
    pub async fn is_idle(&mut self) -> anyhow::Result<bool> {
        let Ok(counters) = counters(self.run.admin).await else {
            return Ok(false);
        };
        let has_looked = counters.total("executor_operator_queue_lists_total") >= LOOKS
            && counters.total("executor_operator_reconciles_total") > 0.0;
        if has_looked && !self.run.steps.is_empty() {
            self.again().await?;
            return Ok(false);
        }
        Ok(has_looked)
    }

    /// Where it answers questions.
    pub fn admin(&self) -> SocketAddr {
        self.run.admin
    }

    /// How often this run has looked at the queues, and nothing before it has looked at a chain.
    pub async fn looks(&self) -> Option<f64> {
        let counters = counters(self.run.admin).await.ok()?;
        let has_reconciled = counters.total("executor_operator_reconciles_total") > 0.0;
        has_reconciled.then(|| counters.total("executor_operator_queue_lists_total"))
    }

    /// How many runs it has had.
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// The steps of all of them.
    pub fn steps(&self) -> Vec<String> {
        self.past.iter().chain(&self.run.steps).cloned().collect()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.run.process.log_tail()
    }
}

impl Run {
    async fn begin(command: &Command, crash: Crash) -> anyhow::Result<Self> {
        let admin = free_addr();
        let mut own = Command::new(command.get_program());
        own.args(command.get_args())
            .args(["--admin-addr", &admin.to_string()]);
        for (name, value) in command.get_envs() {
            own.env(name, value.unwrap_or_default());
        }
        if crash == Crash::AfterEachStep {
            own.env("EXECUTOR_OPERATOR_STEPS", "1");
        }
        Ok(Self {
            process: spawn_blocking(move || Process::spawn(&own)).await?,
            admin,
            steps: Vec::new(),
        })
    }
}

#[derive(Deserialize)]
struct Line {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    message: String,
    step: String,
}

/// The steps that a log tells of.
fn steps(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains("applied"));
    lines
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .filter(|line| line.fields.message == "applied")
        .map(|line| line.fields.step)
        .collect()
}
