//! Edits that wait: for pods, for the end of hand-overs, for a queue to be empty.

use cloudtasks::{CloudTasks, Queue, QueueState, TaskPath};
use crds::{ExecutorChainStatus, PausedBy};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use plan::objects::worker_env::hand_over_targets;
use serde_json::json;
use testkit::{Emulator, eventually};

use crate::place::{ORDERS, Place, SOON, condition, http, is_true, queue, variable};

const QUICK: &[&str] = &[
    "--hand-over-time=1s",
    "--address-delay=1s",
    "--gate-after=1s",
    "--queue-poll-interval=500ms",
];

fn without(stage: &str) -> String {
    let name = format!("name: {stage}");
    let lines = ORDERS.lines().filter(|line| !line.contains(&name));
    lines.collect::<Vec<_>>().join("\n")
}

fn draining(status: &ExecutorChainStatus) -> Option<&str> {
    status.draining.as_deref()
}

/// Waits until the workers that hand tasks to a queue are those of these stages.
async fn hands_to(place: &Place, id: &str, wanted: &[&str]) {
    eventually("hand-overs", SOON, async || {
        let mut hands = Vec::new();
        for stage in ["fast", "middle", "slow"] {
            let name = format!("orders-{stage}");
            let found = place.deployments().get_opt(&name).await.ok()?;
            if found.is_some_and(|it| hand_over_targets(&it).contains(&queue(id))) {
                hands.push(stage);
            }
        }
        (hands == wanted).then_some(())
    })
    .await;
}

async fn has_queue(queues: &CloudTasks, id: &str, wanted: impl Fn(&Queue) -> bool) {
    eventually("a queue as it should be", SOON, async || {
        let found = queues.get_queue(&queue(id)).await.ok()?;
        wanted(&found).then_some(())
    })
    .await;
}

/// Puts a task into a queue, where it stays: nobody here knows the workers' address.
pub async fn put_task(queues: &CloudTasks, id: &str) -> TaskPath {
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
    let (place, _emulator, _queues) = Place::with("new-stage", QUICK).await;
    place.apply(&without("middle")).await;
    place.settle("orders").await;
    place.apply(ORDERS).await;
    eventually("the new workers", SOON, async || {
        place.deployments().get("orders-middle").await
    })
    .await;
    let waits = |status: &ExecutorChainStatus| {
        let (_, reason, message) = condition(status, "WorkersReady").unwrap();
        reason == "Progressing" && message.contains("once a worker of stage middle is ready")
    };
    place.status("orders", "a stage that waits", waits).await;
    hands_to(&place, "incoming-2", &[]).await;
    place.settle("orders").await;
    hands_to(&place, "incoming-2", &["fast"]).await;
}

