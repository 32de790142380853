//! A chain is applied, and served.

use std::path::Path;

use cloudtasks::{Queue, QueueSettings};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use testkit::{CRD, Emulator, eventually};

use crate::testbed::{
    ORDERS, SOON, Testbed, is_same, named, queue, says, served, variable, with_emulator,
};

/// What a manifest may say and the API server keeps in another form: it drops what is zero, writes
/// a default in its place, or another way of writing the same amount.
const ZEROS: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: zeros}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: zeros-notifier, url: 'https://api.example.com/task-events', outcomes: []}
  template:
    metadata: {annotations: {empty: ''}}
    spec:
      dnsPolicy: ''
      hostNetwork: false
      securityContext: {}
      nodeSelector: {}
      tolerations: []
      volumes: [{name: cache, emptyDir: {}}]
      imagePullSecrets: []
      containers:
      - name: handler
        image: 'shop:1'
        imagePullPolicy: ''
        args: []
        env: [{name: EMPTY, value: ''}]
        ports: [{containerPort: 8080}]
        resources: {limits: {memory: 0.5Gi, cpu: 1500m}, requests: {cpu: 1}}
        securityContext: {runAsUser: 0, privileged: false}
        volumeMounts: [{name: cache, mountPath: /cache, readOnly: false, subPath: ''}]
        readinessProbe: {httpGet: {path: '', port: 8080}, initialDelaySeconds: 0, periodSeconds: 0}
      - {name: other, image: 'shop:1', env: [], ports: [], volumeMounts: [], envFrom: []}
      initContainers: []
  workerTemplate:
    resources: {limits: {memory: 0.5Gi, cpu: 1500m}, requests: {cpu: 1}}
    env: [{name: EMPTY, value: ''}]
    securityContext: {privileged: false}
    deploymentMetadata: {annotations: {empty: ''}}
    serviceMetadata: {labels: {empty: ''}}
  stages:
  - {name: only, queue: zeros, maxAttempts: 1, replicas: 0}
";

#[tokio::test]
async fn queues_and_workers_exist_as_planned_and_kubectl_wait_returns() {
    let (testbed, _emulator, queues) = with_emulator("serving").await;
    testbed.apply(ORDERS).await;
    testbed.says("orders", "QueuesReady=True").await;

    let first = queues.get("incoming").await;
    assert!(is_same(first.max_dispatches_per_second, 400.0));
    assert_eq!(
        first.max_concurrent_dispatches, 1000,
        "left out, so Cloud Tasks' default"
    );
    assert_eq!(first.max_attempts, -1);
    let address = first.http_target.unwrap().address.unwrap();
    let host = format!("orders-fast.{}.svc.cluster.local", testbed.namespace);
    assert_eq!(address.host, host);
    assert_eq!(queues.get("orders-notifier").await.max_attempts, -1);

    let downstream = |name: &'static str| async {
        let deployment = testbed.deployments().get(name).await.unwrap();
        variable(&deployment, "DOWNSTREAM_QUEUE")
    };
    for (workers, next) in [
        ("orders-fast", Some("incoming-2")),
        ("orders-middle", Some("incoming-3")),
        ("orders-slow", None),
    ] {
        let next = next.map(|id| queue(id).to_string());
        assert_eq!(downstream(workers).await, next, "{workers}");
    }

    // No pod yet: it is not ready, and says so.
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    assert!(says(&status, "Ready=False PodsNotReady"));

    testbed.pods_are_ready().await;
    let wait = ["wait", "--for=condition=Ready", "chain/orders"];
    let wait = [&wait[..], &["--timeout=20s"]].concat();
    testbed.kubectl(&wait).await.expect_ok();
    let table = testbed.kubectl(&["get", "chain"]).await.expect_ok();
    let path = "incoming → incoming-2 → incoming-3";
    assert!(table.contains(path), "{table}");
    assert!(table.contains("True"), "{table}");
    let widths = table.lines().map(|line| line.chars().count());
    let widest = widths.max().unwrap_or_default();
    assert!(widest <= 120, "{widest} columns:\n{table}");
}

#[tokio::test]
async fn a_second_reconcile_writes_nothing() {
    let (testbed, _emulator, queues) = with_emulator("idle").await;
    testbed.apply(ORDERS).await;
    testbed.apply(ZEROS).await;
    testbed.settle("orders").await;
    testbed.settle("zeros").await;
    // The status is there before the round that wrote it has been counted.
    testbed.rounds_pass("orders", 2).await;
    testbed.rounds_pass("zeros", 2).await;
    let writes = testbed.writes("").await;
    let versions = testbed.deployment_versions().await;
    let before = queues.all().await;
    testbed.rounds_pass("orders", 5).await;
    testbed.rounds_pass("zeros", 5).await;
    let metrics = testbed.metrics().await;
    assert_eq!(testbed.writes("").await, writes, "{metrics:?}");
    assert_eq!(testbed.deployment_versions().await, versions);
    assert_eq!(queues.all().await, before);
}

