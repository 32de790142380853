//! A chain is applied, and served.

use cloudtasks::QueueSettings;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use testkit::{CRD, Emulator, eventually};

use crate::place::{ORDERS, Place, SOON, condition, is_true, queue, variable, with_emulator};

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
  stages:
  - {name: only, queue: zeros, maxAttempts: 1, replicas: 0}
";

#[tokio::test]
async fn queues_and_workers_exist_as_planned_and_kubectl_wait_returns() {
    let (place, _emulator, queues) = with_emulator("serving").await;
    place.apply(ORDERS).await;
    place
        .status("orders", "ready queues", |status| {
            is_true(status, "QueuesReady")
        })
        .await;

    let first = queues.get_queue(&queue("incoming")).await.unwrap();
    assert!((first.max_dispatches_per_second - 400.0).abs() < f64::EPSILON);
    assert_eq!(
        first.max_concurrent_dispatches, 1000,
        "left out, so Cloud Tasks' default"
    );
    assert_eq!(first.max_attempts, -1);
    let address = first.http_target.unwrap().address.unwrap();
    assert_eq!(
        address.host,
        format!("orders-fast.{}.svc.cluster.local", place.namespace)
    );
    assert_eq!(
        queues
            .get_queue(&queue("orders-notifier"))
            .await
            .unwrap()
            .max_attempts,
        -1
    );

    let downstream = |name: &'static str| async {
        let deployment = place.deployments().get(name).await.unwrap();
        variable(&deployment, "DOWNSTREAM_QUEUE")
    };
    assert_eq!(
        downstream("orders-fast").await,
        Some(queue("incoming-2").to_string())
    );
    assert_eq!(
        downstream("orders-middle").await,
        Some(queue("incoming-3").to_string())
    );
    assert_eq!(downstream("orders-slow").await, None);

    // No pod yet: it is not ready, and says so.
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    let (holds, reason, _) = condition(&status, "Ready").unwrap();
    assert_eq!((holds.as_str(), reason.as_str()), ("False", "PodsNotReady"));

    place.pods_are_ready().await;
    let wait = [
        "wait",
        "--for=condition=Ready",
        "chain/orders",
        "--timeout=20s",
    ];
    place.kubectl(&wait).await.expect_ok();
    let table = place.kubectl(&["get", "chain"]).await.expect_ok();
    assert!(
        table.contains("incoming → incoming-2 → incoming-3"),
        "{table}"
    );
    assert!(table.contains("True"), "{table}");
    let widest = table
        .lines()
        .map(|line| line.chars().count())
        .max()
        .unwrap_or_default();
    assert!(widest <= 120, "{widest} columns:\n{table}");
}

#[tokio::test]
async fn a_second_reconcile_writes_nothing() {
    let (place, _emulator, queues) = with_emulator("idle").await;
    place.apply(ORDERS).await;
    place.apply(ZEROS).await;
    place.settle("orders").await;
    place.settle("zeros").await;
    // The status is there before the round that wrote it has been counted.
    place.rounds_pass("orders", 2).await;
    place.rounds_pass("zeros", 2).await;
    let writes = place.writes("").await;
    let versions = place.deployment_versions().await;
    let before = queues.list_queues(&queue("incoming").parent).await.unwrap();
    place.rounds_pass("orders", 5).await;
    place.rounds_pass("zeros", 5).await;
    assert_eq!(
        place.writes("").await,
        writes,
        "{:?}",
        place.metrics().await
    );
    assert_eq!(place.deployment_versions().await, versions);
    assert_eq!(
        queues.list_queues(&queue("incoming").parent).await.unwrap(),
        before
    );
}

#[tokio::test]
async fn unchanged_chains_are_not_reconciled_however_often_queues_are_listed() {
    let (place, _emulator, _queues) =
        Place::with("idle-many", &["--queue-poll-interval", "500ms"]).await;
    for name in ["a", "b", "c", "d"] {
        let chain = ORDERS
            .replace("name: orders}", &format!("name: {name}}}"))
            .replace("queue: incoming", &format!("queue: {name}"));
        place.apply(&chain).await;
        place.settle(name).await;
    }
    // What the last writes have set off is over when a few lists have found nothing new.
    place.lists_pass(4).await;
    let before = (place.rounds().await, place.writes("").await);
    place.lists_pass(6).await;
    assert_eq!((place.rounds().await, place.writes("").await), before);
}

