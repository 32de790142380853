//! Memory and concurrency stay within their bounds.

use bytes::Bytes;
use testkit::{Receiver, eventually};
use tokio::io::AsyncWriteExt;

use crate::interruptions::Gate;
use crate::pushes::{begin, head, push, send, status};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, event, started};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_body_above_one_mebibyte_is_rejected_unread() {
    let (_testbed, handler, worker) = started(Receiver::answering(200), &[]).await;
    let head = head("order-1", 0, 0, None);

    // The answer comes without a byte of the body having been sent.
    let mut announced = begin(worker.addr(), &head, "content-length: 9000000000").await;
    assert_eq!(status(&mut announced).await, 413);

    let mut chunked = begin(worker.addr(), &head, "transfer-encoding: chunked").await;
    let chunk = [
        format!("{MIB:x}\r\n").as_bytes(),
        &vec![0; MIB],
        b"\r\n1\r\nx\r\n",
    ]
    .concat();
    chunked.write_all(&chunk).await.unwrap();
    assert_eq!(status(&mut chunked).await, 413);

    let whole = Bytes::from(vec![b'x'; MIB]);
    assert_eq!(send(worker.addr(), "POST", "/", &head, whole).await.0, 200);
    assert_eq!(handler.requests().len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_task_of_nearly_one_mebibyte_is_handed_over_byte_for_byte() {
    let next = Receiver::answering(200);
    let handler = Receiver::answering(500);
    let (testbed, _handler, worker) = started(handler, &[DOWNSTREAM, ONE_ATTEMPT]).await;
    testbed.queue("incoming-2", next.addr()).await;

    // What is left is for the ledger and the other headers.
    let large = Bytes::from(vec![b'x'; MIB - 8 * 1024]);
    let head = head("order-1", 0, 0, None);
    let answer = send(worker.addr(), "POST", "/", &head, large.clone()).await;
    assert_eq!(answer.0, 200);
    let climbed = eventually("the next push", SOON, async || next.requests().pop()).await;
    assert!(climbed.body == large, "{} bytes", climbed.body.len());
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_no_queue_accepts_ends_as_unpassable() {
    let handler = Receiver::answering(500);
    let (testbed, _handler, worker) = started(handler, &[DOWNSTREAM, ONE_ATTEMPT]).await;
    testbed.paused_queue("incoming-2").await;

    // With any ledger at all it is larger than a task may be.
    let whole = Bytes::from(vec![b'x'; MIB]);
    let head = head("order-1", 0, 0, None);
    assert_eq!(send(worker.addr(), "POST", "/", &head, whole).await.0, 200);

    let told = eventually("the event", SOON, async || testbed.client.requests().pop()).await;
    let event = event(&told);
    assert_eq!(event["type"], "dev.executor-chain.task.failed.v1");
    assert_eq!(event["data"]["reason"], "unpassable");
    assert_eq!(
        event["data"]["request"]["bodyBase64"],
        serde_json::Value::Null
    );
    assert_eq!(event["data"]["request"]["bodyBytes"], MIB);
    worker.stop().await;
}

#[tokio::test]
async fn runs_are_bounded_and_a_task_runs_once_at_a_time() {
    let gate = Gate::new();
    let (_testbed, handler, worker) = started(gate.handler(200), &[("CONCURRENCY", "2")]).await;
    let to = worker.addr();
    let first = tokio::spawn(async move { push(to, &head("a", 0, 0, None)).await });
    let second = tokio::spawn(async move { push(to, &head("b", 0, 0, None)).await });
    eventually("two runs", SOON, async || handler.requests().len() == 2).await;

    assert_eq!(push(to, &head("c", 0, 0, None)).await, 503);
    assert_eq!(push(to, &head("a", 1, 0, Some(504))).await, 503);
    // Without a run, no run slot is needed.
    assert_eq!(push(to, &head("d", 1, 0, Some(597))).await, 200);

    gate.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (200, 200));
    assert_eq!(push(to, &head("c", 1, 0, Some(503))).await, 200);
    worker.stop().await;
}
