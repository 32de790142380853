//! Tokens of pushes, from the spec to the queues and the workers.

use cloudtasks::OidcToken;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use testkit::eventually;

use crate::pods::{pod, report_ready, worker};
use crate::testbed::{ORDERS, Queues, SOON, Testbed, condition, http, served, variable, without};

const QUICK: &[&str] = &["--address-delay", "1s"];

fn public(oidc: &str) -> String {
    let push = format!("  push: {{url: 'https://{{stage}}.push.example.com'}}\n{oidc}  stages:\n");
    ORDERS.replace("  stages:\n", &push)
}

fn with_audiences(audiences: &str) -> String {
    public(&format!(
        "  oidc: {{serviceAccountEmail: pusher@demo.example, audiences: [{audiences}]}}\n"
    ))
}

/// The audience of the token that a queue sends.
async fn sent(queues: &Queues, id: &str) -> Option<String> {
    let found = queues.get(id).await;
    let token: Option<OidcToken> = found.http_target?.token;
    Some(token?.audience)
}

async fn workers(testbed: &Testbed) -> Deployment {
    testbed.deployments().get("orders-fast").await.unwrap()
}

/// Waits until the workers of the first stage accept tokens for these audiences.
async fn accept(testbed: &Testbed, audiences: Option<&str>) {
    eventually("the audiences that workers take", SOON, async || {
        testbed.pods_are_ready().await;
        let accepted = variable(&workers(testbed).await, "OIDC_AUDIENCES");
        (accepted.as_deref() == audiences, accepted)
    })
    .await;
}

async fn end_former(pods: &Api<Pod>) {
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete("former", &at_once).await.unwrap();
}

#[tokio::test]
async fn oidc_is_set_on_the_queues_and_required_by_the_workers() {
    let (testbed, _emulator, queues) = served("oidc", &[], &with_audiences("orders, former")).await;
    for id in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get(id).await;
        let token = found.http_target.unwrap().token.unwrap();
        assert_eq!(token.service_account_email, "pusher@demo.example");
        assert_eq!(token.audience, "orders");
    }
    assert_eq!(sent(&queues, "orders-notifier").await, None);
    let workers = workers(&testbed).await;
    let set = |name| variable(&workers, name).unwrap_or_default();
    assert_eq!(set("OIDC_AUDIENCES"), "former,orders");
    assert_eq!(set("OIDC_SERVICE_ACCOUNT_EMAILS"), "pusher@demo.example");
    testbed
        .says("orders", "PushesUnauthenticated=False TokensDemanded")
        .await;
    testbed
        .says("orders", "PushesRefused=Unknown WorkersNotAsked")
        .await;
    // It has come to rest.
    let before = testbed.writes("").await;
    testbed.rounds_pass("orders", 2).await;
    assert_eq!(testbed.writes("").await, before);
}

#[tokio::test]
async fn a_token_is_turned_on_and_off_without_a_refused_push() {
    let (testbed, _emulator, queues) = served("on-off", QUICK, &public("")).await;
    testbed
        .says("orders", "PushesUnauthenticated=True NoTokenDemanded")
        .await;

    testbed.apply(&with_audiences("orders")).await;
    testbed
        .says("orders", "PushesUnauthenticated=True TokenNotDemandedYet")
        .await;
    accept(&testbed, Some("orders")).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("orders"));
    testbed.settle("orders").await;
    testbed
        .says("orders", "PushesUnauthenticated=False TokensDemanded")
        .await;

    // One that is slow to end.
    let pods = pod(&testbed, "orders-fast", "former").await;
    testbed.apply(&public("")).await;
    accept(&testbed, None).await;
    let waits = "QueuesReady=False Progressing: queue incoming stops sending a token once";
    testbed.says("orders", waits).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("orders"));
    end_former(&pods).await;
    testbed.settle("orders").await;
    assert_eq!(sent(&queues, "incoming").await, None);
}

#[tokio::test]
async fn an_audience_changes_while_both_are_accepted() {
    let (testbed, _emulator, queues) = served("audience", QUICK, &with_audiences("old")).await;
    let pods = pod(&testbed, "orders-fast", "former").await;

    testbed.apply(&with_audiences("new")).await;
    accept(&testbed, Some("new,old")).await;
    let waits = "queue incoming sends the spec's token once every worker of stage fast accepts it";
    let waits = format!("QueuesReady=False Progressing: {waits}");
    testbed.says("orders", &waits).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("old"));
    end_former(&pods).await;
    accept(&testbed, Some("new")).await;
    assert_eq!(sent(&queues, "incoming").await.as_deref(), Some("new"));
    testbed.settle("orders").await;
}

#[tokio::test]
async fn refused_pushes_are_reported_in_the_status() {
    // Of the loopback range, and nobody else's.
    let ip = "127.11.7.3";
    let args = ["--worker-poll-interval", "200ms"];
    let (testbed, _emulator, _queues) = Testbed::with("refused", &args).await;
    let only = without(&without(&with_audiences("orders"), "middle"), "slow");
    testbed.apply(&only).await;
    testbed.settle("orders").await;
    let worker = worker(&testbed, "orders-fast", ip).await;
    let pods = pod(&testbed, "orders-fast", "orders-fast-1").await;
    report_ready(&pods, "orders-fast-1", ip).await;
    testbed
        .says("orders", "PushesRefused=False NoneRefused")
        .await;

    // What is no push is not reported.
    let pushed = format!("{ip}:9480");
    assert!(http("GET", &pushed, "/").await.starts_with("HTTP/1.1 500"));
    let head = "/ HTTP/1.1\r\nX-CloudTasks-QueueName: incoming\r\nX: ";
    let answer = http("POST", &pushed, head).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    testbed
        .says("orders", "PushesRefused=True TokensRefused")
        .await;
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    let sentence = &condition(&status, "PushesRefused").message;
    assert!(sentence.contains(": incoming (missing). "), "{sentence}");

    // Nothing is claimed of one that doesn't answer.
    worker.kill9();
    testbed
        .says("orders", "PushesRefused=Unknown WorkersNotAsked")
        .await;
}
