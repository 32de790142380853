//! A queue is changed outside the operator.

use std::time::Duration;

use cloudtasks::{HttpTarget, Queue, QueueSettings};
use crds::ExecutorChainStatus;
use plan::model::queue_headers::OWNER_HEADER;
use testkit::eventually;

use crate::testbed::{ORDERS, Queues, SOON, Testbed, condition, is_same, queue, says, served};

fn changed(change: impl FnOnce(&mut QueueSettings)) -> QueueSettings {
    let mut settings = QueueSettings::default();
    change(&mut settings);
    settings
}

fn rate(rate: f64) -> QueueSettings {
    changed(|it| it.max_dispatches_per_second = Some(rate))
}

/// The note of the Event that tells of it.
async fn note(testbed: &Testbed) -> String {
    let args = [
        "get",
        "events",
        "--field-selector=reason=QueueChanged",
        "-o",
    ];
    let notes = "jsonpath={.items[*].message}";
    eventually("an Event", SOON, async || {
        let events = testbed.kubectl(&[&args[..], &[notes]].concat()).await;
        (!events.stdout.is_empty()).then_some(events.stdout)
    })
    .await
}

#[tokio::test]
async fn drift_is_corrected_and_reported() {
    let (testbed, _emulator, queues) = served("enforce", &[], ORDERS).await;
    queues.update("incoming", &rate(7.0)).await;
    queues.has_rate("incoming", 400.0).await;
    let note = note(&testbed).await;
    assert!(
        note.contains("incoming has rate 7/s, the spec says rate 400/s"),
        "{note}"
    );
    let metrics = testbed.metrics().await;
    let field = "field=\"rate_limits.max_dispatches_per_second\"";
    let counted = metrics.iter().find(|(name, _)| name.contains(field));
    assert_eq!(counted.map(|(_, count)| *count), Some(1), "{metrics:?}");
    let is_over = |status: &ExecutorChainStatus| {
        says(status, "Drifted=False") && says(status, "QueuesReady=True")
    };
    testbed.status("orders", "no drift", is_over).await;
}

