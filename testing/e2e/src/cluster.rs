//! kubectl and helm, as a person types them.

use std::process::Command;

use serde_json::Value;
use testkit::kubectl::finish;

/// Runs a command to its end, with this input, and gives what it prints.
async fn typed(program: &str, words: &[&str], input: &str) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(words);
    let ended = finish(command, input).await;
    anyhow::ensure!(ended.ok, "{program} {}: {}", words.join(" "), ended.stderr);
    Ok(ended.stdout)
}

pub async fn kubectl(words: &[&str]) -> anyhow::Result<String> {
    typed("kubectl", words, "").await
}

pub async fn apply(manifest: &str) -> anyhow::Result<()> {
    typed("kubectl", &["apply", "-f", "-"], manifest)
        .await
        .map(drop)
}

pub async fn helm(words: &[&str]) -> anyhow::Result<String> {
    typed("helm", words, "").await
}

pub async fn get(words: &[&str]) -> anyhow::Result<Value> {
    let words = [&["get"], words, &["-o", "json"]].concat();
    Ok(serde_json::from_str(&kubectl(&words).await?)?)
}

pub async fn list(words: &[&str]) -> anyhow::Result<Vec<Value>> {
    let mut list = get(words).await?;
    match list["items"].take() {
        Value::Array(items) => Ok(items),
        _ => Ok(Vec::new()),
    }
}

pub async fn workers() -> anyhow::Result<Vec<(String, String)>> {
    let pods = list(&[
        "pods",
        "-n",
        "shop",
        "-l",
        "executor-chain.dev/chain=orders",
    ])
    .await?;
    let text = |pod: &Value, key: &str| pod["metadata"][key].as_str().unwrap_or("").to_owned();
    let mut pods: Vec<_> = pods
        .iter()
        .map(|pod| (text(pod, "name"), text(pod, "uid")))
        .collect();
    pods.sort();
    Ok(pods)
}
