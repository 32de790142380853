//! Parking: what ends without a success is kept in the parking queue, and then its end is told.

use std::collections::BTreeMap;

use bytes::Bytes;
use cloudtasks::{Method, NewTask, WholeTask};
use decide::task::{LEDGER_HEADER, PARKED_HEADER};
use decide::{EndCause, Ledger, ParkedRecord, RootId, StageRecord, TaskOrigin};
use executor_worker::RunningWorker;
use http::HeaderValue;
use jiff::Timestamp;
use testkit::{Receiver, Recorded, eventually};

use crate::pushes::{head, push, send};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, Testbed, event, queue};

type Vars = &'static [(&'static str, &'static str)];

const PARKING: (&str, &str) = ("PARKING_QUEUE", "projects/p/locations/l/queues/parked");
const FAILED: &str = "dev.executor-chain.task.failed.v1";
const MIB: usize = 1024 * 1024;
const TO_FAIL: &str = r#"[{"match": {"reason": "bad"}, "to": "fail"}]"#;

/// A testbed with a parking queue, and a worker that parks.
async fn parking(handler: &Receiver, vars: &[(&str, &str)]) -> (Testbed, RunningWorker) {
    let testbed = Testbed::new().await;
    testbed.paused_queue("parked").await;
    let worker = testbed.worker(handler, &with_parking(vars)).await;
    (testbed, worker)
}

fn with_parking<'a>(vars: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[PARKING], vars].concat()
}

/// A handler that answers this status with these headers.
fn says(status: u16, headers: Vars) -> Receiver {
    Receiver::start(move |_| {
        let headers = headers
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        let answer = (status, headers.collect(), Vec::new());
        async { answer }
    })
}

/// The only parked task, with its ledger and its record.
async fn parked(testbed: &Testbed) -> (WholeTask, Ledger, ParkedRecord) {
    let tasks = testbed.tasks("parked").await;
    let [info] = tasks.as_slice() else {
        panic!("{} tasks are parked", tasks.len());
    };
    let whole = testbed.cloud.get_whole_task(&info.path).await.unwrap();
    let whole = whole.expect("nobody deletes it");
    let ledger = HeaderValue::from_str(&whole.info.headers[LEDGER_HEADER]).unwrap();
    let ledger = Ledger::read_parked(&ledger, &info.path.id).unwrap();
    let record = ParkedRecord::read(&whole.info.headers[PARKED_HEADER]).unwrap();
    (whole, ledger, record)
}

async fn told(testbed: &Testbed) -> serde_json::Value {
    let told = eventually("the event", SOON, async || testbed.client.requests().pop()).await;
    event(&told)
}

fn first_root(task: &str) -> RootId {
    RootId::of(&queue("incoming").task(task.parse().unwrap()))
}

