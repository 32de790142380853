//! A Deployment's pods come, are rolled, come back and go.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use node::{Node, Settings};
use serde_json::json;
use testkit::{ApiServer, Emulator, binary, eventually};

const SOON: Duration = Duration::from_secs(20);
const LABELS: &str = "app=orders";

fn deployment(emulator: &Emulator) -> Deployment {
    let queue = |id| format!("projects/demo/locations/europe-west1/queues/{id}");
    let environment = [
        ("CHAIN", "demo/orders".to_owned()),
        ("STAGE", "only".to_owned()),
        ("QUEUE", queue("incoming")),
        ("MAX_ATTEMPTS", "1".to_owned()),
        ("NOTIFY_ON", "None".to_owned()),
        ("HANDLER_URL", "http://127.0.0.1:8080".to_owned()),
        ("DRAIN_DELAY", "1s".to_owned()),
        ("CLOUD_TASKS_EMULATOR_HOST", emulator.addr().to_string()),
    ];
    let environment = environment.map(|(name, value)| json!({"name": name, "value": value}));
    serde_json::from_value(json!({
        "metadata": {"name": "orders"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "orders"}},
            "template": {
                "metadata": {"labels": {"app": "orders"}},
                "spec": {
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{"name": "worker", "image": "w:1", "env": environment}],
                },
            },
        },
    }))
    .expect("a Deployment")
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|it| &it.conditions).flatten();
    let mut ready = conditions.filter(|it| it.type_ == "Ready");
    ready.any(|it| it.status == "True")
}

/// The names of the pods, once there are two, all ready, and the Deployment's status says so.
async fn two_ready(deployments: &Api<Deployment>, pods: &Api<Pod>) -> Vec<String> {
    let found = eventually("two pods that are ready", SOON, async || {
        let deployment = deployments.get("orders").await.expect("it is there");
        let found = pods.list(&ListParams::default().labels(LABELS)).await;
        let found = found.expect("a list").items;
        let status = deployment.status.clone().unwrap_or_default();
        let is_done = status.observed_generation == deployment.metadata.generation
            && (status.replicas, status.updated_replicas) == (Some(2), Some(2))
            && status.available_replicas == Some(2)
            && found.len() == 2
            && found.iter().all(is_ready);
        if is_done { Ok(found) } else { Err(status) }
    })
    .await;
    found.iter().map(ResourceExt::name_any).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_come_and_go_as_their_deployment_says() {
    let server = ApiServer::shared().await;
    let namespace = server.namespace("node").await;
    let client = server.client().await;
    let emulator = Emulator::start().await;
    let node = Node::start(Settings {
        client: client.clone(),
        namespace: namespace.clone(),
        worker: binary("executor-worker"),
        handler: emulator.addr(),
    })
    .await
    .expect("a node");
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let pods: Api<Pod> = Api::namespaced(client, &namespace);
    deployments
        .create(&PostParams::default(), &deployment(&emulator))
        .await
        .expect("a Deployment");
    let first = two_ready(&deployments, &pods).await;

    // A worker that dies is started again in the same pod.
    let killed = node.kill_a_worker(0).await.expect("one that is ready");
    assert!(first.contains(&killed));
    assert_eq!(two_ready(&deployments, &pods).await, first);

    // A new template: pods are replaced, and one that is told to stop drains first.
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}});
    deployments
        .patch("orders", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("a new template");
    eventually("a pod that drains", SOON, async || {
        let found = pods.list(&ListParams::default()).await.ok()?;
        let mut leaving = found
            .iter()
            .filter(|it| it.metadata.deletion_timestamp.is_some());
        leaving.next().map(drop)
    })
    .await;
    let second = two_ready(&deployments, &pods).await;
    assert!(
        second.iter().all(|name| !first.contains(name)),
        "{second:?}"
    );

    deployments
        .delete("orders", &DeleteParams::default())
        .await
        .expect("it is there");
    eventually("no pods", SOON, async || {
        let left = pods.list(&ListParams::default()).await.ok()?;
        left.items.is_empty().then_some(())
    })
    .await;
    assert_eq!(node.trouble(), None);
}