#[tokio::test]
async fn drift_is_only_reported_with_drift_policy_report() {
    let report = with_policy(ORDERS, "Report");
    let (testbed, _emulator, queues) = served("report", &[], &report).await;
    let by_hand = QueueSettings {
        max_attempts: Some(5),
        ..rate(7.0)
    };
    queues.update("incoming", &by_hand).await;
    let status = testbed.says("orders", "Drifted=True").await;
    assert_eq!(condition(&status, "Drifted").reason, "QueueChanged");
    let message = &condition(&status, "Drifted").message;
    assert!(message.contains("incoming has rate 7/s"), "{message}");
    assert!(says(&status, "QueuesReady=False"));
    // What would lose tasks is put right all the same.
    let unlimited = |found: &Queue| found.max_attempts == -1;
    queues
        .becomes("incoming", "unlimited attempts", unlimited)
        .await;
    testbed.rounds_pass("orders", 3).await;
    let found = queues.get("incoming").await;
    assert!(is_same(found.max_dispatches_per_second, 7.0));
    note(&testbed).await;

    // An edit of the spec is no drift, and goes through.
    testbed
        .apply(&report.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 300"))
        .await;
    queues.has_rate("incoming", 300.0).await;
}

#[tokio::test]
async fn a_queue_deleted_outside_the_operator_is_reported_and_its_name_is_blocked() {
    let (testbed, _emulator, queues) = served("deleted", &[], ORDERS).await;
    queues.delete_queue(&queue("incoming-2")).await.unwrap();
    let note = note(&testbed).await;
    assert!(note.contains("incoming-2 was deleted"), "{note}");
    testbed.not_ready("orders", "QueueNameBlocked").await;
    let status = testbed
        .chains()
        .get("orders")
        .await
        .unwrap()
        .status
        .unwrap();
    assert!(says(&status, "Drifted=True"), "{status:?}");
    // The workers stay: what they have is finished, and the queue may come back.
    testbed.deployments().get("orders-middle").await.unwrap();
}

/// A queue of which the manifest says everything.
const WHOLE: &str = "backoff: {min: 200ms, max: 20s, maxDoublings: 3}, rateLimits: {maxDispatchesPerSecond: 400, maxConcurrentDispatches: 90}";

fn with_policy(manifest: &str, policy: &str) -> String {
    let spec = format!("  project: demo\n  driftPolicy: {policy}\n");
    manifest.replace("  project: demo\n", &spec)
}

fn whole(policy: &str) -> String {
    let whole = ORDERS.replace("rateLimits: {maxDispatchesPerSecond: 400}", WHOLE);
    with_policy(&whole, policy)
}

/// One foreign change for each field that the manifest sets.
fn limits() -> Vec<QueueSettings> {
    vec![
        rate(7.0),
        changed(|it| it.max_concurrent_dispatches = Some(7)),
        changed(|it| it.min_backoff = Some(Duration::from_secs(7))),
        changed(|it| it.max_backoff = Some(Duration::from_secs(77))),
        changed(|it| it.max_doublings = Some(7)),
    ]
}

/// One for each field on which rests that no task is lost.
fn vital(found: &Queue) -> Vec<QueueSettings> {
    let target = |change: &dyn Fn(&mut HttpTarget)| {
        let mut target = found.http_target.clone().unwrap();
        change(&mut target);
        changed(|it| it.http_target = Some(target))
    };
    vec![
        changed(|it| it.max_attempts = Some(7)),
        changed(|it| it.max_retry_duration = Some(Some(Duration::from_secs(7)))),
        target(&|target| target.address.as_mut().unwrap().host = "elsewhere.example.com".into()),
        target(&|target| drop(target.headers.remove(OWNER_HEADER))),
    ]
}

async fn is_again(queues: &Queues, before: &Queue) {
    let is_it = |found: &Queue| found == before;
    queues
        .becomes("incoming", "the queue as it was", is_it)
        .await;
}

async fn drifts(testbed: &Testbed) -> u64 {
    let metrics = testbed.metrics().await;
    let counted = metrics.iter();
    let counted = counted.filter(|(name, _)| name.starts_with("executor_operator_queue_drifts"));
    counted.map(|(_, count)| count).sum()
}

#[tokio::test]
async fn every_field_that_the_chain_sets_is_corrected_and_counted() {
    let (testbed, _emulator, queues) = served(
        "fields",
        &["--queue-poll-interval=500ms"],
        &whole("Enforce"),
    )
    .await;
    let before = queues.get("incoming").await;
    let changes = limits().into_iter().chain(vital(&before));
    for (index, change) in (1..).zip(changes) {
        queues.update("incoming", &change).await;
        is_again(&queues, &before).await;
        // The next change is another one's: told apart, and not taken for this one's end.
        testbed.says("orders", "Drifted=False").await;
        assert_eq!(drifts(&testbed).await, index);
    }
}

#[tokio::test]
async fn fields_that_the_chain_does_not_set_and_reported_ones_are_not_changed() {
    let (testbed, _emulator, queues) = served(
        "left-alone",
        &["--queue-poll-interval=500ms"],
        &whole("Report"),
    )
    .await;
    let before = queues.get("incoming").await;
    for change in vital(&before) {
        queues.update("incoming", &change).await;
        is_again(&queues, &before).await;
    }
    // A header from outside the operator, and every field that the manifest leaves out.
    let mut target = before.http_target.clone().unwrap();
    target.headers.insert("x-team".into(), "shop".into());
    let theirs = changed(|it| it.http_target = Some(target));
    queues.update("incoming", &theirs).await;
    let drifts_before = drifts(&testbed).await;
    for change in limits() {
        queues.update("incoming-2", &change).await;
    }
    testbed.lists_pass(3).await;
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(drifts(&testbed).await, drifts_before);
    // And ours, which are shown and spared.
    for change in limits() {
        queues.update("incoming", &change).await;
    }
    let ours =
        "the spec says rate 400/s, concurrent 90, backoff from 200ms, backoff to 20s, doublings 3";
    let all = format!("Drifted=True QueueChanged: {ours}");
    testbed.says("orders", &all).await;
    let seen = queues.all().await;
    testbed.lists_pass(3).await;
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(queues.all().await, seen);
    let target = queues.get("incoming").await.http_target.unwrap();
    assert_eq!(target.headers["x-team"], "shop");
}
