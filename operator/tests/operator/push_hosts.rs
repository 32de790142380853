//! Two chains with one push host.

use cloudtasks::{Queue, QueueSettings, QueueState};
use plan::model::queue_headers::{OWNER_HEADER, PauseReason, pause_reason};
use testkit::fake_pods::{self, Pods};

use crate::testbed::{ORDERS, RATE, Testbed, named, queue};

/// Quicker than a person, so that a chain recovers within a test.
const QUICK: &[&str] = &["--queue-poll-interval", "500ms"];

fn pushing(name: &str) -> String {
    let push = "  push: {url: 'https://{stage}.push.example.com'}\n  stages:\n";
    named(name, ORDERS).replace("  stages:\n", push)
}

#[tokio::test]
async fn the_chain_that_came_first_keeps_its_host_until_it_is_deleted() {
    let (testbed, _emulator, _queues) = Testbed::with("hosts", QUICK).await;
    testbed.apply(&pushing("first")).await;
    testbed.settle("first").await;
    // Its name comes before the first's; and one of another location.
    let elsewhere = pushing("elsewhere").replace("europe-west1", "europe-west4");
    for (name, manifest) in [("early", pushing("early")), ("elsewhere", elsewhere)] {
        testbed.apply(&manifest).await;
        let said = testbed.not_ready(name, "NameTaken").await;
        let first = format!("test/{}/first", testbed.namespace);
        assert!(
            said.contains("the host fast.push.example.com of stage fast"),
            "{said}"
        );
        assert!(said.contains(&first), "{said}");
    }
    testbed.delete("elsewhere").await;
    testbed.rounds_pass("first", 1).await;
    testbed.settle("first").await;

    testbed.delete("first").await;
    testbed.settle("early").await;
    // Applied again, it is the one that comes later.
    testbed.apply(&pushing("first")).await;
    let said = testbed.not_ready("first", "NameTaken").await;
    assert!(said.contains("/early (cluster/namespace/name)"), "{said}");
}

#[tokio::test]
async fn of_two_chains_that_push_to_one_host_both_are_served_and_edited() {
    let args = [QUICK, &["--gate-after=1s"]].concat();
    let (testbed, _emulator, queues) = Testbed::with("one-host", &args).await;
    testbed.apply(&pushing("first")).await;
    testbed.settle("first").await;
    // As if both were created at the same instant.
    for end in ["", "-2", "-3"] {
        let first = queues.get(&format!("first{end}")).await;
        let mut target = first.http_target.unwrap();
        let owner = format!("test/{}/second", testbed.namespace);
        target.headers.insert(OWNER_HEADER.into(), owner);
        let settings = QueueSettings {
            http_target: Some(target),
            ..QueueSettings::default()
        };
        let path = queue(&format!("second{end}"));
        queues.create_queue(&path, &settings).await.unwrap();
    }
    let second = pushing("second");
    testbed.apply(&second).await;
    testbed.settle("second").await;

    // A node is drained; then there is an incident.
    let deployments = testbed.deployments();
    let fast = deployments.get("second-fast").await.unwrap();
    let (all, ready) = (2, 0);
    let pods = Pods {
        all,
        updated: all,
        ready,
    };
    fake_pods::report(&deployments, &fast, pods).await.unwrap();
    let is_gated = |found: &Queue| pause_reason(found) == Some(PauseReason::Gate);
    queues.becomes("second", "a gate", is_gated).await;
    testbed
        .apply(&second.replace(RATE, "maxDispatchesPerSecond: 7"))
        .await;
    queues.has_rate("second", 7.0).await;
    testbed.settle("second").await;
    let is_running = |found: &Queue| found.state == QueueState::Running;
    queues
        .becomes("second", "a running queue", is_running)
        .await;
    testbed.rounds_pass("first", 1).await;
    testbed.settle("first").await;
}
