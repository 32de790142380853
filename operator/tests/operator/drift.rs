//! A queue is changed outside the operator.

use std::time::Duration;

use cloudtasks::{CloudTasks, HttpTarget, Queue, QueueSettings};
use plan::model::queue_headers::OWNER_HEADER;
use testkit::eventually;

use crate::place::{ORDERS, Place, SOON, condition, is_true, queue, with_emulator};

async fn set(queues: &CloudTasks, settings: QueueSettings) {
    queues
        .update_queue(&queue("incoming"), &settings)
        .await
        .unwrap();
}

fn rate(rate: f64) -> QueueSettings {
    QueueSettings {
        max_dispatches_per_second: Some(rate),
        ..QueueSettings::default()
    }
}

/// The note of the Event that tells of it.
async fn note(place: &Place) -> String {
    let args = [
        "get",
        "events",
        "--field-selector=reason=QueueChanged",
        "-o",
    ];
    let notes = "jsonpath={.items[*].message}";
    eventually("an Event", SOON, async || {
        let events = place.kubectl(&[&args[..], &[notes]].concat()).await;
        (!events.stdout.is_empty()).then_some(events.stdout)
    })
    .await
}

#[tokio::test]
async fn drift_is_corrected_and_reported() {
    let (place, _emulator, queues) = with_emulator("enforce").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    set(&queues, rate(7.0)).await;
    eventually("the rate of the spec", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        ((found.max_dispatches_per_second - 400.0).abs() < f64::EPSILON).then_some(())
    })
    .await;
    let note = note(&place).await;
    assert!(
        note.contains("incoming has rate 7/s, the spec says rate 400/s"),
        "{note}"
    );
    let metrics = place.metrics().await;
    let field = "field=\"rate_limits.max_dispatches_per_second\"";
    let counted = metrics.iter().find(|(name, _)| name.contains(field));
    assert_eq!(counted.map(|(_, count)| *count), Some(1), "{metrics:?}");
    place
        .status("orders", "no drift any more", |status| {
            condition(status, "Drifted").is_some_and(|(holds, ..)| holds == "False")
                && is_true(status, "QueuesReady")
        })
        .await;
}