#[tokio::test]
async fn unchanged_chains_are_not_reconciled_however_often_queues_are_listed() {
    let (testbed, _emulator, _queues) =
        Testbed::with("idle-many", &["--queue-poll-interval", "500ms"]).await;
    for name in ["a", "b", "c", "d"] {
        testbed.apply(&named(name, ORDERS)).await;
        testbed.settle(name).await;
    }
    // What the last writes have set off is over when a few lists have found nothing new.
    testbed.lists_pass(4).await;
    let before = (testbed.rounds().await, testbed.writes("").await);
    testbed.lists_pass(6).await;
    assert_eq!((testbed.rounds().await, testbed.writes("").await), before);
}

#[tokio::test]
async fn handlers_are_native_sidecars_and_the_worker_is_the_main_container() {
    let (testbed, _emulator, _queues) = with_emulator("pods").await;
    testbed.apply(ORDERS).await;
    testbed.says("orders", "QueuesReady=True").await;
    let list = testbed.list_deployments().await;
    assert_eq!(list.len(), 3);
    for deployment in list {
        let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
        let names: Vec<&str> = pod.containers.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["worker"], "{}", deployment.name_any());
        let sidecars = pod.init_containers.unwrap();
        assert_eq!(sidecars[0].name, "handler");
        assert_eq!(sidecars[0].restart_policy.as_deref(), Some("Always"));
    }
}

#[tokio::test]
async fn manual_changes_are_corrected() {
    let (testbed, _emulator, queues) = served("drift", &[], ORDERS).await;
    let scale = ["scale", "deployment", "orders-fast", "--replicas=7"];
    testbed.kubectl(&scale).await.expect_ok();
    eventually("two replicas again", SOON, async || {
        let deployment = testbed.deployments().get("orders-fast").await.ok()?;
        (deployment.spec?.replicas == Some(2)).then_some(())
    })
    .await;

    // A removed zero value of ours is corrected too; what was added stays.
    let before = testbed.deployments().get("orders-fast").await.unwrap();
    let worker = "/spec/template/spec/containers/0";
    let by_hand = json!([
        {"op": "remove", "path": format!("{worker}/securityContext/allowPrivilegeEscalation")},
        {"op": "add", "path": format!("{worker}/env/-"), "value": {"name": "THEIRS", "value": "yes"}},
    ]);
    let patch = Patch::Json::<()>(serde_json::from_value(by_hand).unwrap());
    let (deployments, parameters) = (testbed.deployments(), PatchParams::default());
    let patched = deployments.patch("orders-fast", &parameters, &patch).await;
    patched.unwrap();
    let ours = container(&before).security_context;
    eventually("no privileges again", SOON, async || {
        let deployment = deployments.get("orders-fast").await.unwrap();
        container(&deployment).security_context == ours
    })
    .await;
    let after = testbed.deployments().get("orders-fast").await.unwrap();
    assert_eq!(variable(&after, "THEIRS").as_deref(), Some("yes"));

    // A field that the manifest leaves out keeps its manual value; ours is corrected.
    let by_hand = QueueSettings {
        max_attempts: Some(5),
        max_doublings: Some(3),
        ..QueueSettings::default()
    };
    queues.update("incoming", &by_hand).await;
    // Nobody touches the chain: the inventory tells.
    let unlimited = |found: &Queue| found.max_attempts == -1;
    let found = queues
        .becomes("incoming", "unlimited attempts", unlimited)
        .await;
    assert_eq!(found.max_doublings, 3);
}

fn container(deployment: &Deployment) -> Container {
    let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
    pod.containers.into_iter().next().unwrap()
}

/// What a user applies first.
const EXAMPLES: &[(&str, &str)] = &[
    ("exports", "adopted-queues.yaml"),
    ("mails", "smallest.yaml"),
    ("orders", "orders.yaml"),
    ("payments", "by-category.yaml"),
    ("thumbnails", "two-executors.yaml"),
    ("refunds", "own-ingress.yaml"),
    ("webhooks", "bad-days.yaml"),
    ("invoices", "parking.yaml"),
];

#[tokio::test]
async fn examples_become_ready_and_their_second_reconcile_writes_nothing() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    assert_eq!(
        std::fs::read_dir(folder).unwrap().count(),
        EXAMPLES.len() + 1,
        "each example is here, and the one with a Gateway in gateway.rs"
    );
    let (testbed, _emulator, queues) = with_emulator("examples").await;
    for (chain, file) in EXAMPLES {
        let manifest = std::fs::read_to_string(folder.join(file)).unwrap();
        testbed.apply(&manifest).await;
        let status = testbed.settle(chain).await;
        // Queues that are adopted have limits of their own.
        let is_undersized = says(&status, "Undersized=True");
        assert_eq!(is_undersized, *chain == "exports", "{chain}");
        testbed.rounds_pass(chain, 2).await;
        let writes = testbed.writes("").await;
        let before = queues.all().await;
        testbed.rounds_pass(chain, 5).await;
        assert_eq!(testbed.writes("").await, writes, "{chain}");
        let after = queues.all().await;
        assert_eq!(after, before, "{chain}");
    }
}

#[tokio::test]
async fn an_operator_that_starts_before_its_crd_waits_for_it() {
    let emulator = Emulator::start().await;
    let testbed = Testbed::on_a_server_of_its_own(None, &emulator).await;
    assert_eq!(testbed.http_status("/healthz").await, "200");
    assert_eq!(testbed.http_status("/readyz").await, "503");
    testbed.server.install_crd(CRD).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    assert_eq!(testbed.http_status("/readyz").await, "200");
}