#[tokio::test]
async fn a_task_that_fails_for_good_is_parked_whole_and_told() {
    let handler = says(409, &[("executor-reason", "no-stock")]);
    let (testbed, worker) = parking(&handler, &[]).await;
    testbed.queue("incoming", worker.addr()).await;
    let body = b"\x00\xffnot text\r\n";
    let headers = [("x-customer", "acme"), ("traceparent", "00-aa-bb-01")];
    testbed.send("order-1", Method::Put, &headers, body).await;
    let event = testbed.end(&["incoming"]).await;

    let (whole, ledger, record) = parked(&testbed).await;
    let root = first_root("order-1");
    assert_eq!(whole.info.path.id, root.parked());
    assert_eq!(whole.body, body);
    assert_eq!(whole.info.method, Some(Method::Put));
    assert_eq!(whole.info.url, "http://x/orders?id=7&x=%20");
    for (name, value) in headers {
        assert_eq!(whole.info.headers[name], value);
    }
    assert_eq!(ledger.root, root);
    assert_eq!(ledger.stages.len(), 1);
    assert_eq!(ledger.stages[0].attempts, 3);
    let ParkedRecord {
        task,
        queue,
        stage,
        cause,
        reason,
        status,
        at: _,
        life,
    } = record;
    assert_eq!((task.as_str(), queue.as_str()), ("order-1", "incoming"));
    assert_eq!((stage.as_str(), cause), ("fast", EndCause::Exhausted));
    assert_eq!((reason.as_str(), status), ("no-stock", Some(409)));
    assert_eq!(life, None);

    assert_eq!(
        (&event["type"], &event["id"]),
        (&FAILED.into(), &root.notification().as_str().into())
    );
    assert_eq!(handler.requests().len(), 3);
    let metrics = worker.metrics();
    assert_eq!(metrics.parked_tasks(EndCause::Exhausted), 1);
    assert_eq!(metrics.tasks_not_parked(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn each_cause_is_in_the_record() {
    let rows: [(EndCause, Vars, Vars); 4] = [
        (EndCause::Exhausted, &[ONE_ATTEMPT], &[]),
        (EndCause::Fail, &[], &[("executor-verdict", "fail")]),
        (
            EndCause::Route,
            &[("ROUTES", TO_FAIL)],
            &[("executor-reason", "bad")],
        ),
        (
            EndCause::Expired,
            &[("GIVE_UP_AFTER", "500ms")],
            &[("executor-verdict", "later"), ("retry-after", "1")],
        ),
    ];
    for (cause, vars, answer) in rows {
        let handler = says(500, answer);
        let (testbed, worker) = parking(&handler, vars).await;
        let status = push(worker.addr(), &head("order-1", 0, 0, None)).await;
        assert_eq!(status, 200, "{cause}");
        let (_, _, record) = parked(&testbed).await;
        assert_eq!(record.cause, cause);
        assert_eq!(told(&testbed).await["type"], FAILED, "{cause}");
        assert_eq!(worker.metrics().parked_tasks(cause), 1);
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_task_that_was_handed_over_too_often_is_parked() {
    let handler = Receiver::answering(500);
    let (testbed, worker) = parking(&handler, &[ONE_ATTEMPT, DOWNSTREAM]).await;
    let ledger = handed_over(64, 0);
    let status = push(worker.addr(), &head_of(&ledger)).await;
    assert_eq!(status, 200);
    let (_, _, record) = parked(&testbed).await;
    assert_eq!(record.cause, EndCause::Loop);
    worker.stop().await;
}

/// The ledger of `order-1` after so many hand-overs, with so many records.
fn handed_over(hops: u32, records: usize) -> Ledger {
    let first = queue("incoming-0").task("order-1".parse().unwrap());
    let now = Timestamp::now();
    let record = StageRecord {
        stage: "a-stage-with-a-long-name".parse().unwrap(),
        attempts: 3,
        dispatches: 3,
        since: now,
        until: now,
        status: Some(503),
        reason: "a-reason-that-says-much".parse().unwrap(),
    };
    let start = Ledger::first(&first, now);
    let climbed = (0..hops).fold(start, |ledger, _| ledger.next_hop());
    (0..records).fold(climbed, |ledger, _| ledger.with(record.clone()))
}

/// The first push of the task that has this ledger.
fn head_of(ledger: &Ledger) -> Vec<(String, String)> {
    let own = ledger.root.task(ledger.hop);
    let mut head = head(own.as_str(), 0, 0, None);
    head.push((LEDGER_HEADER.to_owned(), ledger.encode()));
    head
}

#[tokio::test]
async fn keep_leaves_out_the_other_causes() {
    let handler = Receiver::start(|request: Recorded| {
        let verdict = request.header("x-verdict").to_owned();
        let headers = vec![("executor-verdict".to_owned(), verdict)];
        async { (500, headers, Vec::new()) }
    });
    let vars = [ONE_ATTEMPT, ("PARKING_KEEP", "Fail,Route")];
    let (testbed, worker) = parking(&handler, &vars).await;
    for (task, verdict) in [("order-1", "retry"), ("order-2", "fail")] {
        let mut head = head(task, 0, 0, None);
        head.push(("x-verdict".to_owned(), verdict.to_owned()));
        assert_eq!(push(worker.addr(), &head).await, 200);
    }
    let (whole, _, record) = parked(&testbed).await;
    assert_eq!(whole.info.path.id, first_root("order-2").parked());
    assert_eq!(record.cause, EndCause::Fail);
    let look = async || testbed.client.requests().len() == 2;
    eventually("both events", SOON, look).await;
    let metrics = worker.metrics();
    assert_eq!(metrics.parked_tasks(EndCause::Exhausted), 0);
    assert_eq!(metrics.tasks_not_parked(), 0, "it was not to be parked");
    worker.stop().await;
}

#[tokio::test]
async fn a_success_is_not_parked() {
    let handler = Receiver::answering(200);
    let (testbed, worker) = parking(&handler, &[]).await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
    let event = told(&testbed).await;
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(testbed.tasks("parked").await.len(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_parking_queue_that_is_gone_keeps_no_task_from_its_end() {
    for deleted in [false, true] {
        let testbed = Testbed::new().await;
        let handler = Receiver::answering(500);
        let worker = testbed
            .worker(&handler, &with_parking(&[ONE_ATTEMPT]))
            .await;
        if deleted {
            testbed.paused_queue("parked").await;
            testbed.cloud.delete_queue(&queue("parked")).await.unwrap();
        }
        assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
        assert_eq!(told(&testbed).await["type"], FAILED);
        assert_eq!(worker.metrics().tasks_not_parked(), 1);
        assert_eq!(handler.requests().len(), 1);
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_task_that_is_too_large_with_its_ledger_is_parked_with_a_folded_one() {
    let handler = Receiver::answering(500);
    let (testbed, worker) = parking(&handler, &[ONE_ATTEMPT]).await;
    let ledger = handed_over(18, 18);
    let body = Bytes::from(vec![b'x'; MIB - 2048]);
    assert!(ledger.encode().len() > 3072, "too large with it");
    let answer = send(worker.addr(), "POST", "/", &head_of(&ledger), body.clone()).await;
    assert_eq!(answer.0, 200);
    let (whole, folded, record) = parked(&testbed).await;
    assert!(whole.body == body, "{} bytes", whole.body.len());
    assert_eq!((folded.stages.len(), folded.left_out), (0, 19));
    assert_eq!(record.cause, EndCause::Exhausted);
    assert_eq!(told(&testbed).await["type"], FAILED);

    // Not even that fits.
    let whole = Bytes::from(vec![b'x'; MIB]);
    let head = head("order-2", 0, 0, None);
    assert_eq!(send(worker.addr(), "POST", "/", &head, whole).await.0, 200);
    assert_eq!(testbed.tasks("parked").await.len(), 1);
    assert_eq!(worker.metrics().tasks_not_parked(), 1);
    worker.stop().await;
}

/// A task that is parked, and whose client isn't told: its worker could not.
async fn parked_and_not_told(testbed: &Testbed) {
    let handler = says(409, &[("executor-reason", "no-stock")]);
    let nowhere = ("NOTIFIER_QUEUE", "projects/p/locations/l/queues/nowhere");
    let worker = testbed
        .worker(&handler, &with_parking(&[ONE_ATTEMPT, nowhere]))
        .await;
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 596);
    assert_eq!(testbed.tasks("parked").await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_parked_task_that_was_not_told_is_told_without_a_run() {
    let retired: Vars = &[("RETIRED_PARKING_QUEUES", PARKING.1)];
    // Also if another queue took its place, or none.
    let other = ("PARKING_QUEUE", "projects/p/locations/l/queues/parked-2");
    let moved = [other, retired[0]];
    for vars in [&[PARKING][..], &moved, retired] {
        let testbed = Testbed::new().await;
        testbed.paused_queue("parked").await;
        testbed.paused_queue("parked-2").await;
        parked_and_not_told(&testbed).await;

        let handler = Receiver::answering(200);
        let worker = testbed.worker(&handler, vars).await;
        let again = push(worker.addr(), &head("order-1", 1, 0, Some(502))).await;
        assert_eq!((again, handler.requests().len()), (200, 0), "{vars:?}");
        let event = told(&testbed).await;
        assert_eq!(event["type"], FAILED);
        assert_eq!(event["data"]["reason"], "no-stock", "as its record says");
        assert_eq!(event["data"]["attempts"]["fast"], 1);
        assert_eq!(testbed.tasks("parked").await.len(), 1);
        assert_eq!(testbed.tasks("parked-2").await.len(), 0);
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_redriven_task_lives_again_and_is_parked_whatever_keep_says() {
    let handler = Receiver::answering(500);
    let (testbed, worker) = parking(&handler, &[("PARKING_KEEP", "Fail")]).await;
    testbed.queue("incoming", worker.addr()).await;
    let first = queue("incoming").task("order-1".parse().unwrap());
    let before = Ledger::first(&first, Timestamp::now());
    let ledger = before.clone().redriven("a-redrive".parse().unwrap());
    let task = NewTask {
        path: Some(queue("incoming").task(ledger.own_task())),
        url: "http://x/orders".to_owned(),
        method: Method::Post,
        headers: BTreeMap::from([(LEDGER_HEADER.to_owned(), ledger.encode())]),
        body: b"{}".to_vec(),
        dispatch_deadline: None,
        schedule_time: None,
        oidc_token: None,
    };
    let created = testbed.cloud.create_task(&queue("incoming"), &task).await;
    created.unwrap();
    let event = testbed.end(&["incoming"]).await;

    let runs = handler.requests();
    let attempts: Vec<&str> = runs
        .iter()
        .map(|run| run.header("executor-attempt"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    for run in &runs {
        assert_eq!(run.header("executor-task"), "order-1");
    }
    assert_eq!(event["type"], FAILED);
    assert_eq!(event["subject"], "order-1");
    assert_eq!(event["id"], ledger.root.notification().as_str());
    assert_eq!(event["data"]["life"], 2);
    let former = before.root.notification();
    assert_eq!(event["data"]["redriveOf"], former.as_str());
    assert_ne!(event["id"], former.as_str());
    assert_eq!(worker.metrics().arrivals(TaskOrigin::Redrive), 1);

    let (whole, _, record) = parked(&testbed).await;
    assert_eq!(whole.info.path.id, ledger.root.parked());
    assert_eq!(record.life.as_ref(), ledger.life.as_ref());
    assert_eq!(record.cause, EndCause::Exhausted);
    worker.stop().await;
}
