//! Canaries: a few tasks first.

use std::collections::BTreeSet;

use parking::{Canary, CanaryCounts, RedrivePhase};
use testkit::{Receiver, eventually};
use tokio::sync::watch;

use crate::bed::{Bed, SOON, done, lives, order, over, queue, until, with_canary};

const CANARY: Canary = Canary {
    tasks: 5,
    within_seconds: 3600,
    at_least_percent: 80,
};

/// The tasks that a handler was called for.
fn ran(handler: &Receiver) -> BTreeSet<String> {
    let runs = handler.requests().into_iter();
    runs.map(|run| run.uri.path().to_owned()).collect()
}

/// What a broken handler leaves: the canary parked again, and all others as they were.
async fn nothing_else_has_run(
    bed: &Bed,
    handler: &Receiver,
    before: &std::collections::BTreeMap<cloudtasks::TaskId, jiff::Timestamp>,
) {
    assert_eq!(ran(handler).len(), 5);
    let after = eventually("the canary is parked again", SOON, async || {
        let tasks = bed.tasks("parked").await;
        let all = tasks.len() == before.len() + 1;
        all.then_some(()).ok_or(tasks.len())?;
        Ok::<_, usize>(bed.untouched("parked").await)
    })
    .await;
    let untouched = before.iter().filter(|(id, at)| after.get(id) == Some(at));
    assert_eq!(untouched.count(), before.len() - 5);
}

