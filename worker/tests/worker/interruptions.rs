//! Callers that hang up, and a worker that is asked to stop.

use futures::future::poll_immediate;
use testkit::chain::{self, Upstreams, stages};
use testkit::{Process, Receiver, binary, eventually, free_addr};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use crate::pushes::{begin, get, head, push, status};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, Testbed, started};

/// Holds a handler's answers back until it is opened.
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn handler(&self, status: u16) -> Receiver {
        let opened = self.0.subscribe();
        Receiver::start(move |_| {
            let mut opened = opened.clone();
            async move {
                opened.wait_for(|open| *open).await.unwrap();
                (status, Vec::new(), Vec::new())
            }
        })
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }
}

#[tokio::test]
async fn a_caller_that_disconnects_stops_nothing() {
    let gate = Gate::new();
    let vars = [DOWNSTREAM, ONE_ATTEMPT];
    let (testbed, handler, worker) = started(gate.handler(500), &vars).await;
    testbed.paused_queue("incoming-2").await;

    let head = head("order-1", 0, 0, None);
    let caller = begin(worker.addr(), &head, "content-length: 0").await;
    eventually("the run", SOON, async || handler.requests().pop()).await;
    drop(caller);
    gate.open();

    eventually("the hand-over", SOON, async || {
        testbed.tasks("incoming-2").await.pop()
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn a_task_whose_every_run_outlasts_its_caller_ends() {
    let gate = Gate::new();
    // No answer has ever been counted, but there were as many dispatches as attempts.
    let (testbed, handler, worker) = started(gate.handler(500), &[("MAX_ATTEMPTS", "3")]).await;
    let last = head("order-1", 2, 0, Some(504));
    let caller = begin(worker.addr(), &last, "content-length: 0").await;
    eventually("the run", SOON, async || handler.requests().pop()).await;
    drop(caller);
    // The handler answers only after the worker has noticed that the caller is gone.
    eventually("the worker's notice", SOON, async || {
        worker.metrics().snapshot().callers_waiting == 0
    })
    .await;
    gate.open();
    let event = testbed.end(&[]).await;
    assert_eq!(event["data"]["reason"], "status");
    worker.stop().await;
}

#[tokio::test]
async fn a_stopping_worker_finishes_its_runs_and_rejects_new_pushes() {
    let gate = Gate::new();
    let (_testbed, handler, worker) = started(gate.handler(200), &[("DRAIN_DELAY", "10ms")]).await;
    let (to, admin, metrics) = (worker.addr(), worker.admin_addr(), worker.metrics());
    let running = tokio::spawn(async move { push(to, &head("a", 0, 0, None)).await });
    eventually("the run", SOON, async || handler.requests().pop()).await;

    let stop = tokio::spawn(worker.stop());
    eventually("unreadiness", SOON, async || {
        get(admin, "/readyz").await.0 == 503
    })
    .await;
    // Within the drain delay it is still taken, and answered otherwise.
    eventually("a refusal", SOON, async || {
        push(to, &head("b", 9, 3, Some(596))).await == 596
    })
    .await;
    assert_eq!(push(to, &head("c", 0, 0, None)).await, 503);
    assert!(!stop.is_finished());

    gate.open();
    assert_eq!(running.await.unwrap(), 200);
    stop.await.unwrap();
    assert_eq!(metrics.snapshot().notified_succeeded, 1);
    assert_eq!(metrics.snapshot().pushes_under_way, 0);
    // Another test may get the port for a moment.
    eventually("that nobody listens any more", SOON, async || {
        tokio::net::TcpStream::connect(to).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_stopping_worker_closes_the_connections_that_its_callers_keep() {
    let (_testbed, _handler, worker) =
        started(Receiver::answering(200), &[("DRAIN_DELAY", "1h")]).await;
    let (to, admin) = (worker.addr(), worker.admin_addr());
    let mut caller = begin(to, &head("order-1", 0, 0, None), "content-length: 0").await;
    assert_eq!(status(&mut caller).await, 200);

    let mut stop = Box::pin(worker.stop());
    assert!(poll_immediate(&mut stop).await.is_none());
    let mut caller = begin(to, &head("order-2", 0, 0, None), "content-length: 0").await;
    let mut answer = String::new();
    tokio::time::timeout(SOON, caller.read_to_string(&mut answer))
        .await
        .expect("the connection is closed behind the answer")
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    // If all pods of a Service are terminating, Kubernetes uses those that are ready. A load balancer
    // that knows health checks alone must see that they terminate.
    assert_eq!(get(admin, "/readyz").await.0, 200);
    assert_eq!(get(admin, "/readyz/load-balancer").await.0, 503);
}

#[tokio::test]
async fn the_program_finishes_its_work_on_sigterm() {
    let testbed = Testbed::new().await;
    let gate = Gate::new();
    let handler = gate.handler(200);
    let (to, admin) = (free_addr(), free_addr());
    let upstreams = Upstreams {
        cloud_tasks: testbed.emulator.addr(),
        handler: handler.addr(),
        client: testbed.client.addr(),
    };
    let stages = stages([3, 1, 1]);
    let program = binary("executor-worker");
    let command = chain::worker(&program, &stages, &stages[0], [to, admin], upstreams);
    let program = Process::spawn(&command);
    eventually("the program's page", SOON, async || {
        tokio::net::TcpStream::connect(admin).await.map(drop)
    })
    .await;
    eventually("readiness", SOON, async || {
        get(admin, "/readyz").await.0 == 200
    })
    .await;
    assert_eq!(get(admin, "/readyz/load-balancer").await.0, 200);
    let running = tokio::spawn(async move { push(to, &head("a", 0, 0, None)).await });
    eventually("the run", SOON, async || handler.requests().pop()).await;

    program.terminate();
    eventually("unreadiness", SOON, async || {
        get(admin, "/readyz").await.0 == 503
    })
    .await;
    gate.open();
    assert_eq!(running.await.unwrap(), 200);
    assert_eq!(program.exit(SOON).await, 0);
}
