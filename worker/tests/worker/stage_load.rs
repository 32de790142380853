//! What a worker counts of its stage's load: how late pushes come, what arrives, and what may run.

use cloudtasks::Method;
use decide::TaskOrigin;
use executor_worker::RunningWorker;
use jiff::{SignedDuration, Timestamp};
use testkit::metrics::Counters;
use testkit::{Receiver, eventually};

use crate::interruptions::Gate;
use crate::pushes::{get, head, push};
use crate::testbed::{DOWNSTREAM, SOON, Testbed, queue, started};

const HOUR: f64 = 3600.0;

/// What the worker has counted of the lag.
#[derive(Debug, PartialEq)]
struct Lag {
    pushes: f64,
    /// Those up to the bound of the first bucket.
    in_time: f64,
    /// Those up to a quarter of an hour.
    within_900_s: f64,
    seconds: f64,
}

async fn counters(worker: &RunningWorker) -> Counters {
    Counters::parse(&get(worker.admin_addr(), "/metrics").await.1)
}

async fn lag(worker: &RunningWorker) -> Lag {
    let counters = counters(worker).await;
    let bucket = |bound: &str| {
        counters.sum("executor_worker_lag_seconds_bucket", |labels| {
            labels.get("le") == bound
        })
    };
    Lag {
        pushes: counters.total("executor_worker_lag_seconds_count"),
        in_time: bucket("0.1"),
        within_900_s: bucket("900.0"),
        seconds: counters.total("executor_worker_lag_seconds_sum"),
    }
}

/// The tasks of producers and the hand-overs that arrived.
fn arrivals(worker: &RunningWorker) -> (u64, u64) {
    let metrics = worker.metrics();
    let of = |origin| metrics.arrivals(origin);
    (of(TaskOrigin::Producer), of(TaskOrigin::HandOver))
}

