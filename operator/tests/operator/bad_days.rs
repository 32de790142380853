//! Workers that hold, and isolate categories of tasks.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use testkit::eventually;
use testkit::server::serve_on;

use crate::pods::{pod, report_ready};
use crate::testbed::{ORDERS, SOON, Testbed, condition, without};

const BAD_DAYS: &str =
    "maxAttempts: 3, holdOnOutage: 30m, isolate: [{by: {header: X-Tenant}, failures: {}}]";

/// The Events of these reasons.
async fn events(testbed: &Testbed) -> Vec<String> {
    let reasons = r"jsonpath={range .items[*]}{.reason}{'\n'}{end}";
    let events = testbed.kubectl(&["get", "events", "-o", reasons]).await;
    let events = events.stdout;
    let own = |it: &&str| it.starts_with("Hold") || it.starts_with("Isolation");
    let mut events: Vec<String> = events.lines().filter(own).map(str::to_owned).collect();
    events.sort();
    events
}

async fn events_are(testbed: &Testbed, wanted: &[&str]) {
    eventually("Events", SOON, async || {
        let events = events(testbed).await;
        (events == wanted, events)
    })
    .await;
}

#[tokio::test]
async fn what_workers_do_by_themselves_is_reported_in_the_status() {
    // Of the loopback range, and nobody else's.
    let ip = "127.11.7.4";
    let args = ["--worker-poll-interval", "200ms"];
    let (testbed, _emulator, _queues) = Testbed::with("bad-days", &args).await;
    let only = without(ORDERS, "middle").replace("maxAttempts: 3", BAD_DAYS);
    testbed.apply(&only).await;
    testbed.settle("orders").await;
    testbed.says("orders", "Held=Unknown WorkersNotAsked").await;

    let said = Arc::new(Mutex::new(String::new()));
    let says = |holding: u8, categories: u32| {
        let labels = format!("{{chain=\"{}/orders\",stage=\"fast\"}}", testbed.namespace);
        *said.lock().unwrap() = format!(
            "executor_worker_runs_under_way{labels} 0\nexecutor_worker_holding{labels} {holding}\nexecutor_worker_isolated_categories{labels} {categories}\n"
        );
    };
    says(0, 0);
    let page = Arc::clone(&said);
    let served = serve_on(format!("{ip}:9481").parse().unwrap(), move |_| {
        let page = page.lock().unwrap().clone();
        async { Ok(Response::new(Full::new(Bytes::from(page)))) }
    });
    served.await.unwrap();
    let pods = pod(&testbed, "orders-fast", "orders-fast-1").await;
    report_ready(&pods, "orders-fast-1", ip).await;
    testbed.says("orders", "Held=False NotHeld").await;
    testbed.says("orders", "Isolating=False NotIsolating").await;
    events_are(&testbed, &[]).await;

    says(1, 12);
    let held = "Held=True HandlerFails: stage fast (for 30m at most)";
    let status = testbed.says("orders", held).await;
    let since = condition(&status, "Held").last_transition_time.clone();
    let isolating = "Isolating=True CategoriesFail: stage fast isolates 10-99";
    testbed.says("orders", isolating).await;
    events_are(&testbed, &["HoldBegan", "IsolationBegan"]).await;
    says(1, 120);
    let more = "Isolating=True CategoriesFail: stage fast isolates 100-999";
    let status = testbed.says("orders", more).await;
    assert_eq!(condition(&status, "Held").last_transition_time, since);

    says(0, 0);
    testbed.says("orders", "Held=False NotHeld").await;
    testbed.says("orders", "Isolating=False NotIsolating").await;
    let all = ["HoldBegan", "HoldEnded", "IsolationBegan", "IsolationEnded"];
    events_are(&testbed, &all).await;
    // It has come to rest.
    let before = testbed.writes("").await;
    testbed.rounds_pass("orders", 2).await;
    assert_eq!(testbed.writes("").await, before);

    // Chains that don't use it have none of this.
    testbed.apply(&without(ORDERS, "middle")).await;
    let gone = "no condition of what the spec no longer asks for";
    testbed
        .status("orders", gone, |status| {
            let mut conditions = status.conditions.iter();
            !conditions.any(|it| ["Held", "Isolating"].contains(&it.type_.as_str()))
        })
        .await;
}
