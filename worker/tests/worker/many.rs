//! A stage on which everything fails, at the full rate of a queue.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloudtasks::{NewTask, QueueSettings};
use futures::StreamExt;
use testkit::{Receiver, counters, eventually};

use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, queue, started};

/// Enough to overlap in every way; `EXECUTOR_MANY_TASKS=10000` for a measurement.
const TASKS: usize = 500;

/// Where the run of all of them begins to be slow on two busy cores.
const PATIENCE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn every_task_of_a_failing_stage_is_on_the_next_stage_exactly_once() {
    let tasks = std::env::var("EXECUTOR_MANY_TASKS").map_or(TASKS, |text| text.parse().unwrap());
    let vars = [ONE_ATTEMPT, DOWNSTREAM, ("CONCURRENCY", "1000")];
    let (testbed, handler, worker) = started(Receiver::answering(500), &vars).await;
    testbed.paused_queue("incoming-2").await;
    testbed.queue("incoming", worker.addr()).await;
    testbed.cloud.pause_queue(&queue("incoming")).await.unwrap();
    let full_rate = QueueSettings {
        max_dispatches_per_second: Some(500.0),
        max_concurrent_dispatches: Some(500),
        ..QueueSettings::default()
    };
    let incoming = queue("incoming");
    let updated = testbed.cloud.update_queue(&incoming, &full_rate).await;
    updated.unwrap();
    let template = NewTask {
        path: None,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        ..testkit::task(&incoming, "unnamed", "{}")
    };
    futures::stream::iter(0..tasks)
        .for_each_concurrent(50, async |_| {
            let created = testbed.cloud.create_task(&incoming, &template).await;
            created.unwrap();
        })
        .await;

    let begin = Instant::now();
    testbed.cloud.resume_queue(&incoming).await.unwrap();
    eventually("an empty first stage", PATIENCE, async || {
        let left = testbed.cloud.list_tasks(&incoming, 1).await.ok()?;
        left.is_empty().then_some(())
    })
    .await;
    let took = begin.elapsed();

    let there = testbed
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
        worker.metrics().snapshot().pushes_under_way == 0
    })
    .await;
    worker.stop().await;
}
