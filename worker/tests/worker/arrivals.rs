//! What a worker does with tasks that an earlier dispatch has worked on.

use bytes::Bytes;
use cloudtasks::QueueSettings;
use decide::RootId;
use testkit::{Receiver, eventually, free_port};

use crate::pushes::{get, head, push, send};
use crate::testbed::{DOWNSTREAM, ONE_ATTEMPT, SOON, config, event, is_ready, queue, started};

#[tokio::test]
async fn a_task_that_was_handed_over_is_not_run_again() {
    let handler = Receiver::answering(500);
    let (testbed, handler, worker) = started(handler, &[DOWNSTREAM, ONE_ATTEMPT]).await;
    testbed.paused_queue("incoming-2").await;

    // The first dispatch hands it on, and its answer is lost.
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 200);
    let root = RootId::of(&queue("incoming").task("order-1".parse().unwrap()));
    let next = queue("incoming-2").task(root.task(1));
    let tasks = testbed.tasks("incoming-2").await;
    assert_eq!(
        tasks.iter().map(|task| &task.path).collect::<Vec<_>>(),
        [&next]
    );
    assert_eq!(
        push(worker.addr(), &head("order-1", 1, 0, Some(504))).await,
        200
    );

    assert_eq!(handler.requests().len(), 1);
    assert_eq!(testbed.tasks("incoming-2").await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_failed_create_is_repeated_later_without_a_run() {
    let handler = Receiver::start(|request| async move {
        let status = if request.body == "good" { 200 } else { 500 };
        (status, Vec::new(), Vec::new())
    });
    // Neither the next queue nor this notifier's exists yet.
    let notifier = ("NOTIFIER_QUEUE", "projects/p/locations/l/queues/later");
    let vars = [DOWNSTREAM, notifier, ONE_ATTEMPT];
    let (testbed, handler, worker) = started(handler, &vars).await;
    let push = async |task: &'static str, r, p| {
        let body = Bytes::from_static(task.as_bytes());
        send(worker.addr(), "POST", "/", &head(task, r, 0, p), body)
            .await
            .0
    };
    assert_eq!(push("good", 0, None).await, 597);
    assert_eq!(push("bad", 0, None).await, 596);
    assert_eq!(push("good", 1, Some(597)).await, 597);
    assert_eq!(push("bad", 1, Some(596)).await, 596);

    testbed.paused_queue("incoming-2").await;
    testbed
        .create_queue("later", &QueueSettings::default())
        .await;
    assert_eq!(push("good", 2, Some(597)).await, 200);
    assert_eq!(push("bad", 2, Some(596)).await, 200);

    assert_eq!(handler.requests().len(), 2);
    let told = eventually("the event", SOON, async || testbed.client.requests().pop()).await;
    let event = event(&told);
    assert_eq!(event["subject"], "good");
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(event["data"]["lastAnswer"], serde_json::Value::Null);
    worker.stop().await;
}

#[tokio::test]
async fn a_previous_response_that_a_producer_wrote_skips_no_run() {
    for written in ["596", "597"] {
        let (testbed, handler, worker) = started(Receiver::answering(200), &[]).await;
        let headers = [("X-CloudTasks-TaskPreviousResponse", written)];
        let event = testbed.run(worker.addr(), &headers).await;
        assert_eq!(handler.requests().len(), 1, "{written}");
        assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
        assert_eq!(event["data"]["lastAnswer"]["status"], 200, "{written}");
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_invalid_push_does_not_run_the_handler() {
    let (_testbed, handler, worker) = started(Receiver::answering(200), &[]).await;
    for (r, p, answer) in [
        (0, None, 500),
        (0, Some(597), 500),
        (1, Some(500), 500),
        (1, Some(597), 597),
    ] {
        let mut other = head("order-1", r, 0, p);
        other[0].1 = "another-queue".to_owned();
        assert_eq!(push(worker.addr(), &other).await, answer, "R={r} P={p:?}");
    }
    assert_eq!(push(worker.addr(), &[]).await, 500);
    let head = head("t", 0, 0, None);
    let (status, _) = send(worker.addr(), "TRACE", "/", &head, Bytes::new()).await;
    assert_eq!(status, 500);
    assert_eq!(handler.requests().len(), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_without_cloud_tasks_is_not_ready_and_repeats_596() {
    let port = free_port();
    let emulator = format!("127.0.0.1:{port}");
    let handler = Receiver::answering(200);
    let url = handler.url("");
    let config = config(&[
        ("CLOUD_TASKS_EMULATOR_HOST", &emulator),
        ("HANDLER_URL", &url),
    ]);
    let worker = executor_worker::start(config).await.unwrap();
    assert_eq!(get(worker.admin_addr(), "/readyz").await.0, 503);
    assert_eq!(get(worker.admin_addr(), "/healthz").await.0, 200);
    assert_eq!(push(worker.addr(), &head("order-1", 0, 0, None)).await, 503);
    assert_eq!(
        push(worker.addr(), &head("order-1", 3, 2, Some(596))).await,
        596
    );

    let _emulator = testkit::Emulator::start_on(port).await;
    is_ready(&worker).await;
    eventually("a handler that takes connections", SOON, async || {
        get(worker.admin_addr(), "/readyz").await.0 == 200
    })
    .await;
    let (_, metrics) = get(worker.admin_addr(), "/metrics").await;
    for line in [
        r#"executor_worker_connected{chain="orders",stage="fast"} 1"#,
        r#"executor_worker_answers_total{chain="orders",stage="fast",answer="no_room"} 1"#,
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    worker.stop().await;
}
