//! helm, the way a person uses it.

use std::path::Path;
use std::process::Command;

use crate::binaries::helm;
use crate::kubectl::{self, Kubectl};

/// Runs helm without a cluster: `template`, `lint`.
pub async fn without_a_cluster(args: &[&str]) -> Kubectl {
    run(Path::new("/dev/null"), args).await
}

/// Runs helm with the rights of a kubeconfig file.
pub(crate) async fn run(kubeconfig: &Path, args: &[&str]) -> Kubectl {
    let mut command = Command::new(helm());
    command.args(args).env("KUBECONFIG", kubeconfig);
    // What a person has set up, plugins and repositories, is not part of a test.
    for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(home, kubeconfig.with_file_name("helm"));
    }
    kubectl::finish(command, "").await
}
