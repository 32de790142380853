//! How attempts are counted.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use executor_worker::RunningWorker;
use testkit::{Receiver, Recorded, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::pushes::{head, push, send};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, Testbed, started};

/// Records what Cloud Tasks sends on its way to a worker.
pub fn in_between(worker: SocketAddr) -> Receiver {
    Receiver::start(move |request: Recorded| async move {
        let (status, body) = forward(worker, &request).await;
        (status, Vec::new(), body.to_vec())
    })
}

pub async fn forward(to: SocketAddr, request: &Recorded) -> (u16, Bytes) {
    let headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let (method, path) = (request.method.as_str(), request.uri.to_string());
    send(to, method, &path, &headers, request.body.clone()).await
}

fn values(requests: &[Recorded], name: &str) -> Vec<String> {
    requests
        .iter()
        .map(|request| request.header(name).to_owned())
        .collect()
}

const MIB: usize = 1024 * 1024;

/// What a handler does when it has written its part of the body.
#[derive(Clone, Copy)]
enum AfterBody {
    Close,
    Wait,
}

/// A handler that announces a 200 of `announced` bytes and writes `written` of them in small pieces.
/// It says of each answer whether it could write all that.
async fn streaming(
    announced: usize,
    written: usize,
    then: AfterBody,
) -> (String, UnboundedReceiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (finished, answers) = unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // At its start a worker connects without a request.
            if stream.read(&mut [0; 4096]).await.unwrap() == 0 {
                continue;
            }
            let written = body_is_written(&mut stream, announced, written).await;
            let _ = finished.send(written.is_ok());
            if matches!(then, AfterBody::Wait) {
                // Until the worker closes the connection.
                let _ = stream.read(&mut [0; 1]).await;
            }
        }
    });
    (url, answers)
}

