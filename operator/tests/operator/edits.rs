//! A chain is edited.

use std::time::Duration;

use cloudtasks::{Queue, QueueSettings, QueueState};
use crds::ExecutorChainStatus;
use serde_json::{Value, json};
use testkit::{Emulator, Proxy, Way, eventually};

use crate::testbed::{ORDERS, Queues, RATE, SOON, Testbed, queue, says, served, variable, without};

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
    let (testbed, _emulator, queues) = served("rate", &[], ORDERS).await;
    queues.update("incoming", &by_hand()).await;
    let before = queues.get("incoming").await;
    testbed.rounds_pass("orders", 2).await;
    let versions = testbed.deployment_versions().await;
    let updates = testbed.writes("update_queue").await;
    let others = testbed.writes("").await - updates - testbed.writes("write_status").await;

    testbed.apply_with(RATE, "maxDispatchesPerSecond: 20").await;
    let after = queues.has_rate("incoming", 20.0).await;
    testbed.says("orders", "Ready=True").await;

    testbed.rounds_pass("orders", 2).await;
    // The update mask has one path: all other settings are unchanged.
    assert_eq!(
        after,
        Queue {
            max_dispatches_per_second: 20.0,
            ..before
        }
    );
    assert_eq!(testbed.writes("update_queue").await, updates + 1);
    let now = testbed.writes("").await
        - testbed.writes("update_queue").await
        - testbed.writes("write_status").await;
    assert_eq!(now, others, "{:?}", testbed.metrics().await);
    assert_eq!(testbed.deployment_versions().await, versions);
}

#[tokio::test]
async fn the_status_of_a_chain_that_changes_during_its_reconcile_is_written_at_the_second_attempt()
{
    let emulator = Emulator::start().await;
    let proxy = Proxy::start(emulator.addr()).await;
    let testbed = Testbed::at("conflict", proxy.addr(), &[]).await;
    let queues = Queues::of(&emulator).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;

    proxy.turn(Way::Mute);
    testbed.apply_with(RATE, "maxDispatchesPerSecond: 20").await;
    // The reconcile waits for the answer, and doesn't see the annotation.
    queues.has_rate("incoming", 20.0).await;
    let annotate = ["annotate", "chain", "orders", "incident=42"];
    testbed.kubectl(&annotate).await.expect_ok();
    proxy.turn(Way::Open);

    testbed.settle("orders").await;
    let failed = "executor_operator_effects_total{effect=\"write_status\",outcome=\"failed\"}";
    let metrics = testbed.metrics().await;
    assert_eq!(metrics.get(failed), None, "{metrics:?}");
}

#[tokio::test]
async fn changed_attempts_change_the_workers_and_no_queue() {
    let (testbed, _emulator, queues) = served("attempts", &[], ORDERS).await;
    let before = queues.all().await;
    testbed.apply_with("maxAttempts: 3", "maxAttempts: 5").await;
    testbed
        .has_variable("orders-fast", "MAX_ATTEMPTS", "5")
        .await;
    assert_eq!(queues.all().await, before);
    // Until its new pods are there the stage is said to be behind.
    let behind = |status: &ExecutorChainStatus| {
        let mut stages = status.stages.iter();
        stages.any(|stage| stage.name == "fast" && !stage.workers_up_to_date)
            && !says(status, "WorkersReady=True")
    };
    testbed.status("orders", "a stage behind", behind).await;
    testbed.settle("orders").await;
}

#[tokio::test]
async fn a_stage_is_paused_reported_as_paused_and_resumed() {
    let (testbed, _emulator, queues) = served("pause", &[], ORDERS).await;
    testbed
        .apply_with("maxAttempts: 2", "maxAttempts: 2, paused: true")
        .await;
    let status = testbed.says("orders", "Paused=True").await;
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    assert_eq!(queues.get("incoming-2").await.state, QueueState::Paused);
    testbed.apply(ORDERS).await;
    testbed
        .status("orders", "no pause", |status| status.paused.is_none())
        .await;
    assert_eq!(queues.get("incoming-2").await.state, QueueState::Running);
}

