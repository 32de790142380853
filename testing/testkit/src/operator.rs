//! The operator under test.

use std::path::Path;
use std::process::Command;

use crate::binaries::binary;

/// Starts the operator of one namespace, with the rights of `kubeconfig` and Cloud Tasks at
/// `cloud_tasks`. Its admin address, and what else a test wants, are the caller's.
pub fn command(kubeconfig: &Path, namespace: &str, cloud_tasks: &str) -> Command {
    let mut command = Command::new(binary("executor-operator"));
    command
        .args(["--cluster", "test", "--namespace", namespace])
        .args(["--emulator-host", cloud_tasks])
        .args(["--worker-image", "executor-worker:test"])
        .env("KUBECONFIG", kubeconfig);
    command
}