#[tokio::test]
async fn a_canary_on_a_broken_handler_ends_the_redrive() {
    let bed = Bed::new().await;
    let handler = Receiver::answering(500);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    bed.park(30, "no-stock").await;
    let before = bed.untouched("parked").await;
    let order = with_canary(order(""), CANARY);
    let progress = bed.moved(order.clone()).await;
    assert_eq!(progress.phase, RedrivePhase::CanaryFailed);
    let canary = progress.canary.unwrap();
    assert!(canary.failed >= 2 && canary.tasks() == 5, "{canary:?}");
    assert_eq!((progress.moved, progress.remaining), (5, Some(25)));
    nothing_else_has_run(&bed, &handler, &before).await;

    // A mover that comes after it begins no other canary, and knows how this one ended.
    let again = bed.moved(order.clone()).await;
    assert_eq!(again.phase, RedrivePhase::CanaryFailed);
    assert_eq!((again.moved, again.canary), (0, Some(canary)));
    assert_eq!((again.remaining, again.failed_again), (Some(25), 5));
    nothing_else_has_run(&bed, &handler, &before).await;
    worker.stop().await;

    // The next redrive deletes the note.
    let mut next = order.clone();
    next.selection.redrive = "two".parse().unwrap();
    if let parking::Action::Move(to) = &mut next.action {
        to.canary = None;
    }
    let handler = Receiver::answering(200);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    assert_eq!(bed.moved(next).await.moved, 30);
    assert!(bed.tasks("parked").await.is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn a_canary_that_does_well_is_followed_by_the_others() {
    let bed = Bed::new().await;
    let handler = Receiver::answering(200);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    bed.park(30, "no-stock").await;
    let progress = bed.moved(with_canary(order(""), CANARY)).await;
    let canary = progress.canary.unwrap();
    assert!(canary.succeeded >= 4 && canary.tasks() == 5, "{canary:?}");
    assert_eq!(
        progress,
        parking::RedriveProgress {
            canary: Some(canary),
            ..done(30, 0)
        }
    );
    eventually("all runs", SOON, async || {
        let runs = ran(&handler).len();
        (runs == 30, runs)
    })
    .await;
    assert!(bed.tasks("parked").await.is_empty(), "the notes are gone");
    worker.stop().await;
}

#[tokio::test]
async fn a_canary_is_followed_to_the_last_stage() {
    let bed = Bed::new().await;
    bed.paused("incoming-2").await;
    let (fast, slow) = (Receiver::answering(500), Receiver::answering(500));
    let next = queue("incoming-2").to_string();
    let downstream = [("DOWNSTREAM_QUEUE", next.as_str())];
    let first = bed.worker("fast", "incoming", &fast, &downstream).await;
    bed.park(30, "no-stock").await;
    let mover = bed.mover(with_canary(order(""), CANARY)).await;
    eventually("the hand-overs", SOON, async || {
        bed.tasks("incoming-2").await.len() == 5
    })
    .await;
    // None has ended yet.
    let progress = mover.progress();
    assert!(!progress.phase.is_over(), "{progress:?}");
    let last = bed.worker("slow", "incoming-2", &slow, &[]).await;
    let progress = over(&mover).await;
    assert_eq!(progress.phase, RedrivePhase::CanaryFailed);
    assert_eq!((ran(&fast).len(), ran(&slow).len()), (5, 5));
    mover.stop().await;
    first.stop().await;
    last.stop().await;
}

#[tokio::test]
async fn a_canary_that_takes_too_long_has_failed() {
    let bed = Bed::new().await;
    let parked = bed.park(10, "no-stock").await;
    // Its queue is paused.
    let canary = Canary {
        within_seconds: 1,
        ..CANARY
    };
    let progress = bed.moved(with_canary(order(""), canary)).await;
    assert_eq!(progress.phase, RedrivePhase::CanaryFailed);
    let open = CanaryCounts {
        open: 5,
        ..CanaryCounts::default()
    };
    assert_eq!(progress.canary, Some(open));
    assert_eq!(bed.tasks("incoming").await.len(), 5);
    assert!(bed.ids("incoming").await.is_subset(&lives(&parked, "one")));
}

#[tokio::test]
async fn a_mover_that_is_killed_in_its_canary_goes_on_with_the_same_tasks() {
    let bed = Bed::new().await;
    let (open, opened) = watch::channel(false);
    let handler = Receiver::start(move |_| {
        let mut opened = opened.clone();
        async move {
            let _ = opened.wait_for(|open| *open).await;
            (500, Vec::new(), Vec::new())
        }
    });
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    bed.park(30, "no-stock").await;
    let before = bed.untouched("parked").await;
    let mut order = with_canary(order(""), CANARY);
    order.rate = 5.0;
    // While it begins, after each of its moves, and while it waits.
    for moved in [0, 1, 1, 1] {
        let mover = bed.process(&order);
        let has_moved =
            |it: &parking::RedriveProgress| it.moved >= moved || it.remaining == Some(25);
        mover.until("moves", has_moved).await;
        mover.kill().await;
    }
    let mover = bed.process(&order);
    let waits = |it: &parking::RedriveProgress| {
        it.phase == RedrivePhase::Canary && it.remaining == Some(25)
    };
    mover.until("the wait", waits).await;
    mover.kill().await;
    eventually("all runs", SOON, async || {
        let runs = ran(&handler).len();
        (runs == 5, runs)
    })
    .await;

    open.send_replace(true);
    let mover = bed.process(&order);
    let progress = mover.until("the end", |it| it.phase.is_over()).await;
    assert_eq!(progress.phase, RedrivePhase::CanaryFailed);
    assert_eq!(progress.canary.unwrap().tasks(), 5);
    nothing_else_has_run(&bed, &handler, &before).await;
    mover.kill().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_mover_that_is_killed_after_its_canary_tries_no_other() {
    let bed = Bed::new().await;
    let handler = Receiver::answering(200);
    let worker = bed.worker("fast", "incoming", &handler, &[]).await;
    bed.park(30, "no-stock").await;
    let mut order = with_canary(order(""), CANARY);
    order.rate = 40.0;
    let mover = bed.process(&order);
    mover.until("others", |it| it.moved > 6).await;
    mover.kill().await;
    // A second canary would wait for this queue.
    bed.cloud.pause_queue(&queue("incoming")).await.unwrap();
    let mover = bed.mover(order).await;
    let progress = until(&mover, "the end", |it| it.phase.is_over()).await;
    assert_eq!(progress.phase, RedrivePhase::Done);
    assert_eq!(progress.canary, None);
    assert!(progress.moved > 0);
    mover.stop().await;
    assert!(bed.tasks("parked").await.is_empty());
    worker.stop().await;
}
