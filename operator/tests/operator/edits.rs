//! A chain is edited.

use std::time::Duration;

use cloudtasks::{Queue, QueueSettings, QueueState};
use testkit::eventually;

use crate::place::{ORDERS, SOON, is_true, queue, variable, with_emulator};

/// Settings from outside the operator, on a queue of which the manifest sets only the rate.
fn by_hand() -> QueueSettings {
    QueueSettings {
        max_concurrent_dispatches: Some(77),
        min_backoff: Some(Duration::from_secs(3)),
        max_backoff: Some(Duration::from_secs(33)),
        max_doublings: Some(4),
        ..QueueSettings::default()
    }
}

#[tokio::test]
async fn a_changed_rate_changes_the_queue_and_no_worker() {
    let (place, _emulator, queues) = with_emulator("rate").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    queues
        .update_queue(&queue("incoming"), &by_hand())
        .await
        .unwrap();
    let before = queues.get_queue(&queue("incoming")).await.unwrap();
    place.rounds_pass("orders", 2).await;
    let versions = place.deployment_versions().await;
    let updates = place.writes("update_queue").await;
    let others = place.writes("").await - updates - place.writes("write_status").await;

    place
        .apply(&ORDERS.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 20"))
        .await;
    let after = eventually("the new rate", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        ((found.max_dispatches_per_second - 20.0).abs() < f64::EPSILON).then_some(found)
    })
    .await;
    place
        .status("orders", "a chain that is ready", |status| {
            is_true(status, "Ready")
        })
        .await;

    place.rounds_pass("orders", 2).await;
    // The update mask has one path: all other settings are unchanged.
    assert_eq!(
        after,
        Queue {
            max_dispatches_per_second: 20.0,
            ..before
        }
    );
    assert_eq!(place.writes("update_queue").await, updates + 1);
    let now = place.writes("").await
        - place.writes("update_queue").await
        - place.writes("write_status").await;
    assert_eq!(now, others, "{:?}", place.metrics().await);
    assert_eq!(place.deployment_versions().await, versions);
}

#[tokio::test]
async fn changed_attempts_change_the_workers_and_no_queue() {
    let (place, _emulator, queues) = with_emulator("attempts").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    let before = queues.list_queues(&queue("incoming").parent).await.unwrap();
    place
        .apply(&ORDERS.replace("maxAttempts: 3", "maxAttempts: 5"))
        .await;
    eventually("the new number", SOON, async || {
        let deployment = place.deployments().get("orders-fast").await.ok()?;
        (variable(&deployment, "MAX_ATTEMPTS")? == "5").then_some(())
    })
    .await;
    assert_eq!(
        queues.list_queues(&queue("incoming").parent).await.unwrap(),
        before
    );
    // Until its new pods are there the stage is said to be behind.
    let behind = |status: &crds::ExecutorChainStatus| {
        status
            .stages
            .iter()
            .any(|stage| stage.name == "fast" && !stage.workers_up_to_date)
            && !is_true(status, "WorkersReady")
    };
    place
        .status("orders", "a stage that is behind", behind)
        .await;
    place.settle("orders").await;
}

#[tokio::test]
async fn a_stage_is_paused_reported_as_paused_and_resumed() {
    let (place, _emulator, queues) = with_emulator("pause").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    place
        .apply(&ORDERS.replace("maxAttempts: 2", "maxAttempts: 2, paused: true"))
        .await;
    let status = place
        .status("orders", "a pause", |status| is_true(status, "Paused"))
        .await;
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    assert_eq!(
        queues.get_queue(&queue("incoming-2")).await.unwrap().state,
        QueueState::Paused
    );
    place.apply(ORDERS).await;
    place
        .status("orders", "no pause", |status| status.paused.is_none())
        .await;
    assert_eq!(
        queues.get_queue(&queue("incoming-2")).await.unwrap().state,
        QueueState::Running
    );
}

#[tokio::test]
async fn a_removed_stage_keeps_its_queue_and_its_workers_while_it_drains() {
    let (place, _emulator, queues) = with_emulator("removed").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    let line = ORDERS
        .lines()
        .find(|line| line.contains("name: middle"))
        .unwrap();
    place.apply(&ORDERS.replace(line, "")).await;
    let status = place
        .status("orders", "a drain", |status| is_true(status, "Draining"))
        .await;
    assert_eq!(status.draining.as_deref(), Some("incoming-2"));
    let fast = place.deployments().get("orders-fast").await.unwrap();
    assert_eq!(
        variable(&fast, "DOWNSTREAM_QUEUE"),
        Some(queue("incoming-3").to_string())
    );
    let looks = variable(&fast, "LOOKUP_QUEUES").unwrap();
    assert!(
        looks.contains("queues/incoming-2"),
        "a task may still be found there: {looks}"
    );
    place.deployments().get("orders-middle").await.unwrap();
    assert_eq!(
        queues.get_queue(&queue("incoming-2")).await.unwrap().state,
        QueueState::Running
    );
}
