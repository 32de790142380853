//! Faults of proxies between Cloud Tasks and a worker.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cloudtasks::{Method, TaskState};
use executor_worker::WorkerMetrics;
use testkit::calls::intercept;
use testkit::{Receiver, Recorded, eventually};

use crate::attempts::forward;
use crate::pushes::{head, push};
use crate::testbed::{SOON, Testbed, queue, started};

/// How long the proxy waits for a worker.
const PATIENCE: Duration = Duration::from_millis(100);

type Status = Pin<Box<dyn Future<Output = u16> + Send>>;

/// A proxy: `misbehave` gets the number of the push, from 0, and the worker's answer if it waits for
/// it.
fn proxy(worker: SocketAddr, misbehave: fn(usize, Status) -> Status) -> Receiver {
    let pushes = AtomicUsize::new(0);
    Receiver::start(move |request: Recorded| {
        let push = pushes.fetch_add(1, Ordering::Relaxed);
        let answer = async move { forward(worker, &request).await.0 };
        let status = misbehave(push, Box::pin(answer));
        async move { (status.await, Vec::new(), Vec::new()) }
    })
}

/// How often a task of `incoming` has been dispatched.
async fn dispatches(testbed: &Testbed, id: &str) -> i32 {
    let task = queue("incoming").task(id.parse().unwrap());
    match testbed.cloud.get_task(&task).await.unwrap() {
        TaskState::Exists(task) => task.dispatch_count,
        TaskState::Ended | TaskState::Unknown => 0,
    }
}

#[tokio::test]
async fn pushes_that_never_reach_a_worker_cost_no_attempt() {
    let (testbed, handler, worker) = started(Receiver::answering(500), &[]).await;
    // A hundred answers of 503, then a hundred refused connections.
    let unavailable = Receiver::answering(503);
    let port = unavailable.addr().port();
    testbed.eager_queue("incoming", unavailable.addr()).await;
    testbed.send("order-1", Method::Post, &[], b"{}").await;
    eventually("a hundred times 503", SOON, async || {
        let count = unavailable.requests().len();
        (count >= 100, count)
    })
    .await;
    drop(unavailable);
    let so_far = dispatches(&testbed, "order-1").await;
    eventually("a hundred refused connections", SOON, async || {
        let count = dispatches(&testbed, "order-1").await;
        (count >= so_far + 100, count)
    })
    .await;
    let to = worker.addr();
    let _open = Receiver::start_on(port, move |request: Recorded| async move {
        (forward(to, &request).await.0, Vec::new(), Vec::new())
    });
    let event = testbed.end(&["incoming"]).await;
    assert_eq!(handler.requests().len(), 3);
    assert_eq!(event["data"]["attempts"]["fast"], 3);
    assert_eq!(event["data"]["reason"], "status");
    worker.stop().await;
}

#[tokio::test]
async fn a_404_of_a_proxy_is_no_attempt_and_the_handler_still_runs() {
    let (testbed, handler, worker) = started(Receiver::answering(500), &[]).await;
    // As many as there are attempts: by Cloud Tasks' count they are used up.
    let proxy = proxy(worker.addr(), |push, answer| match push {
        0..3 => Box::pin(std::future::ready(404)),
        _ => answer,
    });
    let event = testbed.run(proxy.addr(), &[]).await;
    assert_eq!(handler.requests().len(), 1, "and not ended without a run");
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    worker.stop().await;
}

/// Gives up waiting for the worker, as a proxy with a time-out does.
fn impatient(_push: usize, answer: Status) -> Status {
    Box::pin(async { tokio::time::timeout(PATIENCE, answer).await.unwrap_or(504) })
}

/// Answers only when the worker's caller has given up.
fn late_handler(status: u16, worker: Arc<OnceLock<Arc<WorkerMetrics>>>) -> Receiver {
    Receiver::start(move |_| {
        let worker = Arc::clone(&worker);
        async move {
            // By hand, since `eventually` gives no future that a server may move.
            let is_waiting = || {
                worker
                    .get()
                    .is_none_or(|it| it.snapshot().callers_waiting > 0)
            };
            let gone = async {
                while is_waiting() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            tokio::time::timeout(SOON, gone).await.unwrap();
            (status, Vec::new(), Vec::new())
        }
    })
}

#[tokio::test]
async fn a_task_whose_every_run_outlasts_the_proxy_ends_after_its_attempts() {
    let stats = Arc::new(OnceLock::new());
    let (testbed, handler, worker) = started(
        late_handler(500, Arc::clone(&stats)),
        &[("MAX_ATTEMPTS", "2")],
    )
    .await;
    stats.set(worker.metrics()).unwrap();
    let proxy = proxy(worker.addr(), impatient);
    let event = testbed.run(proxy.addr(), &[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    let runs = handler.requests().len();
    assert!((1..=2).contains(&runs), "{runs} runs");
    worker.stop().await;
}

#[tokio::test]
async fn a_success_whose_caller_has_left_is_notified_and_not_run_again() {
    let stats = Arc::new(OnceLock::new());
    let (testbed, handler, worker) = started(late_handler(200, Arc::clone(&stats)), &[]).await;
    stats.set(worker.metrics()).unwrap();
    let proxy = proxy(worker.addr(), impatient);
    let event = testbed.run(proxy.addr(), &[]).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(handler.requests().len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_create_that_hangs_leaves_time_for_another() {
    let testbed = Testbed::new().await;
    let creates = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&creates);
    let (cloud_tasks, _hanging) = intercept(testbed.emulator.addr(), move |mut to, call| {
        let is_create = call.uri().path().ends_with("/CreateTask");
        let hangs = is_create && counted.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(to.send_request(call).await?)
        }
    })
    .await;
    let handler = Receiver::answering(200);
    let to = cloud_tasks.to_string();
    let vars = [("CLOUD_TASKS_EMULATOR_HOST", to.as_str())];
    let worker = testbed.worker(&handler, &vars).await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
    assert_eq!(creates.load(Ordering::Relaxed), 2);
    worker.stop().await;
}
