//! An operator's process, seen from outside: ours, or the one that it stands beside.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use testkit::{Counters, Process, free_addr};

use crate::usage::Usage;

/// So long an operator may take to leave.
const LEAVE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    Ours,
    /// The one in Go, with controller-runtime: `bench/peer-go`.
    Peer,
}

impl Implementation {
    pub fn program(self) -> &'static str {
        match self {
            Self::Ours => "executor-operator",
            Self::Peer => "go-peer",
        }
    }

    fn metrics_flag(self) -> &'static str {
        match self {
            Self::Ours => "--admin-addr",
            Self::Peer => "--metrics-addr",
        }
    }

    fn rounds(self) -> &'static str {
        match self {
            Self::Ours => "executor_operator_reconciles_total",
            Self::Peer => "controller_runtime_reconcile_total",
        }
    }

    /// What is 1 where it leads.
    fn leads(self) -> &'static str {
        match self {
            Self::Ours => "executor_operator_leader",
            Self::Peer => "leader_election_master_status",
        }
    }
}

#[derive(Debug)]
pub struct Operator {
    process: Process,
    implementation: Implementation,
    admin: SocketAddr,
}

impl Operator {
    /// Starts one with its default settings: addresses are all that it is told, and `more`.
    pub fn start(
        implementation: Implementation,
        program: &Path,
        kubeconfig: &Path,
        cloud_tasks: &str,
        more: &[&str],
    ) -> Self {
        let admin = free_addr();
        let mut command = Command::new(program);
        command
            .args([implementation.metrics_flag(), &admin.to_string()])
            .args(["--emulator-host", cloud_tasks])
            .args(more)
            .env("KUBECONFIG", kubeconfig);
        Self {
            process: Process::spawn(&command),
            implementation,
            admin,
        }
    }

    /// Asks it to leave, as Kubernetes does, and waits until it has.
    pub async fn leave(self) {
        self.process.terminate();
        self.process.exit(LEAVE).await;
    }

    pub async fn rounds(&self) -> anyhow::Result<f64> {
        let counters = self.counters().await?;
        Ok(counters.total(self.implementation.rounds()))
    }

    pub async fn leads(&self) -> bool {
        let counters = self.counters().await;
        counters.is_ok_and(|it| it.total(self.implementation.leads()) > 0.0)
    }

    pub async fn counters(&self) -> anyhow::Result<Counters> {
        let counters = testkit::counters(self.admin).await;
        counters.with_context(|| format!("the operator's metrics:\n{}", self.process.log_tail()))
    }

    /// Where it serves metrics and live numbers.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    pub fn usage(&self) -> anyhow::Result<Usage> {
        Usage::of(self.process.pid())
    }

    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
