//! Kubernetes' garbage collector, which deletes what a deleted object owns.

use std::process::Command;

use crate::api_server::ApiServer;
use crate::binaries::controller_manager;
use crate::process::Process;

/// The garbage collector of one API server, of kube-controller-manager's controllers the only one that
/// runs. It ends with this. One that others share would surprise them.
#[derive(Debug)]
pub struct GarbageCollector(Process);

impl GarbageCollector {
    /// Starts it. It is soon at work: wait for what it does.
    pub fn start(server: &ApiServer) -> Self {
        let mut command = Command::new(controller_manager());
        command
            .arg("--kubeconfig")
            .arg(server.kubeconfig())
            .args(["--controllers=garbage-collector-controller"])
            .args(["--leader-elect=false", "--secure-port=0"]);
        Self(Process::spawn(&command))
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.0.log_tail()
    }
}
