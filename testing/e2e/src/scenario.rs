//! What is done to the chain while tasks are under way.

use std::time::{Duration, Instant};

use anyhow::Context;
use cloudtasks::QueueState;
use serde_json::{Value, json};
use testkit::eventually;

use crate::cluster::{get, helm, kubectl, list, workers};
use crate::harness::{Harness, SOON};
use crate::install::is_ready;
use crate::processes;

/// Longer than a rollout of all stages takes, each pod with its time to drain.
const ROLLED: Duration = Duration::from_mins(3);

async fn patch(patch: &Value) -> anyhow::Result<()> {
    let words = ["patch", "chain", "orders", "-n=shop", "--type=json", "-p"];
    kubectl(&[&words[..], &[&patch.to_string()]].concat())
        .await
        .map(drop)
}

async fn set_rate(rate: u32) -> anyhow::Result<()> {
    let path = "/spec/stages/0/rateLimits/maxDispatchesPerSecond";
    patch(&json!([{"op": "replace", "path": path, "value": rate}])).await
}

async fn rate_is(harness: &Harness, rate: f64) {
    eventually("the rate in force", SOON, async || {
        let found = harness.queue("incoming").await?.max_dispatches_per_second;
        anyhow::ensure!((found - rate).abs() < f64::EPSILON, "{found}");
        Ok(())
    })
    .await;
}

/// The queue has it at once, and no pod knows of it.
pub async fn edit_a_rate(harness: &Harness) -> anyhow::Result<()> {
    let before = workers().await?;
    set_rate(400).await?;
    let began = Instant::now();
    rate_is(harness, 400.0).await;
    let after = began.elapsed();
    is_ready().await;
    anyhow::ensure!(before == workers().await?, "a rate has restarted pods");
    harness.say(format!(
        "a rate was edited: in force {after:.1?} after kubectl returned, no pod restarted"
    ));
    Ok(())
}

/// A rolling update of the handler, of all stages at once.
pub async fn roll_the_handler(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let began = Instant::now();
    set_image("localhost/e2e-handler:2").await?;
    all_have("localhost/e2e-handler:2").await;
    is_ready().await;
    let took = began.elapsed();
    harness.under_load(100).await;
    anyhow::ensure!(
        harness.attempts.has_seen("2"),
        "the new handler has run nothing"
    );
    let since = harness.counts()?.since(before);
    harness.say(format!("the handler was rolled in {took:.0?}: {since}"));
    since.cost_nothing()
}

/// A handler that ends as soon as it has begun gets no further than one pod of each harness.
pub async fn a_broken_handler(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let first = workers().await?;
    set_image("localhost/e2e-handler:broken").await?;
    eventually("new pods that don't start", SOON, async || {
        let pods = list(&["pods", "-n", "shop"]).await?;
        let restarts =
            |pod: &Value| pod["status"]["initContainerStatuses"][0]["restartCount"].as_u64();
        let broken: Vec<_> = pods.iter().filter(|pod| image(pod) == BROKEN).collect();
        let often = broken.iter().filter(|pod| restarts(pod) >= Some(2)).count();
        anyhow::ensure!(often == STAGES, "{often}");
        Ok(())
    })
    .await;
    let now = workers().await?;
    anyhow::ensure!(
        first.iter().all(|pod| now.contains(pod)),
        "a broken handler took a healthy one's place"
    );
    let told = kubectl(&["get", "chain", "orders", "-n=shop", "--no-headers"]).await?;
    harness.say(format!(
        "a broken handler replaced no pod; kubectl get chain: {}",
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    ));
    set_image("localhost/e2e-handler:2").await?;
    all_have("localhost/e2e-handler:2").await;
    is_ready().await;
    harness.under_load(100).await;
    let since = harness.counts()?.since(before);
    harness.say(format!("and was reverted: {since}"));
    since.cost_nothing()
}

const BROKEN: &str = "localhost/e2e-handler:broken";
/// Of the example.
const STAGES: usize = 3;

async fn set_image(image: &str) -> anyhow::Result<()> {
    let path = "/spec/template/spec/containers/0/image";
    patch(&json!([{"op": "replace", "path": path, "value": image}])).await
}

