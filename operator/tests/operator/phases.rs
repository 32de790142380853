//! Edits that wait: for pods, for the end of hand-overs, for a queue to be empty.

use cloudtasks::{Queue, QueueState, TaskPath};
use crds::{ExecutorChainStatus, PausedBy};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use plan::objects::worker_env::hand_over_targets;
use serde_json::json;
use testkit::{Emulator, eventually};

use crate::deletion::{start_deletion, with_policy};
use crate::testbed::{
    ORDERS, Queues, SOON, Testbed, condition, http, queue, says, served, variable, without,
};

const QUICK: &[&str] = &[
    "--hand-over-time=1s",
    "--address-delay=1s",
    "--gate-after=1s",
    "--queue-poll-interval=500ms",
];

fn draining(status: &ExecutorChainStatus) -> Option<&str> {
    status.draining.as_deref()
}

/// Waits until the workers that hand tasks to a queue are those of these stages.
async fn hands_to(testbed: &Testbed, id: &str, wanted: &[&str]) {
    eventually("hand-overs", SOON, async || {
        let mut hands = Vec::new();
        for stage in ["fast", "middle", "slow"] {
            let name = format!("orders-{stage}");
            let found = testbed.deployments().get_opt(&name).await.ok()?;
            if found.is_some_and(|it| hand_over_targets(&it).contains(&queue(id))) {
                hands.push(stage);
            }
        }
        (hands == wanted).then_some(())
    })
    .await;
}

/// Puts a task into a queue, where it stays: nobody here knows the workers' address.
pub async fn put_task(queues: &Queues, id: &str) -> TaskPath {
    let task = testkit::task(&queue(id), "late", "");
    queues.create_task(&queue(id), &task).await.unwrap();
    task.path.unwrap()
}

