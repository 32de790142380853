//! What a user adds to the workers' objects is owned by the operator as the rest is.

use testkit::eventually;

use crate::testbed::{ORDERS, SOON, Testbed, with_emulator};

const ADDED: &str = "
  workerTemplate:
    env: [{name: RUST_LOG, value: debug}]
    deploymentMetadata: {labels: {team: shop}, annotations: {example.com/reload: 'true'}}
    serviceMetadata: {labels: {team: shop}, annotations: {example.com/backend: '{}'}}
  stages:";

#[tokio::test]
async fn what_a_user_adds_is_restored_while_the_spec_has_it_and_removed_with_it() {
    let (testbed, _emulator, _queues) = with_emulator("added").await;
    let with = ORDERS.replace("\n  stages:", ADDED);
    testbed.apply(&with).await;
    testbed.settle("orders").await;
    are(&testbed, "shop shop true {}").await;

    // Changed by another, as drift of the operator's own fields is.
    for kind in ["deployment", "service"] {
        let label = ["label", kind, "orders-fast", "team=other", "--overwrite"];
        testbed.kubectl(&label).await.expect_ok();
        let others = ["annotate", kind, "orders-fast", "example.com/of-another=1"];
        testbed.kubectl(&others).await.expect_ok();
    }
    are(&testbed, "shop shop true {}").await;

    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    are(&testbed, "").await;
    let path = "jsonpath={.metadata.annotations.example\\.com/of-another}";
    for kind in ["deployment", "service"] {
        let get = ["get", kind, "orders-fast", "-o", path];
        let kept = testbed.kubectl(&get).await.expect_ok();
        assert_eq!(kept, "1", "what another added to the {kind} stays");
    }
}

/// The labels of the Deployment and the Service, then an annotation of each.
async fn are(testbed: &Testbed, wanted: &str) {
    eventually("the metadata", SOON, async || {
        let mut found = Vec::new();
        for path in [
            "{.metadata.labels.team}",
            "{.metadata.annotations.example\\.com/reload}{.metadata.annotations.example\\.com/backend}",
        ] {
            for kind in ["deployment", "service"] {
                let path = format!("jsonpath={path}");
                let get = ["get", kind, "orders-fast", "-o", &path];
                found.push(testbed.kubectl(&get).await.stdout);
            }
        }
        let found = found.join(" ").trim().to_owned();
        (found == wanted).then_some(()).ok_or(found)
    })
    .await;
}