fn image(pod: &Value) -> &str {
    let handler = &pod["spec"]["initContainers"][0]["image"];
    handler.as_str().unwrap_or_default()
}

async fn all_have(wanted: &str) {
    eventually("a rollout's end", ROLLED, async || {
        let pods = list(&["pods", "-n", "shop"]).await?;
        let others = pods.iter().filter(|pod| image(pod) != wanted).count();
        anyhow::ensure!(others == 0, "{others} pods have another handler");
        Ok(())
    })
    .await;
}

/// A pod whose handler listens on another port never gets ready, so it replaces no pod.
pub async fn a_wrong_port(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let first = workers().await?;
    let path = "/spec/stages/0/handler/port";
    patch(&json!([{"op": "add", "path": path, "value": 8081}])).await?;
    eventually(
        "a new pod that the kubelet finds unready",
        SOON,
        async || {
            let events = list(&["events", "-n", "shop"]).await?;
            let now = workers().await?;
            let new: Vec<_> = now.iter().filter(|pod| !first.contains(pod)).collect();
            // Longer than a worker takes to connect to Cloud Tasks.
            let is_unready = |event: &&Value| {
                let pod = event["involvedObject"]["name"].as_str();
                let is_new = new.iter().any(|(name, _)| Some(&**name) == pod);
                is_new && event["reason"] == "Unhealthy" && event["count"].as_u64() >= Some(3)
            };
            anyhow::ensure!(events.iter().any(|event| is_unready(&event)), "{new:?}");
            Ok(())
        },
    )
    .await;
    let now = workers().await?;
    anyhow::ensure!(
        first.iter().all(|pod| now.contains(pod)),
        "a pod without a handler took a healthy one's place"
    );
    patch(&json!([{"op": "remove", "path": path}])).await?;
    is_ready().await;
    harness.under_load(100).await;
    let since = harness.counts()?.since(before);
    harness.say(format!(
        "a wrong port replaced no pod, and was reverted: {since}"
    ));
    since.cost_nothing()
}

