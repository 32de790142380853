//! What a producer writes on its tasks: headers of Cloud Tasks, ledgers, and the names of other tasks.

use bytes::Bytes;
use cloudtasks::Method;
use decide::headers::{EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, TASK_NAME};
use decide::task::LEDGER_HEADER;
use decide::{Ledger, RootId, StageRecord, TaskReason};
use jiff::Timestamp;
use testkit::Receiver;

use crate::pushes::{begin, head, push, send, status};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, Testbed, queue};

const STAGES: (&str, &str) = (
    "LOOKUP_QUEUES",
    "projects/p/locations/l/queues/incoming,projects/p/locations/l/queues/incoming-2",
);
const SUCCEEDED: &str = "dev.executor-chain.task.succeeded.v1";

/// The root of the task of another producer, on the chain's first queue.
fn victim() -> RootId {
    RootId::of(&queue("incoming").task("victim".parse().unwrap()))
}

/// The ledger that a worker would write for it, after `hops` hand-overs.
fn ledger(hops: u32) -> String {
    let first = queue("incoming").task("victim".parse().unwrap());
    let mut ledger = Ledger::first(&first, Timestamp::UNIX_EPOCH);
    for _ in 0..hops {
        let record = StageRecord {
            stage: "fast".parse().unwrap(),
            attempts: 3,
            dispatches: 3,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            status: Some(500),
            reason: TaskReason::STATUS,
        };
        ledger = ledger.with(record).next_hop();
    }
    ledger.encode()
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_by_a_producer_is_ignored() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let worker = testbed.worker(&handler, &[STAGES]).await;
    testbed.queue("incoming", worker.addr()).await;
    let headers = [(LEDGER_HEADER, r#"{"v":4}"#)];
    testbed.send("order-1", Method::Post, &headers, b"{}").await;
    let event = testbed.end(&["incoming"]).await;
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&SUCCEEDED.into(), &"order-1".into())
    );
    assert_eq!(handler.requests().len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_waits_for_a_newer_worker_ends_as_the_first_task_if_none_comes() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    let handler = Receiver::answering(200);
    // The queue of a later stage.
    let stages = "projects/p/locations/l/queues/first,projects/p/locations/l/queues/incoming";
    let vars = [("LOOKUP_QUEUES", stages), ("GIVE_UP_AFTER", "1ms")];
    let worker = testbed.worker(&handler, &vars).await;
    let first = queue("first").task("order-1".parse().unwrap());
    let ledger = Ledger::first(&first, Timestamp::UNIX_EPOCH).next_hop();
    let own = ledger.root.task(1);
    testbed.send(own.as_str(), Method::Post, &[], b"{}").await;
    let newer = ledger
        .encode()
        .replacen(r#""v":1,"#, r#""v":4,"sent":[],"#, 1);
    let newer_push = async |r, p| {
        let mut head = head(own.as_str(), r, 0, p);
        head.push((LEDGER_HEADER.to_owned(), newer.clone()));
        push(worker.addr(), &head).await
    };
    assert_eq!(newer_push(0, None).await, 500);
    assert_eq!(newer_push(1, Some(597)).await, 597);
    assert_eq!(newer_push(9, Some(500)).await, 500);
    assert_eq!(newer_push(10, Some(500)).await, 200);
    let event = testbed.end(&[]).await;
    assert_eq!(event["id"], ledger.root.notification().as_str());
    assert_eq!(event["subject"], "order-1");
    assert_eq!(event["data"]["reason"], "expired");
    assert_eq!(handler.requests().len(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_producer_that_forges_a_ledger_ends_only_its_own_task() {
    for hops in [1, 2] {
        let testbed = Testbed::new().await;
        let handler = Receiver::answering(200);
        let worker = testbed.worker(&handler, &[STAGES]).await;
        testbed.queue("incoming", worker.addr()).await;
        let id = victim().task(hops);
        let headers = [(LEDGER_HEADER, &*ledger(hops))];
        testbed
            .send(id.as_str(), Method::Post, &headers, b"{}")
            .await;
        let event = testbed.end(&["incoming"]).await;
        assert_ne!(event["id"], victim().notification().as_str());
        assert_eq!(event["subject"], id.as_str());
        assert_eq!(handler.requests()[0].header("executor-task"), id.as_str());
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_producer_that_uses_the_names_of_next_tasks_ends_no_other_task() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    testbed.paused_queue("incoming-2").await;
    let handler = Receiver::answering(200);
    let first = testbed.worker(&handler, &[STAGES]).await;
    let own = ("QUEUE", "projects/p/locations/l/queues/incoming-2");
    let second = testbed.worker(&handler, &[STAGES, own]).await;
    for hop in [1, 2] {
        let name = victim().task(hop);
        testbed.send(name.as_str(), Method::Post, &[], b"{}").await;
    }
    // An earlier dispatch had no answer, so both look up whether it has ended the task.
    assert_eq!(
        push(first.addr(), &head("victim", 1, 0, Some(502))).await,
        200
    );
    let mut later = head(victim().task(1).as_str(), 1, 0, Some(502));
    later[0].1 = "incoming-2".to_owned();
    later.push((LEDGER_HEADER.to_owned(), ledger(1)));
    assert_eq!(push(second.addr(), &later).await, 200);
    // The second finds that the first has ended it.
    assert_eq!(handler.requests().len(), 1);
    let event = testbed.end(&[]).await;
    assert_eq!(event["id"], victim().notification().as_str());
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_later_stage_looks_up_no_name_that_a_producer_may_have_used() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming").await;
    testbed.paused_queue("incoming-2").await;
    let handler = Receiver::answering(200);
    let own = ("QUEUE", "projects/p/locations/l/queues/incoming-2");
    let worker = testbed.worker(&handler, &[STAGES, own]).await;
    let name = victim().task(2);
    testbed.send(name.as_str(), Method::Post, &[], b"{}").await;
    let mut later = head(victim().task(1).as_str(), 1, 0, Some(502));
    later[0].1 = "incoming-2".to_owned();
    later.push((LEDGER_HEADER.to_owned(), ledger(1)));
    assert_eq!(push(worker.addr(), &later).await, 200);
    assert_eq!(
        handler.requests().len(),
        1,
        "the name on the first queue is another's"
    );
    let event = testbed.end(&[]).await;
    assert_eq!(
        (&event["type"], &event["subject"]),
        (&SUCCEEDED.into(), &"victim".into())
    );
    worker.stop().await;
}

/// Cloud Tasks replaces what a producer writes in its own headers, in any spelling. So does the
/// emulator.
#[tokio::test]
async fn counters_that_a_producer_wrote_count_for_nothing() {
    let names = [
        QUEUE_NAME,
        TASK_NAME,
        RETRY_COUNT,
        EXECUTION_COUNT,
        PREVIOUS_RESPONSE,
    ];
    let spelled: [fn(&str) -> String; 3] = [str::to_owned, str::to_ascii_uppercase, |name| {
        name.replacen("x-cloudtasks-task", "X-CloudTasks-Task", 1)
    }];
    for value in ["0", "3", "99", "596", "597"] {
        let testbed = Testbed::new().await;
        let handler = Receiver::answering(500);
        let worker = testbed.worker(&handler, &[STAGES]).await;
        testbed.queue("incoming", worker.addr()).await;
        let written: Vec<String> = names
            .iter()
            .flat_map(|name| spelled.map(|s| s(name)))
            .collect();
        let headers: Vec<(&str, &str)> =
            written.iter().map(|name| (name.as_str(), value)).collect();
        testbed.send("order-1", Method::Post, &headers, b"{}").await;
        let event = testbed.end(&["incoming"]).await;
        assert_eq!(event["data"]["attempts"]["fast"], 3, "{value}");
        assert_eq!(event["data"]["queue"], "incoming");
        assert_eq!(event["subject"], "order-1");
        assert_eq!(handler.requests().len(), 3, "{value}");
        worker.stop().await;
    }
}

/// If a producer's header came beside Cloud Tasks' own, in whatever order, nobody could tell them apart.
#[tokio::test]
async fn a_push_with_two_values_of_a_counter_runs_nothing_and_forgets_nothing() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let worker = testbed.worker(&handler, &[STAGES]).await;
    for (name, other) in [
        (QUEUE_NAME, "another"),
        (TASK_NAME, "another"),
        (RETRY_COUNT, "0"),
        (EXECUTION_COUNT, "9"),
    ] {
        for previous in [500, 596, 597] {
            let mut before = head("order-1", 1, 0, Some(previous));
            before.insert(0, (name.to_owned(), other.to_owned()));
            let mut after = head("order-1", 1, 0, Some(previous));
            after.push((name.to_owned(), other.to_owned()));
            for head in [before, after] {
                let mut push = begin(worker.addr(), &head, "content-length: 0").await;
                assert_eq!(status(&mut push).await, previous, "{name}");
            }
        }
    }
    // Two previous responses are none: the handler runs once more at most.
    let mut twice = head("order-1", 1, 0, Some(597));
    twice.push((PREVIOUS_RESPONSE.to_owned(), "500".to_owned()));
    let (answer, _) = send(worker.addr(), "POST", "/", &twice, Bytes::new()).await;
    assert_eq!((answer, handler.requests().len()), (200, 1));
    worker.stop().await;
}

/// A path that fits its producer's host.
#[tokio::test]
async fn a_task_with_the_longest_url_is_handed_over() {
    let testbed = Testbed::new().await;
    testbed.paused_queue("incoming-2").await;
    let handler = Receiver::answering(500);
    let vars = [STAGES, DOWNSTREAM, ONE_ATTEMPT];
    let worker = testbed.worker(&handler, &vars).await;
    let path = format!("/{}", "p".repeat(2083 - "http://a/".len()));
    let head = head("order-1", 0, 0, None);
    let (answer, _) = send(worker.addr(), "POST", &path, &head, Bytes::new()).await;
    assert_eq!(answer, 200);
    let tasks = testbed.tasks("incoming-2").await;
    assert_eq!(tasks.len(), 1, "it did not end as unpassable");
    worker.stop().await;
}

/// As the queue's own settings do, so that the tests above show something.
#[tokio::test]
async fn a_ledger_that_a_worker_wrote_counts_on_the_next_queue() {
    let testbed = Testbed::new().await;
    let handler = Receiver::answering(200);
    let own = ("QUEUE", "projects/p/locations/l/queues/incoming-2");
    let worker = testbed.worker(&handler, &[STAGES, own]).await;
    let mut later = head(victim().task(1).as_str(), 0, 0, None);
    later[0].1 = "incoming-2".to_owned();
    later.push((LEDGER_HEADER.to_owned(), ledger(1)));
    assert_eq!(push(worker.addr(), &later).await, 200);
    let event = testbed.end(&[]).await;
    assert_eq!(event["id"], victim().notification().as_str());
    assert_eq!(event["subject"], "victim");
    worker.stop().await;
}