#[tokio::test]
async fn drift_is_only_reported_with_drift_policy_report() {
    let (place, _emulator, queues) = with_emulator("report").await;
    let report = ORDERS.replace(
        "  project: demo\n",
        "  project: demo\n  driftPolicy: Report\n",
    );
    place.apply(&report).await;
    place.settle("orders").await;
    let by_hand = QueueSettings {
        max_attempts: Some(5),
        ..rate(7.0)
    };
    set(&queues, by_hand).await;
    let status = place
        .status("orders", "drift", |status| is_true(status, "Drifted"))
        .await;
    let (_, reason, message) = condition(&status, "Drifted").unwrap();
    assert_eq!(reason, "QueueChanged");
    assert!(message.contains("incoming has rate 7/s"), "{message}");
    let (holds, ..) = condition(&status, "QueuesReady").unwrap();
    assert_eq!(holds, "False");
    // What would lose tasks is put right all the same.
    eventually("unlimited attempts", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        (found.max_attempts == -1).then_some(())
    })
    .await;
    place.rounds_pass("orders", 3).await;
    let found = queues.get_queue(&queue("incoming")).await.unwrap();
    assert!((found.max_dispatches_per_second - 7.0).abs() < f64::EPSILON);
    note(&place).await;

    // An edit of the spec is no drift, and goes through.
    place
        .apply(&report.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 300"))
        .await;
    eventually("the new rate", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await.ok()?;
        ((found.max_dispatches_per_second - 300.0).abs() < f64::EPSILON).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_queue_deleted_outside_the_operator_is_reported_and_its_name_is_blocked() {
    let (place, _emulator, queues) = with_emulator("deleted").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    queues.delete_queue(&queue("incoming-2")).await.unwrap();
    let note = note(&place).await;
    assert!(note.contains("incoming-2 was deleted"), "{note}");
    place.not_ready("orders", "QueueNameBlocked").await;
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    let (holds, _, message) = condition(&status, "Drifted").unwrap();
    assert_eq!(holds, "True", "{message}");
    // The workers stay: what they have is finished, and the queue may come back.
    place.deployments().get("orders-middle").await.unwrap();
}

/// A queue of which the manifest says everything.
const WHOLE: &str = "backoff: {min: 200ms, max: 20s, maxDoublings: 3}, rateLimits: {maxDispatchesPerSecond: 400, maxConcurrentDispatches: 90}";

fn whole(policy: &str) -> String {
    ORDERS
        .replace("rateLimits: {maxDispatchesPerSecond: 400}", WHOLE)
        .replace(
            "  project: demo\n",
            &format!("  project: demo\n  driftPolicy: {policy}\n"),
        )
}

/// One foreign change for each field that the manifest sets.
fn limits() -> Vec<QueueSettings> {
    let none = QueueSettings::default;
    vec![
        rate(7.0),
        QueueSettings {
            max_concurrent_dispatches: Some(7),
            ..none()
        },
        QueueSettings {
            min_backoff: Some(Duration::from_secs(7)),
            ..none()
        },
        QueueSettings {
            max_backoff: Some(Duration::from_secs(77)),
            ..none()
        },
        QueueSettings {
            max_doublings: Some(7),
            ..none()
        },
    ]
}

/// One for each field on which rests that no task is lost.
fn vital(found: &Queue) -> Vec<QueueSettings> {
    let none = QueueSettings::default;
    let target = |change: &dyn Fn(&mut HttpTarget)| {
        let mut target = found.http_target.clone().unwrap();
        change(&mut target);
        QueueSettings {
            http_target: Some(target),
            ..none()
        }
    };
    vec![
        QueueSettings {
            max_attempts: Some(7),
            ..none()
        },
        QueueSettings {
            max_retry_duration: Some(Some(Duration::from_secs(7))),
            ..none()
        },
        target(&|target| target.address.as_mut().unwrap().host = "elsewhere.example.com".into()),
        target(&|target| drop(target.headers.remove(OWNER_HEADER))),
    ]
}

async fn is_again(queues: &CloudTasks, before: &Queue) {
    eventually("the queue as it was", SOON, async || {
        let found = queues.get_queue(&queue("incoming")).await;
        let found = found.map_err(|error| error.to_string())?;
        if found == *before {
            Ok(())
        } else {
            Err(format!("{found:?}"))
        }
    })
    .await;
}

async fn drifts(place: &Place) -> u64 {
    let metrics = place.metrics().await;
    let counted = metrics.iter();
    let counted = counted.filter(|(name, _)| name.starts_with("executor_operator_queue_drifts"));
    counted.map(|(_, count)| count).sum()
}

#[tokio::test]
async fn every_field_that_the_chain_sets_is_corrected_and_counted() {
    let (place, _emulator, queues) = Place::with("fields", &["--queue-poll-interval=500ms"]).await;
    place.apply(&whole("Enforce")).await;
    place.settle("orders").await;
    let before = queues.get_queue(&queue("incoming")).await.unwrap();
    let changes = limits().into_iter().chain(vital(&before));
    for (index, change) in (1..).zip(changes) {
        set(&queues, change).await;
        is_again(&queues, &before).await;
        // The next change is another one's: told apart, and not taken for this one's end.
        let over = |status: &crds::ExecutorChainStatus| {
            condition(status, "Drifted").is_some_and(|(holds, ..)| holds == "False")
        };
        place.status("orders", "no drift any more", over).await;
        assert_eq!(drifts(&place).await, index);
    }
}

#[tokio::test]
async fn fields_that_the_chain_does_not_set_and_reported_ones_are_not_changed() {
    let (place, _emulator, queues) =
        Place::with("left-alone", &["--queue-poll-interval=500ms"]).await;
    place.apply(&whole("Report")).await;
    place.settle("orders").await;
    let before = queues.get_queue(&queue("incoming")).await.unwrap();
    for change in vital(&before) {
        set(&queues, change).await;
        is_again(&queues, &before).await;
    }
    // A header from outside the operator, and every field that the manifest leaves out.
    let mut target = before.http_target.clone().unwrap();
    target.headers.insert("x-team".into(), "shop".into());
    let theirs = QueueSettings {
        http_target: Some(target),
        ..QueueSettings::default()
    };
    set(&queues, theirs).await;
    let drifts_before = drifts(&place).await;
    for change in limits() {
        queues
            .update_queue(&queue("incoming-2"), &change)
            .await
            .unwrap();
    }
    place.lists_pass(3).await;
    place.rounds_pass("orders", 3).await;
    assert_eq!(drifts(&place).await, drifts_before);
    // And ours, which are shown and spared.
    for change in limits() {
        set(&queues, change).await;
    }
    let all = |status: &crds::ExecutorChainStatus| {
        let (.., message) = condition(status, "Drifted").unwrap();
        let ours = "the spec says rate 400/s, concurrent 90, backoff from 200ms, backoff to 20s, doublings 3";
        is_true(status, "Drifted") && message.contains(ours)
    };
    place.status("orders", "every field", all).await;
    let seen = queues.list_queues(&before.path.parent).await.unwrap();
    place.lists_pass(3).await;
    place.rounds_pass("orders", 3).await;
    assert_eq!(queues.list_queues(&before.path.parent).await.unwrap(), seen);
    let found = queues.get_queue(&queue("incoming")).await.unwrap();
    assert_eq!(
        found
            .http_target
            .unwrap()
            .headers
            .get("x-team")
            .map(String::as_str),
        Some("shop")
    );
}
