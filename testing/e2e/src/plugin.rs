//! `kubectl chain`, by a forwarded port of a real kubelet: with the chart's roles for viewers and nothing
//! more, and without them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};
use testkit::eventually;

use crate::cluster::kubectl;
use crate::harness::{Harness, SOON};

/// Whom the chart's value `rbac.viewers` names: one who views, and one who is on call too.
pub const VIEWERS: &str = r#"rbac.viewers=[
    {"kind":"ServiceAccount","name":"viewer","namespace":"shop"},
    {"kind":"ServiceAccount","name":"oncall","namespace":"billing"}]"#;
/// Whom the chart's value `rbac.oncall` names.
pub const ONCALL: &str =
    r#"rbac.oncall=[{"kind":"ServiceAccount","name":"oncall","namespace":"billing"}]"#;
/// Where that account is, and the chain of its incident.
pub const ONCALL_NAMESPACE: &str = "billing";
/// Who may see what is in the namespace of the chain alone.
const STRANGER: &str = "stranger";

/// `kubectl chain`, where kubectl finds it.
pub struct Plugin {
    folder: PathBuf,
    state: PathBuf,
}

impl Plugin {
    pub fn install(state: &Path) -> anyhow::Result<Self> {
        let folder = state.join("run/plugin");
        std::fs::create_dir(&folder)?;
        let program = std::fs::canonicalize("target/debug/executor-chain")?;
        std::os::unix::fs::symlink(program, folder.join("kubectl-chain"))?;
        let state = state.to_owned();
        Ok(Self { folder, state })
    }

    /// A kubeconfig file of a new service account, in its namespace.
    pub async fn account(&self, namespace: &str, name: &str) -> anyhow::Result<PathBuf> {
        let within = format!("--namespace={namespace}");
        kubectl(&["create", "serviceaccount", name, &within]).await?;
        let token = kubectl(&["create", "token", name, &within]).await?;
        let view = [
            "config",
            "view",
            "--raw",
            "--minify",
            "--flatten",
            "-o",
            "json",
        ];
        let mut config: Value = serde_json::from_str(&kubectl(&view).await?)?;
        config["users"][0]["user"] = json!({"token": token.trim()});
        config["contexts"][0]["context"]["namespace"] = namespace.into();
        let file = self.state.join(format!("{name}.kubeconfig"));
        std::fs::write(&file, config.to_string())?;
        Ok(file)
    }

    /// Runs `kubectl chain`, as this account.
    pub async fn run(&self, kubeconfig: &Path, words: &[&str]) -> anyhow::Result<Ended> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([self.folder.clone()]);
        let mut command = Command::new("kubectl");
        command
            .arg("chain")
            .args(words)
            .env("PATH", std::env::join_paths(folders)?)
            .env("KUBECONFIG", kubeconfig);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        Ok(Ended {
            code: output.status.code().context("kubectl was killed")?,
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }
}

#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The leader's numbers are seen, and what is missing where they can't be.
pub async fn kubectl_chain(harness: &Harness, plugin: &Plugin) -> anyhow::Result<()> {
    let viewer = plugin.account("shop", "viewer").await?;
    let stranger = plugin.account("shop", STRANGER).await?;
    let subject = format!("--serviceaccount=shop:{STRANGER}");
    let bind = [
        "create",
        "rolebinding",
        STRANGER,
        "-n=shop",
        "--clusterrole=view",
    ];
    kubectl(&[&bind[..], &[&subject]].concat()).await?;

    let top = ["top", "-A", "-o", "json"];
    eventually("live numbers of a worker", SOON, async || {
        let seen = plugin.run(&viewer, &top).await?;
        let list: Value = serde_json::from_str(&seen.stdout)?;
        let first = &list["items"][0]["stages"][0];
        let succeeded = first["workerNumbers"]["runs"]["succeeded"].as_u64();
        anyhow::ensure!(seen.stderr.is_empty(), "{seen:?}");
        anyhow::ensure!(succeeded > Some(0), "{list}");
        Ok(())
    })
    .await;
    let began = Instant::now();
    let seen = plugin.run(&viewer, &["top", "-A", "--once"]).await?;
    let took = began.elapsed();
    anyhow::ensure!(seen.code == 0 && seen.stdout.contains("orders"), "{seen:?}");
    harness.say(format!(
        "kubectl chain top by a forwarded port, with the chart's roles alone, in {took:.1?}:\n{}",
        seen.stdout.trim_end()
    ));
    let seen = plugin
        .run(&viewer, &["why", "orders", "-n", "shop"])
        .await?;
    // The emulator has no numbers of queues: what isn't found is not known either.
    anyhow::ensure!(
        [2, 3].contains(&seen.code) && seen.stderr.is_empty(),
        "{seen:?}"
    );

    let missing = "you lack the right to list pods in namespace executor-chain";
    let seen = plugin.run(&stranger, &["top", "-n", "shop"]).await?;
    anyhow::ensure!(seen.code == 0 && seen.stdout.contains("orders"), "{seen:?}");
    anyhow::ensure!(seen.stderr.contains(missing), "{seen:?}");
    let seen = plugin
        .run(&stranger, &["why", "orders", "-n", "shop"])
        .await?;
    anyhow::ensure!(seen.code == 4 && seen.stderr.contains(missing), "{seen:?}");
    harness.say(format!("and without them: {}", seen.stderr.trim_end()));
    Ok(())
}
