//! Tasks climb, and their client is told how each ended.

use std::collections::BTreeSet;
use std::future::ready;

use serde_json::Value;
use testkit::{Receiver, Recorded, eventually};

use crate::program::{Dev, ORDERS, SOON, notifying};

fn events(receiver: &Receiver) -> Vec<(String, Value)> {
    let parsed = receiver.requests().into_iter().map(|request| {
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        (
            event["type"].as_str().unwrap().to_owned(),
            event["data"].clone(),
        )
    });
    parsed.collect()
}

fn on(stage: &str, requests: &[Recorded]) -> Vec<Recorded> {
    let requests = requests.iter();
    let on = requests.filter(|request| request.header("executor-stage") == stage);
    on.cloned().collect()
}

#[tokio::test]
async fn every_task_ends_and_the_account_says_so() {
    let options = ["--tasks=60", "--exit-when-idle", "--fail-for-ever=0.2"];
    let dev = Dev::spawn(ORDERS, &options);
    let code = dev.process.exit(SOON).await;
    let log = dev.process.log();
    assert_eq!(code, 0, "{log}");
    let count = |word: &str| -> usize {
        let line = log.lines().find(|line| line.starts_with(word)).expect(&log);
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(count("sent  "), 60, "{log}");
    assert_eq!(count("succeeded") + count("failed"), 60, "{log}");
    assert_eq!(count("lost"), 0, "{log}");
    assert!(log.contains("by fast"), "{log}");
}

#[tokio::test]
async fn a_chain_under_a_gateway_needs_none_here() {
    let manifest = ORDERS.replace(
        "  stages:\n",
        "  push: {gateway: {name: external, hostname: '{stage}.push.example.com'}}\n  stages:\n",
    );
    let dev = Dev::spawn(&manifest, &["--tasks", "5", "--exit-when-idle"]);
    let code = dev.process.exit(SOON).await;
    let log = dev.process.log();
    assert_eq!(code, 0, "{log}");
    assert!(!log.contains("push.example.com"), "{log}");
    assert!(!log.contains("HTTPRoute"), "{log}");
}

#[tokio::test]
async fn a_task_that_always_fails_gets_its_attempts_on_each_stage_and_one_failed_event() {
    let handler = Receiver::answering(500);
    let client = Receiver::answering(200);
    let manifest = notifying(&client);
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    let body = "{\"order\": 7, \"note\": \"ünïcode\"}";
    let (code, said) = dev
        .send(&["--body", body, "--header", "X-Customer: acme"])
        .await;
    assert_eq!((code, said.trim()), (0, "sent 1 to incoming"));

    eventually("an event", SOON, async || events(&client).first().cloned()).await;
    let runs = handler.requests();
    assert_eq!(on("fast", &runs).len(), 3);
    assert_eq!(on("slow", &runs).len(), 2);
    for (stage, most) in [("fast", "3"), ("slow", "2")] {
        for (index, run) in on(stage, &runs).iter().enumerate() {
            assert_eq!(run.header("executor-attempt"), (index + 1).to_string());
            assert_eq!(run.header("executor-max-attempts"), most);
            assert_eq!(run.header("executor-chain"), "default/orders");
            assert_eq!(run.header("x-customer"), "acme");
            assert_eq!(run.body, body.as_bytes(), "byte for byte, on each stage");
            assert_eq!(run.uri.path(), "/tasks");
        }
    }
    let events = events(&client);
    assert_eq!(events.len(), 1, "{events:?}");
    let (kind, data) = &events[0];
    assert_eq!(kind, "dev.executor-chain.task.failed.v1");
    assert_eq!(data["stage"], "slow");
    assert_eq!(data["attempts"], serde_json::json!({"fast": 3, "slow": 2}));
    assert_eq!(data["lastAnswer"]["status"], 500);
}

#[tokio::test]
async fn a_task_that_succeeds_later_ends_once_as_succeeded() {
    let handler = Receiver::start(|request| {
        let status = if request.header("executor-stage") == "slow" {
            200
        } else {
            503
        };
        ready((status, Vec::new(), b"done".to_vec()))
    });
    let client = Receiver::answering(200);
    let manifest = notifying(&client);
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    dev.send(&["--count", "5"]).await;
    eventually("five events", SOON, async || events(&client).len() == 5).await;
    let tasks: BTreeSet<String> = events(&client)
        .iter()
        .map(|(kind, data)| {
            assert_eq!(kind, "dev.executor-chain.task.succeeded.v1");
            assert_eq!(data["stage"], "slow");
            data["task"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(tasks.len(), 5);
    assert_eq!(handler.requests().len(), 5 * 3 + 5);
}
