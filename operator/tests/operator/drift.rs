//! Somebody else changes a queue.

use cloudtasks::{CloudTasks, QueueSettings};
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
async fn it_is_put_right_and_told() {
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
async fn it_is_only_shown_where_the_spec_says_so() {
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
    eventually("attempts without end", SOON, async || {
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
async fn a_queue_that_somebody_deletes_is_told_and_its_name_is_blocked() {
    let (place, _emulator, queues) = with_emulator("deleted").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    queues.delete_queue(&queue("incoming-2")).await.unwrap();
    let note = note(&place).await;
    assert!(note.contains("incoming-2 is gone"), "{note}");
    place.not_ready("orders", "QueueNameBlocked").await;
    let status = place.chains().get("orders").await.unwrap().status.unwrap();
    let (holds, _, message) = condition(&status, "Drifted").unwrap();
    assert_eq!(holds, "True", "{message}");
    // The workers stay: what they have is finished, and the queue may come back.
    place.deployments().get("orders-middle").await.unwrap();
}
