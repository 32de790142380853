//! What is moved, and how.

use decide::task::LEDGER_HEADER;
use parking::{Action, RedrivePhase};
use testkit::{Receiver, eventually, http_get, task};

use crate::bed::{Bed, Parked, SOON, done, lives, order, over, queue};

#[tokio::test]
async fn the_tasks_that_match_are_moved_and_all_others_are_untouched() {
    let bed = Bed::new().await;
    bed.park(20, "timeout").await;
    // No worker has parked this one.
    let foreign = task(&queue("parked"), "foreign", "who knows");
    bed.create(&foreign).await;
    let others = bed.untouched("parked").await;
    let parked = bed.park(20, "no-stock").await;

    let order = order("reason=no-stock");
    assert_eq!(bed.moved(order.clone()).await, done(20, 0));
    assert_eq!(bed.untouched("parked").await, others);
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
    for Parked { task, ledger } in &parked {
        let ledger = ledger.clone().redriven("one".parse().unwrap());
        let path = queue("incoming").task(ledger.own_task());
        let found = bed.cloud.get_whole_task(&path).await.unwrap().unwrap();
        assert_eq!(found.body, task.body);
        assert_eq!(found.info.url, task.url);
        assert_eq!(found.info.method, Some(task.method));
        let mut headers = found.info.headers;
        headers.retain(|name, _| !name.eq_ignore_ascii_case("user-agent"));
        let mut expected = task.headers.clone();
        expected.remove("executor-parked");
        expected.insert(LEDGER_HEADER.to_owned(), ledger.encode());
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        let headers = headers.into_iter().map(lower).collect();
        assert_eq!(expected, headers);
    }

    // Once more, and nothing happens twice.
    let before = bed.untouched("incoming").await;
    assert_eq!(bed.moved(order).await, done(0, 0));
    assert_eq!(bed.untouched("parked").await, others);
    assert_eq!(bed.untouched("incoming").await, before);
}

#[tokio::test]
async fn a_new_life_is_run_and_told_as_one() {
    let bed = Bed::new().await;
    let handler = Receiver::answering(200);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    let parked = bed.park(1, "no-stock").await;
    assert_eq!(bed.moved(order("")).await, done(1, 0));

    let event = eventually("the event", SOON, async || bed.client.requests().pop()).await;
    let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(event["type"], "dev.executor-chain.task.succeeded.v1");
    assert_eq!(event["subject"], "no-stock-0");
    assert_eq!(event["data"]["life"], 2);
    let before = parked[0].ledger.root.notification();
    assert_eq!(event["data"]["redriveOf"], before.as_str());
    let runs = handler.requests();
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0].method, "PUT");
    assert_eq!(runs[0].uri, "/orders/no-stock-0?id=7&x=%20");
    assert_eq!(runs[0].body, parked[0].task.body);
    assert_eq!(runs[0].header("x-tenant"), "a, b; c=\"d\"");
    worker.stop().await;
}

#[tokio::test]
async fn a_task_that_fails_again_is_parked_again_and_not_moved_again() {
    let bed = Bed::new().await;
    let handler = Receiver::answering(500);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    let parked = bed.park(10, "no-stock").await;
    let mut ids = Vec::new();
    for (redrive, number) in [("one", 2), ("two", 3)] {
        let mut order = order("");
        order.selection.redrive = redrive.parse().unwrap();
        let progress = bed.moved(order.clone()).await;
        assert_eq!((progress.phase, progress.moved), (RedrivePhase::Done, 10));
        let again = eventually("all are parked again", SOON, async || {
            let tasks = bed.ids("parked").await;
            let all = tasks.len() == 10 && bed.tasks("incoming").await.is_empty();
            all.then_some(tasks)
        })
        .await;
        assert!(!ids.contains(&again), "ids of their own");
        let expected = parked.iter().map(|it| it.ledger.root.life(number).parked());
        assert_eq!(again, expected.collect());
        ids.push(again);
        let progress = bed.moved(order).await;
        assert_eq!((progress.moved, progress.failed_again), (0, 10));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_queue_of_three_pages_is_moved() {
    let bed = Bed::new().await;
    let parked = bed.park(2_500, "no-stock").await;
    assert_eq!(bed.moved(order("")).await, done(2_500, 0));
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
    assert!(bed.tasks("parked").await.is_empty());
}

#[tokio::test]
async fn discarded_tasks_are_deleted() {
    let bed = Bed::new().await;
    bed.park(10, "timeout").await;
    let others = bed.untouched("parked").await;
    bed.park(10, "no-stock").await;
    let mut order = order("reason=no-stock");
    order.action = Action::Discard;
    assert_eq!(bed.moved(order).await, done(10, 0));
    assert_eq!(bed.untouched("parked").await, others);
    assert!(bed.tasks("incoming").await.is_empty());
}

#[tokio::test]
async fn a_task_without_a_readable_ledger_is_skipped_and_stays() {
    let bed = Bed::new().await;
    let mut broken = Parked::new("broken", "no-stock");
    let headers = &mut broken.task.headers;
    headers.insert(LEDGER_HEADER.to_owned(), "{\"v\":9}".to_owned());
    bed.create(&broken.task).await;
    let others = bed.untouched("parked").await;
    bed.park(3, "no-stock").await;
    assert_eq!(bed.moved(order("")).await, done(3, 1));
    assert_eq!(bed.untouched("parked").await, others);
}

#[tokio::test]
async fn a_life_that_has_begun_on_another_stage_does_not_begin_again() {
    let bed = Bed::new().await;
    bed.paused("incoming-2").await;
    let parked = bed.park(3, "no-stock").await;
    // A redrive to that stage was stopped by force before it deleted the parked task.
    let begun = parked[0].redriven("earlier").own_task();
    let begun = task(&queue("incoming-2"), begun.as_str(), "begun");
    bed.create(&begun).await;

    assert_eq!(bed.moved(order("")).await, done(3, 0));
    assert!(bed.tasks("parked").await.is_empty());
    assert_eq!(bed.ids("incoming").await, lives(&parked[1..], "one"));
    assert_eq!(bed.tasks("incoming-2").await.len(), 1);
}

#[tokio::test]
async fn a_mover_that_is_done_stays_and_shows_its_numbers() {
    let bed = Bed::new().await;
    bed.park(3, "no-stock").await;
    let mover = bed.mover(order("")).await;
    let progress = over(&mover).await;
    let get = async |path| http_get(mover.admin_addr(), path).await.unwrap();
    assert_eq!(get("/healthz").await, "alive\n");
    assert_eq!(get("/readyz").await, "ready\n");
    let shown: parking::RedriveProgress = serde_json::from_str(&get("/redrive").await).unwrap();
    assert_eq!(shown, progress);
    let metrics = get("/metrics").await;
    let labels = r#"{chain="shop/orders",redrive="one"}"#;
    for line in [
        format!("executor_mover_moved_total{labels} 3"),
        format!("executor_mover_skipped_total{labels} 0"),
        format!("executor_mover_has_problem{labels} 0"),
        format!("executor_mover_remaining{labels} 0"),
    ] {
        assert!(metrics.lines().any(|it| it == line), "{line}: {metrics}");
    }
    mover.stop().await;
}
