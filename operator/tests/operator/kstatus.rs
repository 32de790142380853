//! What Flux, and others that compute a status by kstatus, find out about a chain:
//! <https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>.

use serde_json::Value;
use testkit::{ApiServer, eventually};

use crate::place::{ORDERS, Place, SOON, with_emulator};

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
    let (mut place, _emulator, _queues) = with_emulator("kstatus").await;
    place.apply(ORDERS).await;
    place.not_ready("orders", "PodsNotReady").await;
    assert_eq!(kstatus(&chain(&place).await), "InProgress");
    place.settle("orders").await;
    assert_eq!(kstatus(&chain(&place).await), "Current");

    // Nobody has seen the edit.
    place.operator.kill9();
    place.operator.exit(SOON).await;
    place
        .apply(&ORDERS.replace("maxAttempts: 3", "maxAttempts: 4"))
        .await;
    assert_eq!(kstatus(&chain(&place).await), "InProgress");
    place.restart().await;
    place.settle("orders").await;
    assert_eq!(kstatus(&chain(&place).await), "Current");

    // What only a person can fix is no success either.
    place
        .apply(&ORDERS.replace("https://api.example.com/task-events", "https://:80"))
        .await;
    place.not_ready("orders", "InvalidSpec").await;
    assert_eq!(kstatus(&chain(&place).await), "InProgress");

    let delete = ["delete", "chain", "orders", "--wait=false"];
    place.operator.kill9();
    place.kubectl(&delete).await.expect_ok();
    assert_eq!(kstatus(&chain(&place).await), "Terminating");
    place.restart().await;
    eventually("no chain", SOON, async || {
        let found = place.chains().get_opt("orders").await.unwrap();
        found.is_none().then_some(()).ok_or(found)
    })
    .await;
}

async fn chain(place: &Place) -> Value {
    let get = ["get", "chain", "orders", "-o", "json"];
    let chain = place.kubectl(&get).await.expect_ok();
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
