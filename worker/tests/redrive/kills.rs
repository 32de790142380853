//! Movers that are killed, and movers that are asked to stop.

use std::collections::BTreeSet;

use crate::bed::{Bed, lives, order};

#[tokio::test]
async fn movers_that_are_killed_begin_each_life_once_and_lose_none() {
    let bed = Bed::new().await;
    let parked = bed.park(300, "no-stock").await;
    let mut order = order("");
    order.rate = 400.0;
    let mut kills = 0;
    loop {
        let mover = bed.process(&order);
        // From the first move to some time after, in whatever the mover is doing then.
        let first = fastrand::u64(1..60);
        let progress = mover
            .until("moves", |it| it.moved >= first || it.phase.is_over())
            .await;
        let is_over = progress.phase.is_over();
        mover.kill().await;
        if is_over {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "killed {kills} times only");
    assert!(bed.tasks("parked").await.is_empty());
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
    assert_eq!(bed.tasks("incoming").await.len(), 300);
}

#[tokio::test]
async fn a_mover_that_is_asked_to_stop_finishes_its_moves_and_the_next_one_goes_on() {
    let bed = Bed::new().await;
    let parked = bed.park(200, "no-stock").await;
    let mut order = order("");
    order.rate = 200.0;
    let mover = bed.process(&order);
    mover.until("moves", |it| it.moved >= 20).await;
    mover.process.terminate();
    assert_eq!(mover.process.exit(crate::bed::SOON).await, 0);

    // Nothing is half done: each task is in one queue.
    let left = bed.ids("parked").await;
    assert!(!left.is_empty(), "it stops in the middle");
    let (stay, gone): (Vec<_>, Vec<_>) = parked.iter().partition(|it| left.contains(&it.id()));
    assert_eq!(stay.len(), left.len());
    let begun: BTreeSet<_> = gone
        .iter()
        .map(|it| it.redriven("one").own_task())
        .collect();
    assert_eq!(bed.ids("incoming").await, begun);

    order.rate = crate::bed::FAST;
    let mover = bed.process(&order);
    mover.until("the end", |it| it.phase.is_over()).await;
    mover.process.terminate();
    assert_eq!(mover.process.exit(crate::bed::SOON).await, 0);
    assert!(bed.tasks("parked").await.is_empty());
    assert_eq!(bed.ids("incoming").await, lives(&parked, "one"));
}
