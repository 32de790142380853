//! What is parked, for people who look: from the operator that leads, by lists without bodies.

use cloudtasks::{CloudTasks, NewTask, QueuePath};
use serde_json::{Value, json};
use testkit::task;

use crate::testbed::{ORDERS, http, named, queue, served};

fn parking(id: &str) -> String {
    let parking = format!("  project: demo\n  parking: {{queue: {id}}}\n");
    ORDERS.replace("  project: demo\n", &parking)
}

/// As a worker parks it.
fn parked(queue: &QueuePath, number: u32, reason: &str, status: u16) -> NewTask {
    let record = format!(
        r#"{{"v":1,"task":"order-{number}","queue":"incoming","stage":"slow","cause":"Exhausted","reason":"{reason}","status":{status},"at":"2026-11-30T10:00:{number:02}Z"}}"#
    );
    let mut task = task(queue, &format!("{number}-parked"), "marker-of-body");
    task.headers = [
        ("executor-parked".to_owned(), record),
        ("x-customer".to_owned(), "marker-of-header".to_owned()),
    ]
    .into();
    task
}

async fn park(queues: &CloudTasks, id: &str) {
    let queue = queue(id);
    for number in 0..25 {
        let (reason, status) = match number {
            0..20 => ("no-stock", 409),
            _ => ("status", 503),
        };
        let task = parked(&queue, number, reason, status);
        queues.create_task(&queue, &task).await.unwrap();
    }
    let foreign = task(&queue, "foreign", "marker-of-body");
    queues.create_task(&queue, &foreign).await.unwrap();
}

#[tokio::test]
async fn what_is_parked_is_shown_by_groups_and_rows_without_what_tasks_contain() {
    let (testbed, _emulator, queues) = served("parked", &[], &parking("orders-parked")).await;
    park(&queues, "orders-parked").await;
    let path = |query: &str| format!("/api/v1/parked/{}/orders{query}", testbed.namespace);
    let (status, all) = testbed.api(&path("")).await;
    assert_eq!(status, 200, "{all}");
    assert_eq!(
        (&all["queue"], &all["tasks"]),
        (&json!("orders-parked"), &json!(25))
    );
    assert_eq!(
        (&all["listed"], &all["unreadable"]),
        (&json!(26), &json!(1))
    );
    let groups: Vec<(&Value, &Value)> = all["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (&group["values"][0], &group["tasks"]))
        .collect();
    assert_eq!(
        groups,
        [
            (&json!("no-stock"), &json!(20)),
            (&json!("status"), &json!(5))
        ]
    );
    assert_eq!(all["items"].as_array().unwrap().len(), 20);
    let first = &all["items"][0];
    assert_eq!(
        (&first["task"], &first["path"], &first["status"]),
        (&json!("order-24"), &json!("/orders"), &json!(503)),
        "the last one first"
    );

    let narrow = path("?by=stage,status&where=reason=no-stock&where=status=4xx&limit=1");
    let (_, some) = testbed.api(&narrow).await;
    assert_eq!(some["groups"][0]["values"], json!(["slow", "409"]));
    assert_eq!(
        (&some["tasks"], &some["at"]),
        (&json!(20), &all["at"]),
        "the same list"
    );
    let (status, wrong) = testbed.api(&path("?where=color=red")).await;
    assert_eq!(status, 400);
    assert!(
        wrong["error"].as_str().unwrap().contains("is not a filter"),
        "{wrong}"
    );

    let whole = http("GET", testbed.admin(), &path("?limit=1000")).await;
    assert!(
        whole.contains("order-3") && !whole.contains("marker"),
        "{whole}"
    );
}

#[tokio::test]
async fn where_nothing_can_be_listed_the_answer_says_why() {
    let (testbed, _emulator, queues) = served("parked-none", &[], &parking("orders-parked")).await;
    testbed.apply(&named("parcels", ORDERS)).await;
    queues.delete_queue(&queue("orders-parked")).await.unwrap();
    let own = &testbed.namespace;
    for (chain, says) in [
        (
            format!("{own}/orders"),
            "parking queue orders-parked doesn't exist",
        ),
        (
            format!("{own}/parcels"),
            "has no parking: set spec.parking.queue",
        ),
        (format!("{own}/nothing"), "there is no chain"),
        (
            "elsewhere/orders".to_owned(),
            "doesn't serve namespace elsewhere",
        ),
    ] {
        let path = format!("/api/v1/parked/{chain}");
        testkit::eventually(says, crate::testbed::SOON, async || {
            let (status, answer) = testbed.api(&path).await;
            let error = answer["error"].as_str().unwrap_or_default();
            (status == 404 && error.contains(says), answer.clone())
        })
        .await;
    }
}
