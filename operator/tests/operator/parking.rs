//! The queue that keeps tasks which ended without a success.

use cloudtasks::{Queue, QueueSettings, QueueState};
use testkit::{Emulator, StatsProxy, eventually, task};

use crate::testbed::{ORDERS, Queues, SOON, Testbed, condition, queue, served};

const QUICK: [&str; 2] = [
    "--queue-stats-interval=500ms",
    "--queue-poll-interval=500ms",
];

fn parking(id: &str) -> String {
    let parking = format!("  project: demo\n  parking: {{queue: {id}}}\n");
    ORDERS.replace("  project: demo\n", &parking)
}

fn is_kept(found: &Queue) -> bool {
    found.state == QueueState::Paused && found.max_attempts == -1
}

#[tokio::test]
async fn a_parking_queue_that_is_resumed_is_paused_again() {
    let (testbed, _emulator, queues) = served(
        "parking",
        &["--queue-poll-interval=500ms"],
        &parking("orders-parked"),
    )
    .await;
    assert!(is_kept(&queues.get("orders-parked").await));
    queues.resume_queue(&queue("orders-parked")).await.unwrap();
    queues
        .becomes("orders-parked", "paused again", is_kept)
        .await;
    let limited = QueueSettings {
        max_attempts: Some(5),
        ..QueueSettings::default()
    };
    queues.update("orders-parked", &limited).await;
    queues
        .becomes("orders-parked", "without a limit", is_kept)
        .await;
    let status = testbed.says("orders", "Ready=True").await;
    assert_eq!(status.paused, None);
}

#[tokio::test]
async fn workers_follow_the_parking_queue_and_a_former_one_is_kept() {
    let (testbed, _emulator, queues) = served("parking-former", &[], ORDERS).await;
    let path = |id: &str| queue(id).to_string();
    testbed.apply(&parking("orders-parked")).await;
    testbed
        .has_variable("orders-fast", "PARKING_QUEUE", &path("orders-parked"))
        .await;
    testbed.apply(&parking("orders-parked-2")).await;
    testbed
        .has_variable("orders-fast", "PARKING_QUEUE", &path("orders-parked-2"))
        .await;
    testbed
        .has_variable(
            "orders-fast",
            "RETIRED_PARKING_QUEUES",
            &path("orders-parked"),
        )
        .await;
    testbed.apply(ORDERS).await;
    let status = testbed.says("orders", "Parked=True").await;
    assert_eq!(condition(&status, "Parked").reason, "ParkingRemoved");
    for id in ["orders-parked", "orders-parked-2"] {
        assert!(is_kept(&queues.get(id).await), "{id}");
    }
    let delete = r#"{"spec":{"deletionPolicy":"Delete"}}"#;
    let args = ["patch", "chain", "orders", "--type=merge", "-p", delete];
    testbed.kubectl(&args).await.expect_ok();
    testbed.delete("orders").await;
    testbed.gone("orders").await;
    let left = queues.all().await;
    let left: Vec<&str> = left.iter().map(|it| it.path.id.as_str()).collect();
    assert_eq!(left, ["orders-notifier"]);
}

#[tokio::test]
async fn metrics_have_the_number_and_the_age_of_parked_tasks() {
    let emulator = Emulator::start().await;
    let proxy = StatsProxy::start(emulator.addr()).await;
    let testbed = Testbed::at("parking-numbers", proxy.addr(), &QUICK).await;
    let queues = Queues::of(&emulator).await;
    testbed.apply(&parking("orders-parked")).await;
    testbed.says("orders", "QueuesReady=True").await;
    let parked = queue("orders-parked");
    for id in ["a", "b"] {
        let created = queues.create_task(&parked, &task(&parked, id, "x")).await;
        created.unwrap();
    }
    let value = async |name: &str| -> Option<f64> {
        let labels = format!(
            r#"{{chain_namespace="{}",chain="orders",queue="orders-parked"}} "#,
            testbed.namespace
        );
        let start = format!("executor_operator_parked_{name}{labels}");
        let text = testbed.metrics_text().await;
        let line = text.lines().find_map(|line| line.strip_prefix(&start))?;
        line.parse().ok()
    };
    eventually("two parked tasks", SOON, async || {
        let tasks = value("tasks").await;
        (tasks == Some(2.0), tasks)
    })
    .await;
    eventually("an age that grows", SOON, async || {
        let age = value("oldest_seconds").await;
        (age.is_some_and(|age| age > 1.0), age)
    })
    .await;
}
