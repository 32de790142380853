//! A task's way through the stages.

use cloudtasks::Method;
use testkit::{Receiver, Recorded};

use crate::testbed::{DOWNSTREAM, Testbed, started};

const BODY: &[u8] = b"\x00\xffnot text\r\n\r\n\x80";
const HEADERS: [(&str, &str); 4] = [
    ("content-type", "application/x-order"),
    ("x-customer", "acme, \"north\"; q=1"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("authorization", "Bearer of-the-producer"),
];

fn assert_same_task(run: &Recorded) {
    assert_eq!(run.method, "PUT");
    assert_eq!(run.uri, "/orders?id=7&x=%20");
    assert_eq!(&run.body[..], BODY);
    for (name, value) in HEADERS {
        let values: Vec<_> = run.headers.get_all(name).iter().collect();
        assert_eq!(values.len(), 1, "{name}");
        assert_eq!(values[0].as_bytes(), value.as_bytes(), "{name}");
    }
    assert!(!run.headers.contains_key("executor-ledger"));
}

#[tokio::test]
async fn a_task_that_always_fails_passes_every_stage_unchanged_and_ends_once() {
    let testbed = Testbed::new().await;
    let says = |request: Recorded| async move {
        (
            503,
            Vec::new(),
            format!("no, on {}", request.header("executor-stage")).into_bytes(),
        )
    };
    let (fast, slow) = (Receiver::start(says), Receiver::start(says));
    let stages = "projects/p/locations/l/queues/incoming,projects/p/locations/l/queues/incoming-2";
    let stages = ("LOOKUP_QUEUES", stages);
    let vars = [("MAX_ATTEMPTS", "2"), stages, DOWNSTREAM];
    let first = testbed.worker(&fast, &vars).await;
    let vars = [("STAGE", "slow"), ("QUEUE", DOWNSTREAM.1), stages];
    let second = testbed.worker(&slow, &vars).await;
    testbed.queue("incoming", first.addr()).await;
    testbed.queue("incoming-2", second.addr()).await;

    testbed.send("order-1", Method::Put, &HEADERS, BODY).await;
    let event = testbed.end(&["incoming", "incoming-2"]).await;

    for (handler, stage, runs, max) in [(&fast, "fast", 2, "2"), (&slow, "slow", 3, "3")] {
        let requests = handler.requests();
        assert_eq!(requests.len(), runs, "{stage}");
        for (index, run) in requests.iter().enumerate() {
            assert_same_task(run);
            assert_eq!(run.header("executor-chain"), "orders");
            assert_eq!(run.header("executor-stage"), stage);
            assert_eq!(run.header("executor-task"), "order-1");
            assert_eq!(run.header("executor-attempt"), (index + 1).to_string());
            assert_eq!(run.header("executor-max-attempts"), max);
        }
    }

    let data = &event["data"];
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(event["subject"], "order-1");
    assert_eq!(data["task"], "order-1");
    assert_eq!(data["queue"], "incoming");
    assert_eq!(data["chain"], "orders");
    assert_eq!(data["stage"], "slow");
    assert_eq!(data["reason"], "status");
    assert_eq!(data["attempts"], serde_json::json!({"fast": 2, "slow": 3}));
    assert_eq!(data["lastAnswer"]["status"], 503);
    assert_eq!(data["lastAnswer"]["body"], "no, on slow");
    assert_eq!(data["ledger"]["hop"], 1);
    assert_eq!(data["ledger"]["stages"][0]["status"], 503);
    assert_eq!(data["request"]["method"], "PUT");
    assert_eq!(data["request"]["path"], "/orders?id=7&x=%20");
    assert_eq!(
        data["request"]["headers"]["x-customer"],
        "acme, \"north\"; q=1"
    );
    let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, BODY);
    assert_eq!(data["request"]["bodyBase64"], body);

    assert_eq!(first.metrics().snapshot().handed_on, 1);
    assert_eq!(second.metrics().snapshot().notified_failed, 1);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_success_is_notified_once() {
    let (testbed, handler, worker) = started(
        Receiver::start(|_| async { (201, Vec::new(), vec![b'x'; 10_000]) }),
        &[],
    )
    .await;
    testbed.queue("incoming", worker.addr()).await;

    testbed.send("order-1", Method::Get, &[], b"").await;
    let event = testbed.end(&["incoming"]).await;

    assert_eq!(handler.requests().len(), 1);
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    let data = &event["data"];
    assert_eq!(data["attempts"]["fast"], 1);
    assert_eq!(data["lastAnswer"]["status"], 201);
    assert_eq!(data["lastAnswer"]["body"].as_str().unwrap().len(), 4096);
    assert_eq!(data["lastAnswer"]["truncated"], true);
    assert!(data.get("request").is_none() && data.get("ledger").is_none());
    worker.stop().await;
}

#[tokio::test]
async fn a_handler_url_with_a_path_replaces_the_tasks_path() {
    let handler = Receiver::answering(200);
    let url = handler.url("/work?from=queue");
    let (testbed, handler, worker) = started(handler, &[("HANDLER_URL", &url)]).await;
    testbed.run(worker.addr(), &[]).await;

    assert_eq!(handler.requests()[0].uri, "/work?from=queue");
    worker.stop().await;
}
