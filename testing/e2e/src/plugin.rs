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

/// Whom the chart's value `rbac.viewers` names.
pub const VIEWER: &str =
    r#"rbac.viewers=[{"kind":"ServiceAccount","name":"viewer","namespace":"shop"}]"#;
/// Who may see what is in the namespace of the chain alone.
const STRANGER: &str = "stranger";

/// The leader's numbers are seen, and what is missing where they can't be.
pub async fn kubectl_chain(harness: &Harness, state: &Path) -> anyhow::Result<()> {
    let folder = state.join("run/plugin");
    std::fs::create_dir(&folder)?;
    let program = std::fs::canonicalize("target/debug/executor-chain")?;
    std::os::unix::fs::symlink(program, folder.join("kubectl-chain"))?;
    let viewer = account(state, "viewer").await?;
    let stranger = account(state, STRANGER).await?;
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
        let seen = chain(&folder, &viewer, &top).await?;
        let list: Value = serde_json::from_str(&seen.stdout)?;
        let first = &list["items"][0]["stages"][0];
        let succeeded = first["workerNumbers"]["runs"]["succeeded"].as_u64();
        anyhow::ensure!(seen.stderr.is_empty(), "{seen:?}");
        anyhow::ensure!(succeeded > Some(0), "{list}");
        Ok(())
    })
    .await;
    let began = Instant::now();
    let seen = chain(&folder, &viewer, &["top", "-A", "--once"]).await?;
    let took = began.elapsed();
    anyhow::ensure!(seen.code == 0 && seen.stdout.contains("orders"), "{seen:?}");
    harness.say(format!(
        "kubectl chain top by a forwarded port, with the chart's roles alone, in {took:.1?}:\n{}",
        seen.stdout.trim_end()
    ));
    let seen = chain(&folder, &viewer, &["why", "orders", "-n", "shop"]).await?;
    // The emulator has no numbers of queues: what isn't found is not known either.
    anyhow::ensure!(
        [2, 3].contains(&seen.code) && seen.stderr.is_empty(),
        "{seen:?}"
    );

    let missing = "you lack the right to list pods in namespace executor-chain";
    let seen = chain(&folder, &stranger, &["top", "-n", "shop"]).await?;
    anyhow::ensure!(seen.code == 0 && seen.stdout.contains("orders"), "{seen:?}");
    anyhow::ensure!(seen.stderr.contains(missing), "{seen:?}");
    let seen = chain(&folder, &stranger, &["why", "orders", "-n", "shop"]).await?;
    anyhow::ensure!(seen.code == 4 && seen.stderr.contains(missing), "{seen:?}");
    harness.say(format!("and without them: {}", seen.stderr.trim_end()));
    Ok(())
}

/// A kubeconfig file of a service account.
async fn account(state: &Path, name: &str) -> anyhow::Result<PathBuf> {
    kubectl(&["create", "serviceaccount", name, "-n=shop"]).await?;
    let token = kubectl(&["create", "token", name, "-n=shop"]).await?;
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
    let file = state.join(format!("{name}.kubeconfig"));
    std::fs::write(&file, config.to_string())?;
    Ok(file)
}

#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// Runs `kubectl chain`, as this account.
async fn chain(folder: &Path, kubeconfig: &Path, words: &[&str]) -> anyhow::Result<Ended> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([folder.to_owned()]);
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