async fn body_is_written(
    stream: &mut TcpStream,
    announced: usize,
    written: usize,
) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {announced}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for piece in vec![b'x'; written].chunks(64 * 1024) {
        stream.write_all(piece).await?;
        // A connection that the worker has closed shows at the next piece.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// A testbed, and a worker before the handler at this URL.
async fn started_before(url: &str, vars: &[(&str, &str)]) -> (Testbed, RunningWorker) {
    let vars = [vars, &[("HANDLER_URL", url)]].concat();
    let (testbed, _, worker) = started(Receiver::answering(200), &vars).await;
    (testbed, worker)
}

#[tokio::test]
async fn failures_are_counted_by_cloud_tasks() {
    let (testbed, handler, worker) = started(Receiver::answering(500), &[]).await;
    let between = in_between(worker.addr());
    let event = testbed.run(between.addr(), &[]).await;

    let pushes = between.requests();
    assert_eq!(
        values(&pushes, "x-cloudtasks-taskexecutioncount"),
        ["0", "1", "2"]
    );
    assert_eq!(
        values(&pushes, "x-cloudtasks-taskretrycount"),
        ["0", "1", "2"]
    );
    assert_eq!(
        values(&pushes, "x-cloudtasks-taskpreviousresponse"),
        ["", "477", "477"]
    );
    let runs = handler.requests();
    assert_eq!(values(&runs, "executor-attempt"), ["1", "2", "3"]);
    assert_eq!(values(&runs, "executor-max-attempts"), ["3", "3", "3"]);
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(event["data"]["attempts"]["fast"], 3);
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_refuses_connections_costs_no_attempt() {
    let (_testbed, handler, worker) = started(Receiver::answering(200), &[ONE_ATTEMPT]).await;
    drop(handler);
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 503);
    assert_eq!(worker.metrics().snapshot().handler_unreachable, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_dies_in_its_answer_has_failed() {
    for announced in [100, 3 * MIB] {
        let (url, _) = streaming(announced, announced * 2 / 3, AfterBody::Close).await;
        let (_testbed, worker) = started_before(&url, &[]).await;
        let answer = push(worker.addr(), &head("order-1", 0, 0, None)).await;
        assert_eq!(answer, 477, "{announced}");
        let failed = worker.metrics().snapshot().attempts_failed;
        assert_eq!(failed, 1, "{announced}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_long_answer_is_read_to_its_end() {
    let (url, mut finished) = streaming(3 * MIB, 3 * MIB, AfterBody::Wait).await;
    let (testbed, worker) = started_before(&url, &[]).await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
    assert!(finished.recv().await.unwrap(), "the handler was cut off");
    let event = testbed.end(&[]).await;
    let answer = &event["data"]["lastAnswer"];
    assert_eq!(answer["body"].as_str().unwrap().len(), 4096);
    assert_eq!(answer["truncated"], true);
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_hangs_in_a_long_answer_fails_by_timeout() {
    let (url, _) = streaming(3 * MIB, 2 * MIB, AfterBody::Wait).await;
    let (_testbed, worker) = started_before(&url, &[("HANDLER_TIMEOUT", "500ms")]).await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 477);
    assert_eq!(worker.metrics().snapshot().attempts_timed_out, 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_that_hangs_fails_by_timeout() {
    let handler = Receiver::start(|_| std::future::pending());
    let vars = [("HANDLER_TIMEOUT", "50ms"), ("MAX_ATTEMPTS", "2")];
    let (testbed, handler, worker) = started(handler, &vars).await;
    let event = testbed.run(worker.addr(), &[]).await;

    assert_eq!(handler.requests().len(), 2);
    assert_eq!(event["data"]["reason"], "timeout");
    assert_eq!(event["data"]["lastAnswer"], serde_json::Value::Null);
    assert_eq!(worker.metrics().snapshot().attempts_timed_out, 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_route_follows_a_timeout() {
    let handler = Receiver::start(|_| std::future::pending());
    let routes =
        r#"[{"match": {"reason": "timeout"}, "to": "projects/p/locations/l/queues/slow"}]"#;
    let deadlines = "projects/p/locations/l/queues/slow=20s";
    let vars = [
        ("HANDLER_TIMEOUT", "50ms"),
        ("ROUTES", routes),
        ("DISPATCH_DEADLINES", deadlines),
    ];
    let (testbed, _handler, worker) = started(handler, &vars).await;
    testbed.paused_queue("slow").await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
    let handed_on = testbed.tasks("slow").await;
    assert_eq!(handed_on.len(), 1);
    // Cloud Tasks waits for the next stage as long as that stage may take, and no longer.
    let deadline = handed_on[0].dispatch_deadline;
    assert_eq!(deadline, Some(Duration::from_secs(20)));
    worker.stop().await;
}

#[tokio::test]
async fn verdicts_and_routes_send_tasks_to_their_targets() {
    let handler = Receiver::start(|request| async move {
        let said = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        match &request.body[..] {
            b"escalate" => (500, vec![said("executor-verdict", "escalate")], Vec::new()),
            b"fail" => (500, vec![said("executor-verdict", "fail")], Vec::new()),
            b"big" => (500, vec![said("executor-reason", "too-big")], Vec::new()),
            b"unknown" => (500, vec![said("executor-verdict", "explode")], Vec::new()),
            _ => (404, Vec::new(), Vec::new()),
        }
    });
    let routes = r#"[
        {"match": {"header": {"name": "X-Customer", "value": "acme"}}, "to": "projects/p/locations/l/queues/slow"},
        {"match": {"reason": "too-big"}, "to": "projects/p/locations/l/queues/slow"},
        {"match": {"status": "4xx"}, "to": "fail"}
    ]"#;
    let vars = [("ROUTES", routes), DOWNSTREAM];
    let (testbed, handler, worker) = started(handler, &vars).await;
    for id in ["incoming-2", "slow"] {
        testbed.paused_queue(id).await;
    }

    let to = worker.addr();
    let push = |task: &'static str, customer: &'static str| {
        let mut head = head(task, 0, 0, None);
        head.push(("x-customer".into(), customer.into()));
        let body = Bytes::from_static(task.as_bytes());
        async move { send(to, "POST", "/", &head, body).await.0 }
    };
    for (task, customer, answer) in [
        ("escalate", "", 200),
        ("fail", "", 200),
        ("big", "", 200),
        ("not-found", "", 200),
        ("unknown", "", 477),
        ("never-run", "acme", 200),
    ] {
        assert_eq!(push(task, customer).await, answer, "{task}");
    }
    let on = async |id| testbed.tasks(id).await.len();
    assert_eq!((on("incoming-2").await, on("slow").await), (1, 2));
    assert_eq!(handler.requests().len(), 5);
    eventually("two Failed events", SOON, async || {
        let events = testbed.client.requests().len();
        (events == 2, events)
    })
    .await;
    worker.stop().await;
}
