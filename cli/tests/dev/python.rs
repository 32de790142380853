//! Google's own Python client puts tasks into a chain, as any producer would.

use std::process::Command;

use serde_json::Value;
use testkit::{Process, Receiver, eventually};

use crate::program::{Dev, SOON, notifying};

const PRODUCER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../hack/python/producer.py");

#[tokio::test]
async fn a_task_of_googles_python_client_climbs_with_its_bytes_and_headers() {
    let python = std::env::var("EXECUTOR_CHAIN_PYTHON")
        .expect("make test makes a Python with google-cloud-tasks, and names it here");
    let handler = Receiver::answering(500);
    let client = Receiver::answering(200);
    let manifest = notifying(&client);
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;

    let mut producer = Command::new(python);
    producer.args([
        PRODUCER,
        &dev.listen,
        "demo",
        "europe-west1",
        "incoming",
        "order-7",
    ]);
    let producer = Process::spawn(&producer);
    assert_eq!(producer.exit(SOON).await, 0, "{}", producer.log());

    eventually("an event", SOON, async || {
        client.requests().first().cloned()
    })
    .await;
    let runs = handler.requests();
    let stages: Vec<&str> = runs
        .iter()
        .map(|run| run.header("executor-stage"))
        .collect();
    assert_eq!(stages, ["fast", "fast", "fast", "slow", "slow"]);
    let attempts: Vec<&str> = runs
        .iter()
        .map(|run| run.header("executor-attempt"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3", "1", "2"]);
    let body: Vec<u8> = (0..=255).collect();
    for run in &runs {
        assert_eq!(run.method.as_str(), "PUT");
        assert_eq!(run.uri.to_string(), "/orders/7?a=1&b=%20x");
        assert_eq!(run.body, body);
        assert_eq!(run.header("content-type"), "application/x-order");
        assert_eq!(run.header("x-customer"), "acme");
        assert_eq!(run.header("executor-task"), "order-7");
        let most = if run.header("executor-stage") == "fast" {
            "3"
        } else {
            "2"
        };
        assert_eq!(run.header("executor-max-attempts"), most);
    }
    let event: Value = serde_json::from_slice(&client.requests()[0].body).unwrap();
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(event["data"]["task"], "order-7");
    assert_eq!(event["data"]["request"]["method"], "PUT");
    assert_eq!(event["data"]["request"]["path"], "/orders/7?a=1&b=%20x");
    assert_eq!(client.requests().len(), 1);
}