/// Pods that the namespace's quota refuses replace no pod either, and the chain says why.
pub async fn an_exhausted_quota(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let first = workers().await?;
    let path = "/spec/workerTemplate";
    let more = json!({"resources": {"requests": {"cpu": "8"}}});
    patch(&json!([{"op": "add", "path": path, "value": more}])).await?;
    let message = eventually("a chain that quotes the quota", SOON, async || {
        let chain = get(&["chain", "orders", "-n", "shop"]).await?;
        let conditions = chain["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let workers = conditions.find(|it| it["type"] == "WorkersReady");
        let workers = workers.context("no WorkersReady")?;
        let message = workers["message"].as_str().unwrap_or_default();
        let is_quoted = message.contains("exceeded quota: compute");
        anyhow::ensure!(workers["reason"] == "PodsRefused" && is_quoted, "{workers}");
        Ok(message.to_owned())
    })
    .await;
    let now = workers().await?;
    anyhow::ensure!(
        first.iter().all(|pod| now.contains(pod)),
        "a refused pod took a healthy one's place"
    );
    patch(&json!([{"op": "remove", "path": path}])).await?;
    is_ready().await;
    harness.under_load(100).await;
    let since = harness.counts()?.since(before);
    harness.say(format!("a quota refused pods: {message}; then {since}"));
    since.cost_nothing()
}

/// As before a node's upgrade: each worker is evicted, and another takes its place. There is one node,
/// so it takes pods again as soon as all were told to go, as the other nodes of a cluster would.
pub async fn drain_the_node(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let first = workers().await?;
    let began = Instant::now();
    let draining = tokio::spawn(async {
        let selector = "--pod-selector=executor-chain.dev/chain=orders";
        kubectl(&["drain", "node", selector, "--timeout=120s"]).await
    });
    eventually("evicted workers", SOON, async || {
        let pods = list(&["pods", "-n", "shop"]).await?;
        let stay = pods
            .iter()
            .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
            .filter(|pod| pod["spec"]["nodeName"].is_string())
            .count();
        anyhow::ensure!(stay == 0, "{stay}");
        Ok(())
    })
    .await;
    kubectl(&["uncordon", "node"]).await?;
    draining.await??;
    is_ready().await;
    let took = began.elapsed();
    let now = workers().await?;
    anyhow::ensure!(
        now.iter().all(|pod| !first.contains(pod)),
        "a pod is still there"
    );
    harness.under_load(100).await;
    let since = harness.counts()?.since(before);
    harness.say(format!(
        "the node was drained of all workers in {took:.0?}: {since}"
    ));
    since.cost_nothing()
}

/// One pod is deleted without a word, and a worker and a handler are killed in two others.
pub async fn kill_pods(harness: &Harness) -> anyhow::Result<()> {
    let before = harness.counts()?;
    let pods = workers().await?;
    let (victim, _) = pods.first().context("no worker")?;
    let force = ["delete", "pod", victim, "-n=shop", "--grace-period=0"];
    kubectl(&[&force[..], &["--force"]].concat()).await?;
    for program in ["executor-worker", "handler"] {
        let found = processes::of(program);
        let process = found.last().with_context(|| format!("no {program}"))?;
        let killed = std::process::Command::new("kill")
            .args(["-9", &process.pid.to_string()])
            .status()?;
        anyhow::ensure!(killed.success(), "{program} can't be killed");
    }
    harness.under_load(100).await;
    is_ready().await;
    harness.under_load(100).await;
    let since = harness.counts()?.since(before);
    harness.say(format!(
        "a pod, a worker and a handler were killed: {since}"
    ));
    Ok(())
}

/// The operator that leads is killed, and an edit is carried out by the other.
pub async fn lose_the_leader(harness: &Harness) -> anyhow::Result<()> {
    let lease = get(&["lease", "executor-chain", "-n", "executor-chain"]).await?;
    let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or("");
    let (pod, _) = holder.rsplit_once('_').context("nobody leads")?;
    let began = Instant::now();
    let force = ["--grace-period=0", "--force"];
    let delete = ["delete", "pod", pod, "-n=executor-chain"];
    kubectl(&[&delete[..], &force].concat()).await?;
    set_rate(300).await?;
    rate_is(harness, 300.0).await;
    harness.say(format!(
        "the leading operator was killed: an edit is in force {:.1?} later",
        began.elapsed()
    ));
    Ok(())
}

/// Retain: the queues are paused, and then the workers go. In the foreground, as some tools do it: the
/// garbage collector must leave the workers alone, and the chain must go nevertheless.
pub async fn delete_the_chain(harness: &Harness) -> anyhow::Result<()> {
    let foreground = ["--cascade=foreground", "--timeout=60s"];
    let delete = ["delete", "chain", "orders", "-n=shop"];
    kubectl(&[&delete[..], &foreground].concat()).await?;
    for queue in ["incoming", "incoming-2", "incoming-3"] {
        let found = harness.queue(queue).await?.state;
        anyhow::ensure!(found == QueueState::Paused, "{queue} is {found:?}");
    }
    let notifier = harness.queue("orders-notifier").await?.state;
    anyhow::ensure!(
        notifier == QueueState::Running,
        "the notifier is {notifier:?}"
    );
    eventually("no worker", ROLLED, async || {
        let left = workers().await?.len();
        anyhow::ensure!(left == 0, "{left}");
        Ok(())
    })
    .await;
    harness.say("the chain was deleted in the foreground: its queues are paused, its workers gone");
    Ok(())
}

/// The CRD stays, and with it whatever chains there are.
pub async fn uninstall(harness: &Harness) -> anyhow::Result<()> {
    helm(&["uninstall", "executor-chain", "-n=executor-chain", "--wait"]).await?;
    kubectl(&["get", "crd", "executorchains.executor-chain.dev"]).await?;
    let left = list(&["deployments", "-n", "executor-chain"]).await?;
    anyhow::ensure!(left.is_empty(), "the operator is still there");
    harness.say("helm uninstall: the operator is gone, the CRD stays");
    Ok(())
}
