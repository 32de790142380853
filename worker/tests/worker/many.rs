//! A stage on which everything fails, at the full rate of a queue.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudtasks::{NewTask, QueueSettings};
use futures::StreamExt;
use testkit::{Receiver, counters, eventually};

use crate::ladder::{Ladder, SOON, queue};

/// Enough to overlap in every way; `EXECUTOR_MANY_TASKS=10000` for a measurement.
const TASKS: usize = 500;

/// Where the run of all of them begins to be slow on two busy cores.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn every_task_of_a_failing_stage_is_on_the_next_stage_exactly_once() {
    let tasks = std::env::var("EXECUTOR_MANY_TASKS").map_or(TASKS, |text| text.parse().unwrap());
    let ladder = Ladder::new().await;
    let handler = Receiver::answering(500);
    let next = queue("incoming-2").to_string();
    let vars = [
        ("MAX_ATTEMPTS", "1"),
        ("DOWNSTREAM_QUEUE", next.as_str()),
        ("CONCURRENCY", "1000"),
    ];
    let worker = ladder.worker(&handler, &vars).await;
    ladder.paused_queue("incoming-2").await;
    ladder.queue("incoming", worker.addr()).await;
    ladder.cloud.pause_queue(&queue("incoming")).await.unwrap();
    let full_rate = QueueSettings {
        max_dispatches_per_second: Some(500.0),
        max_concurrent_dispatches: Some(500),
        ..QueueSettings::default()
    };
    let incoming = queue("incoming");
    ladder
        .cloud
        .update_queue(&incoming, &full_rate)
        .await
        .unwrap();
    let template = NewTask {
        path: None,
        url: "http://producer.example/orders".into(),
        method: cloudtasks::Method::Post,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: b"{}".to_vec(),
        dispatch_deadline: None,
    };
    futures::stream::iter(0..tasks)
        .for_each_concurrent(50, async |_| {
            let created = ladder.cloud.create_task(&incoming, &template).await;
            created.unwrap();
        })
        .await;

    let begin = Instant::now();
    ladder.cloud.resume_queue(&incoming).await.unwrap();
    eventually("an empty first stage", PATIENCE, async || {
        let left = ladder.cloud.list_tasks(&incoming, 1).await.ok()?;
        left.is_empty().then_some(())
    })
    .await;
    let took = begin.elapsed();

    let there = ladder
        .cloud
        .list_tasks(&queue("incoming-2"), tasks + 1)
        .await
        .unwrap();
    let names: BTreeSet<String> = there.iter().map(|task| task.path.to_string()).collect();
    assert_eq!((there.len(), names.len()), (tasks, tasks));
    assert_eq!(handler.requests().len(), tasks, "one run each");
    let counters = counters(worker.admin_addr()).await.unwrap();
    let seconds = counters.total("executor_worker_create_duration_seconds_sum");
    let count = counters.total("executor_worker_create_duration_seconds_count");
    println!(
        "{tasks} tasks in {took:.1?}; a hand-over takes {:.1} ms on average",
        1000.0 * seconds / count
    );
    eventually("the end of all pushes", SOON, async || {
        (worker.metrics().snapshot().pushes_under_way == 0).then_some(())
    })
    .await;
    worker.stop().await;
}
