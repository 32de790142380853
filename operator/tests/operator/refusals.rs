//! Manifests that pass the schema and can't be served: a reason, a sentence, and the others go on.

use cloudtasks::QueueSettings;
use serde_json::json;
use testkit::{Emulator, Receiver};

use crate::testbed::{ORDERS, Testbed, lax_crd, named, queue, says, served, with_emulator};

#[tokio::test]
async fn without_a_project_a_chain_says_so_and_another_is_served() {
    let (testbed, _emulator, _queues) = with_emulator("no-project").await;
    testbed.apply_with("  project: demo\n", "").await;
    let sentence = testbed.not_ready("orders", "InvalidSpec").await;
    assert!(sentence.contains("spec.project is missing"), "{sentence}");
    assert!(sentence.contains("--project"), "{sentence}");
    testbed.apply(&named("parcels", ORDERS)).await;
    testbed.settle("parcels").await;
}

#[tokio::test]
async fn a_blocked_queue_name_is_reported() {
    let (testbed, _emulator, queues) = with_emulator("blocked").await;
    let blocked = queue("incoming-2");
    let settings = QueueSettings::default();
    queues.create_queue(&blocked, &settings).await.unwrap();
    queues.delete_queue(&blocked).await.unwrap();
    testbed.apply(ORDERS).await;
    let sentence = testbed.not_ready("orders", "QueueNameBlocked").await;
    assert!(sentence.contains("incoming-2"), "{sentence}");
    assert!(sentence.contains("wait, or use another name"), "{sentence}");
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    assert!(
        says(&status, "QueuesReady=False QueueMissing"),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_queue_of_another_chain_is_refused_with_that_chains_name() {
    let (testbed, _emulator, queues) = served("conflict", &[], ORDERS).await;
    let before = queues.all().await;
    testbed.apply_with("name: orders}", "name: thief}").await;
    let sentence = testbed.not_ready("thief", "QueueOwnedByAnother").await;
    let owner = format!("test/{}/orders", testbed.namespace);
    assert!(sentence.contains(&owner), "{sentence}");
    testbed.delete("thief").await;
    assert_eq!(queues.all().await, before);
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    assert!(says(&status, "Ready=True"));
}

#[tokio::test]
async fn a_foreign_deployment_with_a_stages_name_is_not_changed() {
    let (testbed, _emulator, _queues) = with_emulator("taken").await;
    let create = ["create", "deployment", "orders-middle", "--image=foreign:1"];
    testbed.kubectl(&create).await.expect_ok();
    let before = testbed.deployment_versions().await;
    testbed.apply(ORDERS).await;
    let sentence = testbed.not_ready("orders", "NameTaken").await;
    let words = "Deployment orders-middle exists";
    assert!(sentence.contains(words), "{sentence}");
    assert_eq!(testbed.deployment_versions().await, before);
}

#[tokio::test]
async fn a_refusal_by_cloud_tasks_has_its_own_reason() {
    for (code, reason, words) in [
        (5, "ProjectNotFound", "The requested project was not found"),
        (
            7,
            "PermissionDenied",
            "The principal lacks cloudtasks.queues.list",
        ),
        (8, "QuotaExceeded", "Quota exceeded for queue management"),
        (14, "CloudTasksAway", "The service is unavailable"),
    ] {
        let cloud = Receiver::refusing(code, words);
        let testbed = Testbed::at("refused", cloud.addr(), &[]).await;
        testbed.apply(ORDERS).await;
        let sentence = testbed.not_ready("orders", reason).await;
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[tokio::test]
async fn an_outage_of_cloud_tasks_is_reported_until_it_ends() {
    let emulator = Emulator::start().await;
    let port = emulator.addr().port();
    let testbed = Testbed::at("away", emulator.addr(), &[]).await;
    testbed.apply(ORDERS).await;
    let known = testbed.settle("orders").await.stages;
    drop(emulator);
    testbed.apply_with("maxAttempts: 3", "maxAttempts: 4").await;
    testbed.not_ready("orders", "CloudTasksAway").await;
    // What it knew of the queues it still says; what it can't know it doesn't say.
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    assert_eq!(status.stages, known);
    assert!(says(&status, "QueuesReady=Unknown CloudTasksAway"));
    let _back = Emulator::start_on(port).await;
    testbed.settle("orders").await;
}

#[tokio::test]
async fn a_chain_that_cant_be_parsed_blocks_no_other_and_can_be_deleted() {
    let emulator = Emulator::start().await;
    let mut testbed = Testbed::on_a_server_of_its_own(Some(&lax_crd()), &emulator).await;
    let unreadable = ORDERS
        .replace("name: orders}", "name: unreadable}")
        .replace(
            "spec:\n  project",
            "spec:\n  drainDelay: a while\n  project",
        );
    testbed.apply(&unreadable).await;
    let sentence = testbed.not_readable("unreadable").await;
    assert!(sentence.contains("can't be parsed"), "{sentence}");
    assert!(sentence.contains("a while"), "{sentence}");
    let path = format!("/api/v1/chains/{}/unreadable", testbed.namespace);
    let (_, live) = testbed.api(&path).await;
    let edit = &live["edit"];
    assert_eq!(
        (&edit["state"], &edit["reason"]),
        (&json!("waits"), &json!("InvalidSpec"))
    );
    assert!(
        edit["message"].as_str().unwrap().contains("a while"),
        "{live}"
    );

    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    // An operator that starts lists them all at once.
    testbed.restart().await;
    testbed.apply_with("maxAttempts: 3", "maxAttempts: 4").await;
    testbed
        .has_variable("orders-fast", "MAX_ATTEMPTS", "4")
        .await;
    testbed.delete("unreadable").await;
}

#[tokio::test]
async fn an_address_that_no_worker_could_use_is_refused() {
    let (testbed, _emulator, _queues) = with_emulator("address").await;
    let placeholder = ORDERS.replace("https://api.example.com/", "https://{env}.example.com/");
    testbed.apply(&placeholder).await;
    let sentence = testbed.not_ready("orders", "InvalidSpec").await;
    assert!(sentence.contains("notifier.url"), "{sentence}");
}
