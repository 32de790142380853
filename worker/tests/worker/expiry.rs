//! Tasks whose time is over, or that their owner has deleted.

use bytes::Bytes;
use cloudtasks::{Method, TaskState};
use jiff::{SignedDuration, Timestamp};
use testkit::metrics::Counters;
use testkit::{Receiver, eventually, free_port};
use tokio::sync::Semaphore;

use crate::pushes::{get, head, push, send};
use crate::testbed::{DOWNSTREAM, SOON, Testbed, queue};

const TASK: &str = "/v2/projects/p/locations/l/queues/incoming/tasks/order-1";
const EXPIRED: &str = "expired";

/// A stage whose time is over at once.
const NO_TIME: (&str, &str) = ("GIVE_UP_AFTER", "1ms");
/// A stage whose time is over soon, and not twice as much.
const SOME_TIME: (&str, &str) = ("GIVE_UP_AFTER", "3s");

async fn dispatches(testbed: &Testbed) -> i32 {
    let path = queue("incoming").task("order-1".parse().unwrap());
    match testbed.cloud.get_task(&path).await.unwrap() {
        TaskState::Exists(task) => task.dispatch_count,
        TaskState::Ended | TaskState::Unknown => panic!("the task has ended"),
    }
}

#[tokio::test]
async fn the_time_of_a_task_begins_when_it_is_due() {
    let testbed = Testbed::new().await;
    let port = free_port();
    let vars = [
        ("HANDLER_URL", &*format!("http://127.0.0.1:{port}")),
        ("GIVE_UP_AFTER", "4s"),
    ];
    let nobody = Receiver::answering(200);
    let worker = testbed.worker(&nobody, &vars).await;
    testbed.eager_queue("incoming", worker.addr()).await;
    let due = Timestamp::now() + SignedDuration::from_secs(5);
    testbed.schedule("order-1", due).await;

    // More than it takes to look at the age.
    eventually("pushes without a handler", SOON, async || {
        let count = dispatches(&testbed).await;
        if count > 12 { Ok(()) } else { Err(count) }
    })
    .await;
    let handler = Receiver::start_on(port, |_| async { (200, Vec::new(), Vec::new()) });
    let event = testbed.end(&["incoming"]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(handler.requests().len(), 1);
    worker.stop().await;
}

/// A task on a paused queue, whose time is over.
async fn overdue(testbed: &Testbed) {
    testbed.paused_queue("incoming").await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let path = queue("incoming").task("order-1".parse().unwrap());
    let TaskState::Exists(task) = testbed.cloud.get_task(&path).await.unwrap() else {
        panic!("it was just created");
    };
    eventually("the end of its time", SOON, async || {
        let age = Timestamp::now().duration_since(task.created);
        if age > SignedDuration::from_secs(3) {
            Ok(())
        } else {
            Err(age)
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_is_tried_once_more_if_the_handler_takes_connections_again() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let worker = testbed.worker(&handler, &[SOME_TIME]).await;
    overdue(&testbed).await;
    assert_eq!(
        push(worker.addr(), &head("order-1", 10, 0, Some(503))).await,
        200
    );
    let event = testbed.end(&[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(handler.requests().len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_push_of_a_task_that_expires_soon_is_counted() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let nobody = Receiver::answering(200);
    let away = ("HANDLER_URL", "http://127.0.0.1:9");
    for (time, retries, expiring) in [("20h", 9, 0), ("20h", 10, 1), ("30h", 10, 0)] {
        let worker = testbed
            .worker(&nobody, &[("GIVE_UP_AFTER", time), away])
            .await;
        let head = head("order-1", retries, 0, Some(503));
        assert_eq!(push(worker.addr(), &head).await, 503);
        let (_, page) = get(worker.admin_addr(), "/metrics").await;
        let counted = Counters::parse(&page).total("executor_worker_expiring_total");
        assert!(
            (counted - f64::from(expiring)).abs() < 0.5,
            "{time}, {retries}: {counted}"
        );
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_task_that_may_have_killed_its_worker_is_not_tried_again() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let worker = testbed.worker(&handler, &[SOME_TIME]).await;
    overdue(&testbed).await;
    assert_eq!(
        push(worker.addr(), &head("order-1", 10, 0, Some(502))).await,
        200
    );
    let event = testbed.end(&[]).await;
    assert_eq!(event["data"]["reason"], EXPIRED);
    assert_eq!(handler.requests().len(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_whose_handler_is_still_away_at_its_last_try_expires() {
    let testbed = Testbed::new().await;
    let nobody = Receiver::answering(200);
    let away = ("HANDLER_URL", "http://127.0.0.1:9");
    let worker = testbed.worker(&nobody, &[SOME_TIME, away]).await;
    overdue(&testbed).await;
    assert_eq!(
        push(worker.addr(), &head("order-1", 10, 0, Some(503))).await,
        200
    );
    let event = testbed.end(&[]).await;
    assert_eq!(event["data"]["reason"], EXPIRED);
    assert_eq!(event["data"]["attempts"]["fast"], 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_runs_here_at_this_moment_does_not_expire() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let release = std::sync::Arc::new(Semaphore::new(0));
    let released = std::sync::Arc::clone(&release);
    let handler = Receiver::start(move |_| {
        let released = std::sync::Arc::clone(&released);
        async move {
            released.acquire().await.unwrap().forget();
            (200, Vec::new(), Vec::new())
        }
    });
    let worker = testbed.worker(&handler, &[NO_TIME]).await;
    let addr = worker.addr();
    let run = tokio::spawn(async move { push(addr, &head("order-1", 9, 0, Some(502))).await });
    eventually("the run", SOON, async || {
        (handler.requests().len() == 1).then_some(())
    })
    .await;
    assert_eq!(push(addr, &head("order-1", 10, 0, Some(504))).await, 503);
    release.add_permits(1);
    assert_eq!(run.await.unwrap(), 200);
    let event = testbed.end(&[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_was_deleted_during_its_last_attempt_is_not_handed_over() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    testbed.paused_queue("incoming-2").await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    let emulator = testbed.emulator.addr();
    let handler = Receiver::start(move |_| async move {
        let (status, _) = send(emulator, "DELETE", TASK, &[], Bytes::new()).await;
        assert_eq!(status, 200);
        (500, Vec::new(), Vec::new())
    });
    let vars = [DOWNSTREAM, ("MAX_ATTEMPTS", "2")];
    let worker = testbed.worker(&handler, &vars).await;
    assert_eq!(
        push(worker.addr(), &head("order-1", 1, 1, Some(477))).await,
        200
    );
    assert_eq!(handler.requests().len(), 1);
    let left = testbed.tasks("incoming-2").await;
    assert_eq!(left, []);
    assert_eq!(testbed.client.requests().len(), 0);
    worker.stop().await;
}
