//! The namespace of the incidents' chains.

use testkit::eventually;

use crate::cluster::{apply, kubectl, list};
use crate::harness::ALL_END;
use crate::plugin;

pub const NAMESPACE: &str = plugin::ONCALL_NAMESPACE;

/// Applies a chain, and waits until it is ready.
pub async fn apply_chain(name: &str, manifest: &str) -> anyhow::Result<()> {
    apply(manifest).await?;
    let chain = format!("chain/{name}");
    let wait = ["wait", "--for=condition=Ready", &chain];
    let within = ["-n", NAMESPACE, "--timeout=60s"];
    kubectl(&[&wait[..], &within].concat()).await.map(drop)
}

/// Deletes it, and waits until its pods are gone.
pub async fn delete_chain(name: &str) -> anyhow::Result<()> {
    kubectl(&["delete", "chain", name, "-n", NAMESPACE]).await?;
    eventually("no pod", ALL_END, async || {
        let left = list(&["pods", "-n", NAMESPACE]).await?.len();
        anyhow::ensure!(left == 0, "{left}");
        Ok(())
    })
    .await;
    Ok(())
}
