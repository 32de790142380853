//! A task that ends without a success is parked.

use std::future::ready;

use cloudtasks::QueueState;
use testkit::{Receiver, eventually};

use crate::program::{Dev, ORDERS, SOON, notifying, queue};

fn parking(manifest: &str, keep: &str) -> String {
    let parking = format!("  project: demo\n  parking: {{queue: orders-parked{keep}}}\n");
    manifest.replace("  project: demo\n", &parking)
}

#[tokio::test]
async fn a_task_that_fails_is_parked_with_its_headers_and_its_end_is_notified() {
    let handler = Receiver::start(|_| ready((500, Vec::new(), Vec::new())));
    let client = Receiver::answering(200);
    let manifest = parking(&notifying(&client), "");
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    let queues = dev.queues().await;
    let found = queues.get_queue(&queue("orders-parked")).await.unwrap();
    assert_eq!((found.state, found.max_attempts), (QueueState::Paused, -1));
    let (code, log) = dev
        .send(&["--count", "3", "--header", "x-tenant: acme"])
        .await;
    assert_eq!(code, 0, "{log}");
    let parked = eventually("three parked tasks", SOON, async || {
        let tasks = queues.list_tasks(&queue("orders-parked"), 10).await.ok()?;
        (tasks.len() == 3).then_some(tasks)
    })
    .await;
    for task in parked {
        assert!(task.path.id.as_str().ends_with("-parked"), "{}", task.path);
    }
    eventually("three events", SOON, async || {
        let events = client.requests().len();
        (events == 3, events)
    })
    .await;
}

/// One of two tasks ends by a verdict, the other because its attempts are used up.
#[tokio::test]
async fn only_tasks_of_the_named_causes_are_parked() {
    let handler = Receiver::start(|run| {
        let verdict = ("executor-verdict".to_owned(), "fail".to_owned());
        let verdict = (run.header("x-tenant") == "acme").then_some(verdict);
        ready((500, verdict.into_iter().collect(), Vec::new()))
    });
    let client = Receiver::answering(200);
    let manifest = parking(&notifying(&client), ", keep: [Fail]");
    let dev = Dev::start(&manifest, &["--handler", &handler.url("")]).await;
    for tenant in ["x-tenant: acme", "x-tenant: other"] {
        let (code, log) = dev.send(&["--header", tenant]).await;
        assert_eq!(code, 0, "{log}");
    }
    eventually("two events", SOON, async || {
        let events = client.requests().len();
        (events == 2, events)
    })
    .await;
    let queues = dev.queues().await;
    let parked = queues.list_tasks(&queue("orders-parked"), 10).await;
    let parked = parked.unwrap();
    let tenants: Vec<_> = parked.iter().map(|it| it.headers.get("x-tenant")).collect();
    assert_eq!(parked.len(), 1, "{tenants:?}");
}

#[tokio::test]
async fn parked_tasks_do_not_keep_a_chain_from_being_idle() {
    let handler = Receiver::start(|_| ready((500, Vec::new(), Vec::new())));
    let url = handler.url("");
    let options = ["--tasks", "3", "--exit-when-idle", "--handler", &url];
    let dev = Dev::start(&parking(ORDERS, ""), &options).await;
    assert_eq!(dev.process.exit(SOON).await, 0, "{}", dev.process.log());
    let log = dev.process.log();
    assert!(log.contains("lost        0"), "{log}");
}

#[test]
fn manifests_and_workers_name_the_same_causes() {
    let named = crds::EndCause::ALL.map(|cause| format!("{cause:?}"));
    assert_eq!(
        named,
        decide::EndCause::ALL.map(|it| it.as_str().to_owned())
    );
}