fn from_now(seconds: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn the_lag_of_a_push_is_counted_if_its_eta_is_valid() {
    let (_testbed, _handler, worker) = started(Receiver::answering(500), &[]).await;
    let push = async |task, r, eta: Option<String>| {
        let mut head = head(task, r, r, (r > 0).then_some(477));
        head.extend(eta.map(|eta| ("x-cloudtasks-tasketa".to_owned(), eta)));
        assert_eq!(push(worker.addr(), &head).await, 477, "{task}");
        lag(&worker).await
    };
    let eta = |seconds| Some(format!("{}.25", from_now(seconds).as_second()));

    let none = push("unknown", 0, None).await;
    assert_eq!(none, push("invalid", 0, Some("soon".into())).await);
    assert_eq!((none.pushes, none.seconds), (0.0, 0.0));

    let ahead = push("ahead", 0, eta(3600)).await;
    assert_eq!(
        (ahead.pushes, ahead.in_time, ahead.seconds),
        (1.0, 1.0, 0.0)
    );

    let late = push("late", 0, eta(-3601)).await;
    assert_eq!((late.pushes, late.within_900_s), (2.0, 1.0));
    assert!(late.seconds >= HOUR, "{late:?}");

    // A retry counts like a first dispatch.
    let retried = push("late", 1, eta(-3601)).await;
    assert_eq!((retried.pushes, retried.within_900_s), (3.0, 1.0));
    assert!(retried.seconds >= 2.0 * HOUR, "{retried:?}");
    worker.stop().await;
}

#[tokio::test]
async fn the_lag_of_tasks_from_a_queue_is_the_time_since_they_were_due() {
    let (testbed, _handler, worker) = started(Receiver::answering(200), &[]).await;
    let counted = async |pushes: f64| {
        eventually("the pushes", SOON, async || {
            let lag = lag(&worker).await;
            if lag.pushes < pushes {
                Err(lag)
            } else {
                Ok(lag)
            }
        })
        .await
    };
    let begin = Timestamp::now();
    testbed.queue("incoming", worker.addr()).await;
    testbed.cloud.pause_queue(&queue("incoming")).await.unwrap();
    testbed.send("now", Method::Post, &[], b"").await;
    // Cloud Tasks makes it due at once, and not an hour ago.
    testbed.schedule("past", from_now(-3600)).await;
    let created = Timestamp::now();
    testbed.schedule("later", from_now(24 * 3600)).await;
    let waited = seconds_since(created);
    testbed
        .cloud
        .resume_queue(&queue("incoming"))
        .await
        .unwrap();

    let two = counted(2.0).await;
    let longest = seconds_since(begin);
    assert_eq!((two.pushes, arrivals(&worker)), (2.0, (2, 0)));
    // The header has microseconds.
    assert!(two.seconds >= 2.0 * (waited - 1e-5), "{two:?}, {waited}");
    assert!(two.seconds <= 2.0 * (longest + 1e-5), "{two:?}, {longest}");

    testbed.run_now("later").await;
    let three = counted(3.0).await;
    assert_eq!(three.seconds.to_bits(), two.seconds.to_bits());
    assert_eq!(arrivals(&worker), (3, 0));
    worker.stop().await;
}

fn seconds_since(time: Timestamp) -> f64 {
    Timestamp::now().duration_since(time).as_secs_f64()
}

#[tokio::test]
async fn a_task_arrives_once_on_each_stage_however_often_it_is_pushed() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(500);
    let lookups = format!("{},{}", queue("incoming"), DOWNSTREAM.1);
    let lookups = ("LOOKUP_QUEUES", &*lookups);
    let first = testbed
        .worker(&handler, &[("MAX_ATTEMPTS", "2"), DOWNSTREAM, lookups])
        .await;
    let vars = [("STAGE", "slow"), ("QUEUE", DOWNSTREAM.1), lookups];
    let second = testbed.worker(&handler, &vars).await;
    testbed.queue("incoming", first.addr()).await;
    testbed.queue("incoming-2", second.addr()).await;

    testbed.send("order-1", Method::Post, &[], b"").await;
    testbed.end(&["incoming", "incoming-2"]).await;

    // Each push has its lag, retries too.
    for (worker, pushes, arrived) in [(first, 2.0, (1, 0)), (second, 3.0, (0, 1))] {
        let counted = (lag(&worker).await.pushes, arrivals(&worker));
        assert_eq!(counted, (pushes, arrived));
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_push_without_a_free_slot_arrives_and_an_invalid_one_does_not() {
    let gate = Gate::new();
    let (_testbed, handler, worker) = started(gate.handler(200), &[("CONCURRENCY", "1")]).await;
    let to = worker.addr();
    let run = tokio::spawn(async move { push(to, &head("a", 0, 0, None)).await });
    eventually("the run", SOON, async || handler.requests().pop()).await;
    assert_eq!(push(to, &head("b", 0, 0, None)).await, 503);
    let mut other = head("c", 0, 0, None);
    other[0].1 = "another-queue".to_owned();
    assert_eq!(push(to, &other).await, 500);
    assert_eq!(arrivals(&worker), (2, 0));
    gate.open();
    assert_eq!(run.await.unwrap(), 200);
    worker.stop().await;
}

#[tokio::test]
async fn the_limit_and_the_slots_that_are_taken_are_gauges() {
    let gate = Gate::new();
    let (_testbed, handler, worker) = started(gate.handler(200), &[("CONCURRENCY", "7")]).await;
    let gauges = async || {
        let counters = counters(&worker).await;
        (
            counters.total("executor_worker_concurrency_limit"),
            counters.total("executor_worker_runs_under_way"),
        )
    };
    assert_eq!(gauges().await, (7.0, 0.0));
    let to = worker.addr();
    let run = tokio::spawn(async move { push(to, &head("a", 0, 0, None)).await });
    eventually("the run", SOON, async || handler.requests().pop()).await;
    assert_eq!(gauges().await, (7.0, 1.0));
    gate.open();
    assert_eq!(run.await.unwrap(), 200);
    assert_eq!(gauges().await, (7.0, 0.0));
    worker.stop().await;
}

#[tokio::test]
async fn a_new_worker_serves_both_origins_as_zero() {
    let (_testbed, _handler, worker) = started(Receiver::answering(200), &[]).await;
    let (_, metrics) = get(worker.admin_addr(), "/metrics").await;
    for origin in ["producer", "hand_over"] {
        let line = format!(
            r#"executor_worker_arrivals_total{{chain="orders",stage="fast",origin="{origin}"}} 0"#
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    worker.stop().await;
}
