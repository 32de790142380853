//! What Flux, and others that compute a status by kstatus, find out about a chain:
//! <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>.

use serde_json::Value;
use testkit::{ApiServer, eventually};

use crate::testbed::{ORDERS, SOON, Testbed, with_emulator};

#[tokio::test]
async fn a_chain_that_no_operator_has_seen_is_in_progress() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("unserved").await;
    let apply = ["-n", &namespace, "apply", "-f", "-"];
    server.kubectl_with_input(&apply, ORDERS).await.expect_ok();
    let get = ["-n", &namespace, "get", "chain", "orders", "-o", "json"];
    let chain = server.kubectl(&get).await.expect_ok();
    let chain: Value = serde_json::from_str(&chain).unwrap();
    assert_eq!(kstatus(&chain), "InProgress", "{}", chain["status"]);
}

#[tokio::test]
async fn a_chain_is_current_only_when_its_newest_spec_is_in_effect() {
    let (mut testbed, _emulator, _queues) = with_emulator("kstatus").await;
    testbed.apply(ORDERS).await;
    testbed.not_ready("orders", "PodsNotReady").await;
    assert_eq!(kstatus(&chain(&testbed).await), "InProgress");
    testbed.settle("orders").await;
    assert_eq!(kstatus(&chain(&testbed).await), "Current");

    // Nobody has seen the edit.
    testbed.operator.kill9();
    testbed.operator.exit(SOON).await;
    testbed
        .apply(&ORDERS.replace("maxAttempts: 3", "maxAttempts: 4"))
        .await;
    assert_eq!(kstatus(&chain(&testbed).await), "InProgress");
    testbed.restart().await;
    testbed.settle("orders").await;
    assert_eq!(kstatus(&chain(&testbed).await), "Current");

    // What only a person can fix is no success either.
    testbed
        .apply(&ORDERS.replace("https://api.example.com/task-events", "https://:80"))
        .await;
    testbed.not_ready("orders", "InvalidSpec").await;
    assert_eq!(kstatus(&chain(&testbed).await), "InProgress");

    let delete = ["delete", "chain", "orders", "--wait=false"];
    testbed.operator.kill9();
    testbed.kubectl(&delete).await.expect_ok();
    assert_eq!(kstatus(&chain(&testbed).await), "Terminating");
    testbed.restart().await;
    eventually("no chain", SOON, async || {
        let found = testbed.chains().get_opt("orders").await.unwrap();
        found.is_none().then_some(()).ok_or(found)
    })
    .await;
}

async fn chain(testbed: &Testbed) -> Value {
    let get = ["get", "chain", "orders", "-o", "json"];
    let chain = testbed.kubectl(&get).await.expect_ok();
    serde_json::from_str(&chain).unwrap()
}

/// By the rules for kinds that kstatus doesn't know.
fn kstatus(object: &Value) -> &'static str {
    let status = &object["status"];
    let conditions = status["conditions"].as_array();
    let condition = |kind: &str| {
        let mut conditions = conditions.into_iter().flatten();
        let found = conditions.find(|condition| condition["type"] == kind)?;
        found["status"].as_str()
    };
    let observed = &status["observedGeneration"];
    let is_old = !observed.is_null() && *observed != object["metadata"]["generation"];
    if !object["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if is_old || condition("Reconciling") == Some("True") {
        "InProgress"
    } else if condition("Stalled") == Some("True") {
        "Failed"
    } else {
        match condition("Ready") {
            Some("False" | "Unknown") => "InProgress",
            _ => "Current",
        }
    }
}