#[tokio::test]
async fn handlers_are_native_sidecars_and_the_worker_is_the_main_container() {
    let (place, _emulator, _queues) = with_emulator("pods").await;
    place.apply(ORDERS).await;
    place
        .status("orders", "ready queues", |status| {
            is_true(status, "QueuesReady")
        })
        .await;
    let list = place
        .deployments()
        .list(&ListParams::default())
        .await
        .unwrap();
    assert_eq!(list.items.len(), 3);
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
    let (place, _emulator, queues) = with_emulator("drift").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    place
        .kubectl(&["scale", "deployment", "orders-fast", "--replicas=7"])
        .await
        .expect_ok();
    eventually("two replicas again", SOON, async || {
        let deployment = place.deployments().get("orders-fast").await.ok()?;
        (deployment.spec?.replicas == Some(2)).then_some(())
    })
    .await;

    // A removed zero value of ours is corrected too; what was added stays.
    let before = place.deployments().get("orders-fast").await.unwrap();
    let worker = "/spec/template/spec/containers/0";
    let by_hand = json!([
        {"op": "remove", "path": format!("{worker}/securityContext/allowPrivilegeEscalation")},
        {"op": "add", "path": format!("{worker}/env/-"), "value": {"name": "THEIRS", "value": "yes"}},
    ]);
    let patch = Patch::Json::<()>(serde_json::from_value(by_hand).unwrap());
    place
        .deployments()
        .patch("orders-fast", &PatchParams::default(), &patch)
        .await
        .unwrap();
    eventually("no privileges again", SOON, async || {
        let deployment = place.deployments().get("orders-fast").await.ok()?;
        let is_ours = |found: &Deployment| {
            container(found).security_context == container(&before).security_context
        };
        is_ours(&deployment).then_some(())
    })
    .await;
    let after = place.deployments().get("orders-fast").await.unwrap();
    assert_eq!(variable(&after, "THEIRS").as_deref(), Some("yes"));

    // A field that the manifest leaves out keeps its manual value; ours is corrected.
    let by_hand = QueueSettings {
        max_attempts: Some(5),
        max_doublings: Some(3),
        ..QueueSettings::default()
    };
    queues
        .update_queue(&queue("incoming"), &by_hand)
        .await
        .unwrap();
    // Nobody touches the chain: the inventory tells.
    eventually("unlimited attempts again", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        (found.max_attempts == -1).then_some(found)
    })
    .await;
    assert_eq!(
        queues
            .get_queue(&queue("incoming"))
            .await
            .unwrap()
            .max_doublings,
        3
    );
}

fn container(deployment: &Deployment) -> Container {
    let pod = deployment.spec.clone().unwrap().template.spec.unwrap();
    pod.containers.into_iter().next().unwrap()
}

/// What a user applies first.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "exports",
        include_str!("../../../examples/adopted-queues.yaml"),
    ),
    ("mails", include_str!("../../../examples/smallest.yaml")),
    ("orders", include_str!("../../../examples/orders.yaml")),
    (
        "payments",
        include_str!("../../../examples/by-category.yaml"),
    ),
    (
        "thumbnails",
        include_str!("../../../examples/two-executors.yaml"),
    ),
    (
        "refunds",
        include_str!("../../../examples/own-ingress.yaml"),
    ),
];

#[tokio::test]
async fn examples_become_ready_and_their_second_reconcile_writes_nothing() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"));
    assert_eq!(
        files.unwrap().count(),
        EXAMPLES.len() + 1,
        "each example is here, and the one with a Gateway in gateway.rs"
    );
    let (place, _emulator, queues) = with_emulator("examples").await;
    for (chain, manifest) in EXAMPLES {
        place.apply(manifest).await;
        let status = place.settle(chain).await;
        // Queues that are adopted have limits of their own.
        let is_undersized = is_true(&status, "Undersized");
        assert_eq!(is_undersized, *chain == "exports", "{chain}");
        place.rounds_pass(chain, 2).await;
        let writes = place.writes("").await;
        let before = queues.list_queues(&queue("incoming").parent).await.unwrap();
        place.rounds_pass(chain, 5).await;
        assert_eq!(place.writes("").await, writes, "{chain}");
        let after = queues.list_queues(&queue("incoming").parent).await.unwrap();
        assert_eq!(after, before, "{chain}");
    }
}

#[tokio::test]
async fn an_operator_that_starts_before_its_crd_waits_for_it() {
    let emulator = Emulator::start().await;
    let place = Place::before_the_crd(&emulator).await;
    assert_eq!(place.http_status("/healthz").await, "200");
    assert_eq!(place.http_status("/readyz").await, "503");
    place.server.install_crd(CRD).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    assert_eq!(place.http_status("/readyz").await, "200");
}