/// As its worker would, once it has succeeded.
async fn end_task(emulator: &Emulator, task: &TaskPath) {
    let addr = emulator.addr().to_string();
    let answer = http("DELETE", &addr, &format!("/v2/{task}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_stage_hands_over_to_a_new_stage_once_that_has_a_ready_worker() {
    let (testbed, _emulator, _queues) =
        served("new-stage", QUICK, &without(ORDERS, "middle")).await;
    testbed.apply(ORDERS).await;
    eventually("the new workers", SOON, async || {
        testbed.deployments().get("orders-middle").await
    })
    .await;
    let waits = |status: &ExecutorChainStatus| {
        let why = condition(status, "WorkersReady");
        why.reason == "Progressing"
            && why
                .message
                .contains("once a worker of stage middle is ready")
    };
    testbed.status("orders", "a stage that waits", waits).await;
    hands_to(&testbed, "incoming-2", &[]).await;
    testbed.settle("orders").await;
    hands_to(&testbed, "incoming-2", &["fast"]).await;
}

#[tokio::test]
async fn a_removed_stage_drains_is_deleted_and_can_be_added_again() {
    let (testbed, emulator, queues) = served("drains", QUICK, ORDERS).await;
    // A former pod of the stage before, which has not ended yet.
    let pods: Api<Pod> = Api::namespaced(testbed.client.clone(), &testbed.namespace);
    let fast = testbed.deployments().get("orders-fast").await.unwrap();
    let template = fast.spec.unwrap().template;
    let metadata = json!({"name": "former", "labels": template.metadata.unwrap().labels});
    let pod = json!({"metadata": metadata, "spec": template.spec});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let task = put_task(&queues, "incoming-2").await;

    testbed.apply(&without(ORDERS, "middle")).await;
    testbed.settle("orders").await;
    let fed = "Draining=True StageRemoved: incoming-2 drains once no other worker";
    testbed.says("orders", fed).await;
    pods.delete("former", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    let left = "Draining=True StageRemoved: incoming-2 has fewer than 10 tasks left";
    let status = testbed.says("orders", left).await;
    assert_eq!(draining(&status), Some("incoming-2"));
    end_task(&emulator, &task).await;

    let gone =
        |status: &ExecutorChainStatus| draining(status).is_none() && !says(status, "Draining=True");
    testbed.status("orders", "a drained queue", gone).await;
    let middle = testbed.deployments().get_opt("orders-middle").await;
    assert!(middle.unwrap().is_none());
    let kept = queues.get("incoming-2").await;
    assert_eq!(kept.state, QueueState::Paused);
    let fast = testbed.deployments().get("orders-fast").await.unwrap();
    let looks = variable(&fast, "LOOKUP_QUEUES").unwrap();
    assert!(
        looks.contains("queues/incoming-2"),
        "a task may be found there: {looks}"
    );

    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    let back = queues.get("incoming-2").await;
    assert_eq!(back.state, QueueState::Running);
}

#[tokio::test]
async fn a_drained_queue_is_deleted_once_no_worker_looks_up_tasks_in_it() {
    let args = [QUICK, &["--name-memory=0s"]].concat();
    let (testbed, emulator, queues) = Testbed::with("drained", &args).await;
    let deletes = |manifest: &str| manifest.replace("spec:\n", "spec:\n  deletionPolicy: Delete\n");
    testbed.apply(&deletes(ORDERS)).await;
    testbed.settle("orders").await;
    let task = put_task(&queues, "incoming-2").await;
    testbed.apply(&deletes(&without(ORDERS, "middle"))).await;
    testbed.settle("orders").await;
    let left = "Draining=True StageRemoved: incoming-2 has fewer than 10 tasks left";
    testbed.says("orders", left).await;
    end_task(&emulator, &task).await;
    eventually("the end of the queue", SOON, async || {
        let found = queues.get_queue(&queue("incoming-2")).await;
        matches!(found, Err(cloudtasks::Error::Missing { .. }))
    })
    .await;
}

#[tokio::test]
async fn the_queue_of_a_stage_without_workers_is_paused_and_another_operator_resumes_it() {
    let (mut testbed, _emulator, queues) = Testbed::with("gate", QUICK).await;
    testbed.apply(ORDERS).await;
    let gated = |status: &ExecutorChainStatus| {
        let by: Vec<_> = status.stages.iter().map(|stage| stage.paused_by).collect();
        by == [Some(PausedBy::Operator); 3]
    };
    let status = testbed.status("orders", "gates", gated).await;
    assert_eq!(condition(&status, "Paused").reason, "PausedByOperator");
    testbed.restart().await;
    testbed.settle("orders").await;
    for id in ["incoming", "incoming-2", "incoming-3"] {
        let is_running = |queue: &Queue| queue.state == QueueState::Running;
        queues.becomes(id, "a running queue", is_running).await;
    }
}

#[tokio::test]
async fn a_renamed_stage_gets_the_pushes_when_its_workers_are_ready() {
    let (testbed, _emulator, queues) = served("renamed", QUICK, ORDERS).await;
    testbed.apply_with("name: fast", "name: quick").await;
    eventually("the new workers", SOON, async || {
        testbed.deployments().get("orders-quick").await
    })
    .await;
    let pushes_to = |queue: &Queue| {
        let address = queue.http_target.as_ref().unwrap().address.as_ref();
        address.unwrap().host.split('.').next().unwrap().to_owned()
    };
    let waits = "QueuesReady=False Progressing: queue incoming pushes to stage quick once its workers are ready";
    testbed.says("orders", waits).await;
    let now = queues.get("incoming").await;
    assert_eq!(pushes_to(&now), "orders-fast");
    testbed.settle("orders").await;
    let has_moved = |queue: &Queue| pushes_to(queue) == "orders-quick";
    queues
        .becomes("incoming", "the new address", has_moved)
        .await;
    eventually("the end of the former workers", SOON, async || {
        let former = testbed.deployments().get_opt("orders-fast").await.ok()?;
        former.is_none().then_some(())
    })
    .await;
    let running = queues.get("incoming").await;
    assert_eq!(running.state, QueueState::Running);
}

#[tokio::test]
async fn a_deleted_chain_with_policy_drain_finishes_its_tasks_first() {
    let (testbed, emulator, queues) = Testbed::with("finishes", QUICK).await;
    let drain = with_policy("Drain");
    testbed.apply(&drain).await;
    testbed.settle("orders").await;
    let task = put_task(&queues, "incoming-2").await;
    start_deletion(&testbed).await;
    let counts = "Draining=True ChainFinishes: incoming-2 has fewer than 10 tasks";
    testbed.says("orders", counts).await;
    // It is served as before.
    let found = testbed.deployments().get("orders-middle").await.unwrap();
    assert!(found.metadata.deletion_timestamp.is_none());
    end_task(&emulator, &task).await;
    testbed.gone("orders").await;
    let kept = queues.get("incoming-2").await;
    assert_eq!(kept.state, QueueState::Paused);
}