#[tokio::test]
async fn a_removed_stage_drains_is_deleted_and_can_be_added_again() {
    let (place, emulator, queues) = Place::with("drains", QUICK).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    // A former pod of the stage before, which has not ended yet.
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    let fast = place.deployments().get("orders-fast").await.unwrap();
    let template = fast.spec.unwrap().template;
    let metadata = json!({"name": "former", "labels": template.metadata.unwrap().labels});
    let pod = json!({"metadata": metadata, "spec": template.spec});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    let task = put_task(&queues, "incoming-2").await;

    place.apply(&without("middle")).await;
    place.settle("orders").await;
    let message = |status: &ExecutorChainStatus| condition(status, "Draining").unwrap().2;
    let fed = |status: &ExecutorChainStatus| message(status).contains("once no other worker");
    place.status("orders", "a queue that is fed", fed).await;
    pods.delete("former", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    let left = |status: &ExecutorChainStatus| message(status).contains("fewer than 10 tasks left");
    let status = place.status("orders", "a queue that drains", left).await;
    assert_eq!(draining(&status), Some("incoming-2"));
    end_task(&emulator, &task).await;

    let gone =
        |status: &ExecutorChainStatus| draining(status).is_none() && !is_true(status, "Draining");
    place.status("orders", "a drained queue", gone).await;
    assert!(
        place
            .deployments()
            .get_opt("orders-middle")
            .await
            .unwrap()
            .is_none()
    );
    let kept = queues.get_queue(&queue("incoming-2")).await.unwrap();
    assert_eq!(kept.state, QueueState::Paused);
    let fast = place.deployments().get("orders-fast").await.unwrap();
    let looks = variable(&fast, "LOOKUP_QUEUES").unwrap();
    assert!(
        looks.contains("queues/incoming-2"),
        "a task may be found there: {looks}"
    );

    place.apply(ORDERS).await;
    place.settle("orders").await;
    let back = queues.get_queue(&queue("incoming-2")).await.unwrap();
    assert_eq!(back.state, QueueState::Running);
}

#[tokio::test]
async fn a_drained_queue_is_deleted_once_no_worker_looks_up_tasks_in_it() {
    let args = [QUICK, &["--name-memory=0s"]].concat();
    let (place, emulator, queues) = Place::with("drained", &args).await;
    let deletes = |manifest: &str| manifest.replace("spec:\n", "spec:\n  deletionPolicy: Delete\n");
    place.apply(&deletes(ORDERS)).await;
    place.settle("orders").await;
    let task = put_task(&queues, "incoming-2").await;
    place.apply(&deletes(&without("middle"))).await;
    place.settle("orders").await;
    let left = |status: &ExecutorChainStatus| {
        condition(status, "Draining")
            .unwrap()
            .2
            .contains("tasks left")
    };
    place.status("orders", "a queue that drains", left).await;
    end_task(&emulator, &task).await;
    eventually("the end of the queue", SOON, async || {
        let found = queues.get_queue(&queue("incoming-2")).await;
        matches!(found, Err(cloudtasks::Error::Missing { .. })).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_queue_of_a_stage_without_workers_is_paused_and_another_operator_resumes_it() {
    let (mut place, _emulator, queues) = Place::with("gate", QUICK).await;
    place.apply(ORDERS).await;
    let gated = |status: &ExecutorChainStatus| {
        let by: Vec<_> = status.stages.iter().map(|stage| stage.paused_by).collect();
        by == [Some(PausedBy::Operator); 3]
    };
    let status = place.status("orders", "gates", gated).await;
    assert_eq!(condition(&status, "Paused").unwrap().1, "PausedByOperator");
    place.restart().await;
    place.settle("orders").await;
    for id in ["incoming", "incoming-2", "incoming-3"] {
        has_queue(&queues, id, |queue| queue.state == QueueState::Running).await;
    }
}

#[tokio::test]
async fn a_renamed_stage_gets_the_pushes_when_its_workers_are_ready() {
    let (place, _emulator, queues) = Place::with("renamed", QUICK).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    place
        .apply(&ORDERS.replace("name: fast", "name: quick"))
        .await;
    eventually("the new workers", SOON, async || {
        place.deployments().get("orders-quick").await
    })
    .await;
    let pushes_to = |queue: &Queue| {
        let address = queue.http_target.as_ref().unwrap().address.as_ref();
        address.unwrap().host.split('.').next().unwrap().to_owned()
    };
    let waits = |status: &ExecutorChainStatus| {
        let (_, _, message) = condition(status, "QueuesReady").unwrap();
        message.contains("pushes to stage quick once its workers are ready")
    };
    place.status("orders", "a queue that waits", waits).await;
    let now = queues.get_queue(&queue("incoming")).await.unwrap();
    assert_eq!(pushes_to(&now), "orders-fast");
    place.settle("orders").await;
    has_queue(&queues, "incoming", |queue| {
        pushes_to(queue) == "orders-quick"
    })
    .await;
    eventually("the end of the former workers", SOON, async || {
        let former = place.deployments().get_opt("orders-fast").await.ok()?;
        former.is_none().then_some(())
    })
    .await;
    let running = queues.get_queue(&queue("incoming")).await.unwrap();
    assert_eq!(running.state, QueueState::Running);
}

#[tokio::test]
async fn a_deleted_chain_with_policy_drain_finishes_its_tasks_first() {
    let (place, emulator, queues) = Place::with("finishes", QUICK).await;
    let drain = ORDERS.replace(
        "  project: demo\n",
        "  project: demo\n  deletionPolicy: Drain\n",
    );
    place.apply(&drain).await;
    place.settle("orders").await;
    let task = put_task(&queues, "incoming-2").await;
    let delete = ["delete", "chain", "orders", "--wait=false"];
    place.kubectl(&delete).await.expect_ok();
    let counts = |status: &ExecutorChainStatus| {
        let (_, reason, message) = condition(status, "Draining").unwrap();
        reason == "ChainFinishes" && message.contains("incoming-2 has fewer than 10 tasks")
    };
    place.status("orders", "a count", counts).await;
    // It is served as before.
    let found = place.deployments().get("orders-middle").await.unwrap();
    assert!(
        found.metadata.deletion_timestamp.is_none(),
        "{}",
        found.name_any()
    );
    end_task(&emulator, &task).await;
    place.gone("orders").await;
    let kept = queues.get_queue(&queue("incoming-2")).await.unwrap();
    assert_eq!(kept.state, QueueState::Paused);
}
