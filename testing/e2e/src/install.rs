//! The chart, and a chain.

use std::net::SocketAddr;

use anyhow::Context;
use testkit::eventually;

use crate::cluster::{self, apply, get, kubectl, list, workers};
use crate::harness::{Harness, SOON};
use crate::plugin;
use crate::processes;
use crate::startup_times::PROGRAMS;

/// What the programs in the images are held to, in bytes.
const LARGEST: u64 = 20_000_000;
const EXAMPLE: &str = include_str!("../../../examples/orders.yaml");

/// Installs the operator, in a namespace that takes none but restricted pods.
pub async fn helm(harness: &Harness) -> anyhow::Result<()> {
    let port = harness.emulator.port();
    apply(&surroundings(harness.emulator)).await?;
    let emulator = format!("emulatorHost=cloud-tasks.emulators.svc.cluster.local:{port}");
    let chart = ["install", "executor-chain", "charts/executor-chain"];
    let values = [
        "-n=executor-chain",
        "--set=image.repository=localhost/executor-operator,image.tag=e2e",
        "--set=worker.image.repository=localhost/executor-worker,worker.image.tag=e2e",
        "--set-json",
        plugin::VIEWERS,
        "--set-json",
        plugin::ONCALL,
        "--set",
        &emulator,
    ];
    cluster::helm(&[&chart[..], &values[..]].concat()).await?;
    let rollout = ["rollout", "status", "deployment/executor-chain"];
    let limit = ["-n=executor-chain", "--timeout=60s"];
    kubectl(&[&rollout[..], &limit[..]].concat()).await?;
    let operators = list(&["pods", "-n", "executor-chain"]).await?.len();
    harness.say(format!("helm install: {operators} operators are ready"));
    Ok(())
}

/// Namespaces, that of the chain with a quota that refuses pods without requests; and a Service for the
/// emulator: its name is what the programs in both images have to look up.
fn surroundings(emulator: SocketAddr) -> String {
    let namespace = |name: &str, labels: &str| {
        format!(
            "kind: Namespace\napiVersion: v1\nmetadata: {{name: {name}, labels: {labels}}}\n---\n"
        )
    };
    let restricted = "{pod-security.kubernetes.io/enforce: restricted}";
    let (address, port) = (emulator.ip(), emulator.port());
    let service = format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: cloud-tasks, namespace: emulators}}
spec: {{ports: [{{name: grpc, port: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: cloud-tasks, namespace: emulators, labels: {{kubernetes.io/service-name: cloud-tasks}}}}
addressType: IPv4
endpoints: [{{addresses: ['{address}']}}]
ports: [{{name: grpc, port: {port}, protocol: TCP}}]
---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: compute, namespace: shop}}
spec: {{hard: {{requests.cpu: '4', requests.memory: 4Gi}}}}
"
    );
    [
        namespace("executor-chain", restricted),
        namespace("shop", restricted),
        namespace(plugin::ONCALL_NAMESPACE, restricted),
        namespace("emulators", "{}"),
        service,
    ]
    .concat()
}

/// The fields of a handler's container that asks there what to do with each run.
pub fn handler(account: SocketAddr) -> String {
    format!(
        "image: localhost/e2e-handler:1
          env: [{{name: ACCOUNT, value: 'http://{account}/'}}]
          securityContext:
            allowPrivilegeEscalation: false
            runAsNonRoot: true
            capabilities: {{drop: [ALL]}}
            seccompProfile: {{type: RuntimeDefault}}"
    )
}

pub async fn chain(harness: &Harness) -> anyhow::Result<()> {
    let handler = handler(harness.runs);
    let manifest = EXAMPLE
        .replace("image: registry.example.com/orders-handler:1.4.0", &handler)
        .replace(
            "https://api.example.com/task-events",
            &format!("http://{}/", harness.client),
        )
        .replace("  name: orders\n", "  name: orders\n  namespace: shop\n");
    anyhow::ensure!(
        manifest.contains(&handler) && !manifest.contains("api.example.com"),
        "the example has changed: this test must follow"
    );
    apply(&manifest).await?;
    let wait = ["wait", "--for=condition=Ready", "chain/orders", "-n=shop"];
    kubectl(&[&wait[..], &["--timeout=120s"]].concat()).await?;
    let pods = workers().await?.len();
    harness.say(format!(
        "kubectl apply: the chain is ready, with {pods} pods"
    ));
    no_token_of_kubernetes().await?;
    no_shell().await?;
    for program in PROGRAMS {
        figures(harness, program)?;
    }
    Ok(())
}

/// What a program costs, and that it can do no more than it has to.
fn figures(harness: &Harness, program: &str) -> anyhow::Result<()> {
    let found = processes::of(program);
    let first = found.first().with_context(|| format!("no {program}"))?;
    let bytes = first.program_bytes()?;
    anyhow::ensure!(bytes < LARGEST, "{program} has {bytes} bytes");
    let mut idle = Vec::new();
    for process in &found {
        process.is_confined().context(program.to_owned())?;
        idle.push(process.resident_mib()?);
    }
    idle.sort_by(f64::total_cmp);
    let (least, most) = (idle[0], idle[idle.len() - 1]);
    let (middle, longest, starts) = harness
        .startup_times
        .of(program)
        .with_context(|| format!("no {program} was ready"))?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes are told")]
    let megabytes = bytes as f64 / 1e6;
    harness.say(format!(
        "{program}: {megabytes:.1} MB, idle with {least:.1} to {most:.1} MiB, ready {:.2} s after its \
         start (the longest of {starts}: {:.2} s)",
        middle.as_secs_f64(),
        longest.as_secs_f64(),
    ));
    Ok(())
}

/// Nobody who gets into a pod finds one.
async fn no_shell() -> anyhow::Result<()> {
    let (pod, _) = workers().await?.pop().context("no worker")?;
    let exec = ["exec", &pod, "-n=shop", "-c=worker", "--"];
    for shell in ["sh", "bash", "busybox"] {
        let tried = kubectl(&[&exec[..], &[shell, "-c", "true"]].concat()).await;
        let error = tried.err().with_context(|| format!("there is {shell}"))?;
        anyhow::ensure!(
            format!("{error:#}").contains("executable file not found"),
            "{error:#}"
        );
    }
    Ok(())
}

/// A worker has no use for one, but an intruder would.
async fn no_token_of_kubernetes() -> anyhow::Result<()> {
    let pods = list(&["pods", "-n", "shop"]).await?;
    for pod in pods {
        let volumes = pod["spec"]["volumes"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(volumes == 0, "a worker's pod has a volume");
    }
    Ok(())
}

pub async fn is_ready() {
    eventually("a chain that is ready", SOON, async || {
        let chain = get(&["chain", "orders", "-n", "shop"]).await?;
        let status = &chain["status"];
        let current = status["observedGeneration"] == chain["metadata"]["generation"];
        let ready = status["conditions"].as_array().is_some_and(|all| {
            all.iter()
                .any(|it| it["type"] == "Ready" && it["status"] == "True")
        });
        anyhow::ensure!(current && ready, "{status}");
        Ok(())
    })
    .await;
}
