//! Two chains with one push host.

use cloudtasks::QueueState;
use testkit::eventually;

use crate::testbed::{ORDERS, SOON, Testbed, named, says, with_emulator};

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
async fn of_two_chains_that_are_created_at_once_one_is_refused_and_pushes_nothing() {
    let (testbed, _emulator, queues) = with_emulator("at-once").await;
    let names = ["one", "two"];
    let both = names.map(pushing).join("---");
    testbed.apply(&both).await;
    // No pod is ready before that.
    let refused = eventually("one that is refused", SOON, async || {
        let mut refused = Vec::new();
        for name in names {
            let is_refused = |status: &_| says(status, "Ready=False NameTaken");
            let status = testbed.status_if(name, is_refused).await;
            refused.extend(status.is_ok().then_some(name));
        }
        match refused.as_slice() {
            [name] => Ok(*name),
            names => Err(format!("{names:?}")),
        }
    })
    .await;
    let served = names.into_iter().find(|name| *name != refused).unwrap();
    testbed.settle(served).await;
    testbed.rounds_pass(refused, 2).await;
    testbed.not_ready(refused, "NameTaken").await;
    for queue in queues.all().await {
        let is_running = queue.state == QueueState::Running;
        let is_its = queue.path.id.as_str().starts_with(refused);
        assert_ne!(is_running, is_its, "{queue:?}");
    }
}
