//! Manifests that pass the schema and can't be served: a reason, a sentence, and the others go on.

use std::future::ready;

use testkit::{Emulator, Receiver, eventually};

use crate::place::{ORDERS, Place, SOON, condition, is_true, lax_crd, variable, with_emulator};

fn named(name: &str) -> String {
    ORDERS
        .replace("name: orders}", &format!("name: {name}}}"))
        .replace("queue: incoming", &format!("queue: {name}"))
}

#[tokio::test]
async fn without_a_project_a_chain_says_so_and_another_is_served() {
    let (place, _emulator, _queues) = with_emulator("no-project").await;
    place.apply(&ORDERS.replace("  project: demo\n", "")).await;
    let sentence = place.not_ready("orders", "InvalidSpec").await;
    assert!(sentence.contains("spec.project is missing"), "{sentence}");
    assert!(sentence.contains("--project"), "{sentence}");
    place.apply(&named("parcels")).await;
    place.settle("parcels").await;
}

#[tokio::test]
async fn a_blocked_queue_name_is_reported() {
    let (place, _emulator, queues) = with_emulator("blocked").await;
    let blocked = crate::place::queue("incoming-2");
    queues
        .create_queue(&blocked, &cloudtasks::QueueSettings::default())
        .await
        .unwrap();
    queues.delete_queue(&blocked).await.unwrap();
    place.apply(ORDERS).await;
    let sentence = place.not_ready("orders", "QueueNameBlocked").await;
    assert!(sentence.contains("incoming-2"), "{sentence}");
    assert!(sentence.contains("wait, or use another name"), "{sentence}");
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    let (holds, reason, message) = condition(&status, "QueuesReady").unwrap();
    assert_eq!(
        (holds.as_str(), reason.as_str()),
        ("False", "QueueMissing"),
        "{message}"
    );
}

#[tokio::test]
async fn a_queue_of_another_chain_is_refused_with_that_chains_name() {
    let (place, _emulator, queues) = with_emulator("conflict").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    let before = queues
        .list_queues(&crate::place::queue("x").parent)
        .await
        .unwrap();
    place
        .apply(&ORDERS.replace("name: orders}", "name: thief}"))
        .await;
    let sentence = place.not_ready("thief", "QueueOwnedByAnother").await;
    assert!(
        sentence.contains(&format!("test/{}/orders", place.namespace)),
        "{sentence}"
    );
    place
        .kubectl(&["delete", "chain", "thief", "--timeout=20s"])
        .await
        .expect_ok();
    assert_eq!(
        queues
            .list_queues(&crate::place::queue("x").parent)
            .await
            .unwrap(),
        before
    );
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    assert!(is_true(&status, "Ready"));
}

#[tokio::test]
async fn a_foreign_deployment_with_a_stages_name_is_not_changed() {
    let (place, _emulator, _queues) = with_emulator("taken").await;
    let create = ["create", "deployment", "orders-middle", "--image=foreign:1"];
    place.kubectl(&create).await.expect_ok();
    let before = place.deployment_versions().await;
    place.apply(ORDERS).await;
    let sentence = place.not_ready("orders", "NameTaken").await;
    assert!(
        sentence.contains("Deployment orders-middle exists"),
        "{sentence}"
    );
    assert_eq!(place.deployment_versions().await, before);
}

/// What Cloud Tasks says when it refuses: gRPC over HTTP/2, with the status in the headers.
pub fn refusing(code: u32, message: &'static str) -> Receiver {
    Receiver::start(move |_| {
        let headers = [
            ("content-type", "application/grpc".to_owned()),
            ("grpc-status", code.to_string()),
            ("grpc-message", message.to_owned()),
        ];
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec();
        ready((200, headers, Vec::new()))
    })
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
        let cloud = refusing(code, words);
        let place = Place::new("refused", &cloud.addr().to_string()).await;
        place.apply(ORDERS).await;
        let sentence = place.not_ready("orders", reason).await;
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[tokio::test]
async fn an_outage_of_cloud_tasks_is_reported_until_it_ends() {
    let emulator = Emulator::start().await;
    let port = emulator.addr().port();
    let place = Place::new("away", &emulator.addr().to_string()).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    let known = place
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap()
        .stages;
    drop(emulator);
    place
        .apply(&ORDERS.replace("maxAttempts: 3", "maxAttempts: 4"))
        .await;
    place.not_ready("orders", "CloudTasksAway").await;
    // What it knew of the queues it still says; what it can't know it doesn't say.
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    assert_eq!(status.stages, known);
    let (holds, reason, _) = condition(&status, "QueuesReady").unwrap();
    assert_eq!(
        (holds.as_str(), reason.as_str()),
        ("Unknown", "CloudTasksAway")
    );
    let _back = Emulator::start_on(port).await;
    place.settle("orders").await;
}

#[tokio::test]
async fn a_chain_that_cant_be_parsed_blocks_no_other_and_can_be_deleted() {
    let emulator = Emulator::start().await;
    let mut place = Place::on_a_server_of_its_own(&lax_crd(), &emulator).await;
    let unreadable = ORDERS
        .replace("name: orders}", "name: unreadable}")
        .replace(
            "spec:\n  project",
            "spec:\n  drainDelay: a while\n  project",
        );
    place.apply(&unreadable).await;
    let sentence = place.not_readable("unreadable").await;
    assert!(sentence.contains("can't be parsed"), "{sentence}");
    assert!(sentence.contains("a while"), "{sentence}");

    place.apply(ORDERS).await;
    place.settle("orders").await;
    // An operator that starts lists them all at once.
    place.restart().await;
    place
        .apply(&ORDERS.replace("maxAttempts: 3", "maxAttempts: 4"))
        .await;
    eventually("an edit in force", SOON, async || {
        let deployment = place.deployments().get("orders-fast").await.ok()?;
        (variable(&deployment, "MAX_ATTEMPTS")? == "4").then_some(())
    })
    .await;
    place
        .kubectl(&["delete", "chain", "unreadable", "--timeout=20s"])
        .await
        .expect_ok();
}

#[tokio::test]
async fn an_address_that_no_worker_could_use_is_refused() {
    let (place, _emulator, _queues) = with_emulator("address").await;
    let placeholder = ORDERS.replace("https://api.example.com/", "https://{env}.example.com/");
    place.apply(&placeholder).await;
    let sentence = place.not_ready("orders", "InvalidSpec").await;
    assert!(sentence.contains("notifier.url"), "{sentence}");
}
