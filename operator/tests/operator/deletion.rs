//! A chain is deleted, and keeps its tasks.

use cloudtasks::{HttpTarget, QueueSettings, QueueState};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ListParams;
use plan::model::queue_headers::OWNER_HEADER;
use testkit::{Emulator, Proxy, Way, eventually, free_port};

use crate::phases::put_task;
use crate::place::{ORDERS, Place, SOON, is_true, queue, with_emulator};
use crate::refusals::refusing;

async fn delete(place: &Place, chain: &str) {
    place
        .kubectl(&["delete", "chain", chain, "--timeout=20s"])
        .await
        .expect_ok();
    eventually("no deployment", SOON, async || {
        let list = place
            .deployments()
            .list(&ListParams::default())
            .await
            .ok()?;
        list.items.is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn retain_pauses_the_stage_queues_and_deletes_the_workers() {
    let (place, _emulator, queues) = with_emulator("retain").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    delete(&place, "orders").await;
    for stage in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get_queue(&queue(stage)).await.unwrap();
        assert_eq!(found.state, QueueState::Paused, "{stage}");
    }
    // Clients still wait for what is in it.
    let notifier = queues.get_queue(&queue("orders-notifier")).await.unwrap();
    assert_eq!(notifier.state, QueueState::Running);

    // Applied again it carries on: it knows its own pauses.
    place.apply(ORDERS).await;
    let status = place.status("orders", "a pause", |status| is_true(status, "Paused"));
    let paused = status.await.paused;
    assert_eq!(paused.as_deref(), Some("incoming, incoming-2, incoming-3"));
    // Nothing is pushed before a worker is ready.
    place.settle("orders").await;
    for stage in ["incoming", "incoming-2", "incoming-3"] {
        let found = queues.get_queue(&queue(stage)).await.unwrap();
        assert_eq!(found.state, QueueState::Running, "{stage}");
    }
}

#[tokio::test]
async fn a_manual_pause_stays_when_the_chain_is_deleted_and_applied_again() {
    let (place, _emulator, queues) = with_emulator("by-hand").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    queues.pause_queue(&queue("incoming-2")).await.unwrap();
    delete(&place, "orders").await;
    place.apply(ORDERS).await;
    let status = place.settle("orders").await;
    assert_eq!(status.paused.as_deref(), Some("incoming-2"));
    assert_eq!(
        queues.get_queue(&queue("incoming-2")).await.unwrap().state,
        QueueState::Paused
    );
}

#[tokio::test]
async fn a_chain_that_could_never_be_served_can_be_deleted() {
    let (place, _emulator, _queues) = with_emulator("never").await;
    place.apply(&ORDERS.replace("  project: demo\n", "")).await;
    place.not_ready("orders", "InvalidSpec").await;
    delete(&place, "orders").await;
}

#[tokio::test]
async fn a_chain_deleted_during_an_outage_of_cloud_tasks_waits_until_its_patience_ends() {
    let (place, emulator, _queues) =
        Place::with("away-at-the-end", &["--deletion-patience", "3s"]).await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    drop(emulator);
    place
        .kubectl(&["delete", "chain", "orders", "--wait=false"])
        .await
        .expect_ok();
    let sentence = place.not_ready("orders", "CloudTasksAway").await;
    assert!(sentence.contains("could not be carried out"), "{sentence}");
    place.gone("orders").await;
    let left = place.deployments().list(&ListParams::default()).await;
    assert_eq!(left.unwrap().items.len(), 0);
}

fn with_policy(policy: &str) -> String {
    let spec = format!("  project: demo\n  deletionPolicy: {policy}\n");
    ORDERS.replace("  project: demo\n", &spec)
}

#[tokio::test]
async fn delete_deletes_the_stage_queues_and_keeps_the_notifiers_queue() {
    let (place, _emulator, queues) = with_emulator("delete").await;
    place.apply(&with_policy("Delete")).await;
    place.settle("orders").await;
    delete(&place, "orders").await;
    let left = queues.list_queues(&queue("incoming").parent).await.unwrap();
    let left: Vec<&str> = left.iter().map(|queue| queue.path.id.as_str()).collect();
    assert_eq!(left, ["orders-notifier"]);
}

#[tokio::test]
async fn orphan_keeps_everything_for_a_chain_that_is_applied_again() {
    let (place, _emulator, queues) = with_emulator("orphan").await;
    place.apply(&with_policy("Orphan")).await;
    place.settle("orders").await;
    place
        .kubectl(&["delete", "chain", "orders", "--timeout=20s"])
        .await
        .expect_ok();
    let found = queues.get_queue(&queue("incoming")).await.unwrap();
    assert_eq!(found.state, QueueState::Running);
    let left = place.deployments().list(&ListParams::default()).await;
    let owners = |object: &Deployment| object.owner_references().len();
    let left: Vec<usize> = left.unwrap().items.iter().map(owners).collect();
    assert_eq!(left, [0, 0, 0], "or they would be collected with the chain");

    place.apply(ORDERS).await;
    eventually("owners again", SOON, async || {
        let list = place.deployments().list(&ListParams::default()).await;
        let owned = list.ok()?.items.iter().map(owners).sum::<usize>();
        (owned == 3).then_some(())
    })
    .await;
    place.settle("orders").await;
}

#[tokio::test]
async fn a_draining_chain_is_deleted_when_cloud_tasks_stays_unavailable_for_its_patience() {
    let (place, emulator, _queues) =
        Place::with("drain-away", &["--deletion-patience", "3s"]).await;
    place.apply(&with_policy("Drain")).await;
    place.settle("orders").await;
    drop(emulator);
    delete(&place, "orders").await;
}

#[tokio::test]
async fn a_draining_chain_in_a_terminating_namespace_is_deleted_and_keeps_its_tasks() {
    let (place, _emulator, queues) = with_emulator("drain-ends").await;
    place.apply(&with_policy("Drain")).await;
    place.settle("orders").await;
    put_task(&queues, "incoming-2").await;
    // There is no namespace controller here: what it would do next is done by hand.
    let namespace = place.namespace.clone();
    let ends = ["delete", "namespace", &namespace, "--wait=false"];
    place.kubectl(&ends).await.expect_ok();
    let chain = ["delete", "chain", "orders", "--wait=false"];
    place.kubectl(&chain).await.expect_ok();
    let workers = ["delete", "deployments,services", "--all"];
    place.kubectl(&workers).await.expect_ok();
    place.gone("orders").await;
    let kept = queues.get_queue(&queue("incoming-2")).await.unwrap();
    assert_eq!(kept.state, QueueState::Paused);
}

#[tokio::test]
async fn a_draining_chain_that_can_no_longer_be_served_is_deleted_and_keeps_its_tasks() {
    let (place, _emulator, queues) =
        Place::with("drain-refused", &["--deletion-patience", "3s"]).await;
    place.apply(&with_policy("Drain")).await;
    place.settle("orders").await;
    put_task(&queues, "incoming-2").await;
    let mut target = HttpTarget::default();
    let owner = (OWNER_HEADER.to_owned(), "test/shop/other".to_owned());
    target.headers.extend([owner]);
    let others = QueueSettings {
        http_target: Some(target),
        ..QueueSettings::default()
    };
    let theirs = queue("theirs");
    queues.create_queue(&theirs, &others).await.unwrap();
    let more = "  - {name: last, queue: theirs, maxAttempts: 1}\n";
    place
        .apply(&format!("{}{more}", with_policy("Drain")))
        .await;
    place.not_ready("orders", "QueueOwnedByAnother").await;
    delete(&place, "orders").await;
    let kept = queues.get_queue(&queue("incoming-2")).await.unwrap();
    assert_eq!(kept.state, QueueState::Paused);
}

#[tokio::test]
async fn an_operator_that_never_reached_cloud_tasks_reports_it_and_deletes_chains() {
    let nowhere = format!("127.0.0.1:{}", free_port());
    let place = Place::at("nowhere", &nowhere, &["--deletion-patience", "3s"]).await;
    place.apply(ORDERS).await;
    place.not_ready("orders", "CloudTasksAway").await;
    delete(&place, "orders").await;
}

#[tokio::test]
async fn every_policy_deletes_the_chain_when_its_project_or_the_permission_is_gone() {
    let refusals = [
        (5, "The requested project was not found"),
        (7, "The principal lacks cloudtasks.queues.list"),
    ];
    for (code, words) in refusals {
        let emulator = Emulator::start().await;
        let way = Proxy::start(emulator.addr()).await;
        let patience = ["--deletion-patience", "3s"];
        let place = Place::at("no-way", &way.addr().to_string(), &patience).await;
        let policies = ["Retain", "Drain", "Delete", "Orphan"];
        let chain = |policy: &str| policy.to_lowercase();
        for policy in policies {
            let name = format!("name: {}}}", chain(policy));
            let queue = format!("queue: {}", chain(policy));
            let manifest = with_policy(policy)
                .replace("name: orders}", &name)
                .replace("queue: incoming", &queue);
            place.apply(&manifest).await;
        }
        for policy in policies {
            place.settle(&chain(policy)).await;
        }
        let queues = emulator.cloud_tasks().await;
        let parent = queue("x").parent;
        let before = queues.list_queues(&parent).await.unwrap().len();

        let refuses = refusing(code, words);
        way.turn(Way::Elsewhere(refuses.addr()));
        let all = ["delete", "chain", "--all", "--wait=false"];
        place.kubectl(&all).await.expect_ok();
        for policy in policies {
            place.gone(&chain(policy)).await;
        }
        let after = queues.list_queues(&parent).await.unwrap().len();
        assert_eq!(before, after, "{words}: no queue goes without a word");
    }
}
