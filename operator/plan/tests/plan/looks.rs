//! How closely the operator has to look.

use crate::golden::{deletion, with};
use crate::world::{ORDERS, default_queue, desired, queue_path, settled};
use plan::{Observed, plan};

#[test]
fn a_chain_begins_where_nothing_of_it_is_there() {
    let begins = |observed: &Observed| {
        let desired = desired(ORDERS);
        plan(&desired, observed).unwrap().begins(&desired, observed)
    };
    assert!(begins(&Observed::default()));
    assert!(!begins(&settled(ORDERS)), "nothing is made");

    let workers = Observed {
        deployments: settled(ORDERS).deployments,
        ..Observed::default()
    };
    assert!(!begins(&workers), "its workers are there");

    let mut queue = Observed::default();
    let path = queue_path("incoming");
    queue.queues.insert(path.clone(), default_queue(path));
    assert!(!begins(&queue), "one of its queues is there");
}

#[test]
fn a_rate_is_answered_and_a_pause_is_not() {
    let settled = settled(ORDERS);
    let edit = plan(&desired(&with("500", "400")), &settled).unwrap();
    assert!(!edit.is_empty() && edit.is_answered());

    // It pauses the queues.
    let end = deletion(ORDERS, &settled);
    assert!(!end.is_empty() && !end.is_answered());
}