#[tokio::test]
async fn a_removed_stage_keeps_its_queue_and_its_workers_while_it_drains() {
    let (testbed, _emulator, queues) = served("removed", &[], ORDERS).await;
    testbed.apply(&without(ORDERS, "middle")).await;
    let status = testbed.says("orders", "Draining=True").await;
    assert_eq!(status.draining.as_deref(), Some("incoming-2"));
    let fast = testbed.deployments().get("orders-fast").await.unwrap();
    assert_eq!(
        variable(&fast, "DOWNSTREAM_QUEUE"),
        Some(queue("incoming-3").to_string())
    );
    let looks = variable(&fast, "LOOKUP_QUEUES").unwrap();
    assert!(
        looks.contains("queues/incoming-2"),
        "a task may still be found there: {looks}"
    );
    testbed.deployments().get("orders-middle").await.unwrap();
    assert_eq!(queues.get("incoming-2").await.state, QueueState::Running);
}

#[tokio::test]
async fn workers_are_told_what_a_stage_does_on_bad_days_and_a_delay_rolls_the_stage_before() {
    let (testbed, _emulator, queues) = served("bad-days", &[], ORDERS).await;
    let before = testbed.deployment_versions().await;
    let delayed = "maxAttempts: 1, delay: 30s";
    let with_delay = ORDERS.replace("maxAttempts: 1", delayed);
    testbed.apply(&with_delay).await;
    let third = queue("incoming-3");
    testbed
        .has_variable("orders-middle", "DELAYS", &format!("{third}=30s"))
        .await;
    testbed.settle("orders").await;
    let now = testbed.deployment_versions().await;
    for stage in ["orders-fast", "orders-slow"] {
        assert_eq!(now[stage], before[stage], "{stage}");
    }

    let isolate = "isolate: [{by: {header: X-Tenant}, to: slow, maxShare: 25%, failures: {}}]";
    let all = format!("maxAttempts: 3, {isolate}, holdOnOutage: 30m, retryAfter: Ignore");
    let all = with_delay.replace("maxAttempts: 3", &all);
    testbed.apply(&all).await;
    testbed
        .has_variable("orders-fast", "HOLD_ON_OUTAGE", "30m")
        .await;
    let fast = testbed.deployments().get("orders-fast").await.unwrap();
    let told = |name| variable(&fast, name).unwrap();
    assert_eq!(told("RETRY_AFTER"), "Ignore");
    assert_eq!(told("DELAYS"), format!("{third}=30s"));
    let rules: Value = serde_json::from_str(&told("ISOLATE")).unwrap();
    // The threshold is the schema's default.
    let rule = json!({
        "header": "X-Tenant", "to": third.to_string(), "maxShare": 25,
        "failures": {"of": 16, "atLeast": 12},
    });
    assert_eq!(rules, json!([rule]));
    testbed.settle("orders").await;

    // 400/s × 25 % is more than 0.5/s.
    let status = testbed.says("orders", "Undersized=True").await;
    let conditions = status.conditions.iter();
    let found = conditions
        .filter(|it| it.type_ == "Undersized")
        .map(|it| it.message.clone());
    let message = found.collect::<String>();
    let slow = "stage fast may isolate 100 tasks/s, and incoming-3 dispatches 0.5/s";
    assert!(message.contains(slow), "{message}");

    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    eventually("workers without them", SOON, async || {
        let fast = testbed.deployments().get("orders-fast").await.ok()?;
        let names = ["ISOLATE", "HOLD_ON_OUTAGE", "RETRY_AFTER", "DELAYS"];
        let left = names.iter().any(|name| variable(&fast, name).is_some());
        (!left).then_some(())
    })
    .await;
    assert_eq!(queues.get("incoming").await.max_attempts, -1);
}
