//! How closely the operator has to look.

use crate::golden::{deletion, with};
use crate::world::{ORDERS, default_queue, desired, pass, queue_path, settled};
use plan::{Look, Observed, Step, plan};
use std::time::Duration;

/// What to look at before an edited chain is served.
fn before(chain: &str, observed: &Observed) -> Look {
    let desired = desired(chain);
    let plan = plan(&desired, observed).unwrap();
    Look::before(&plan, &desired, observed, true)
}

#[test]
fn a_chain_begins_where_nothing_of_it_is_there() {
    assert_eq!(before(ORDERS, &Observed::default()), Look::Nothing);

    let workers = Observed {
        deployments: settled(ORDERS).deployments,
        ..Observed::default()
    };
    assert_eq!(before(ORDERS, &workers), Look::All, "its workers are there");

    let mut queue = Observed::default();
    queue.queues.insert(default_queue(queue_path("incoming")));
    assert_eq!(
        before(ORDERS, &queue),
        Look::All,
        "one of its queues is there"
    );
}

#[test]
fn a_limit_needs_no_look_and_what_workers_are_told_needs_all() {
    let attempts = "maxAttempts: 3";
    let paused = with(attempts, "maxAttempts: 3\n    paused: true");
    let last = ORDERS.find("  - name: slow").unwrap();
    let renamed = with("name: slow", "name: slower");
    for (from, to, look) in [
        (ORDERS, &*with("500", "400"), Look::Nothing),
        (ORDERS, &*with("max: 10s", "max: 20s"), Look::Nothing),
        (ORDERS, &*paused, Look::Queues),
        (&*paused, ORDERS, Look::All),
        (ORDERS, &*with(attempts, "maxAttempts: 1"), Look::All),
        (ORDERS, &*with("replicas: 2", "replicas: 3"), Look::All),
        (ORDERS, &ORDERS[..last], Look::All),
        (ORDERS, &*renamed, Look::All),
    ] {
        assert_eq!(before(to, &settled(from)), look, "{from}{to}");
    }
}

#[test]
fn a_gate_needs_to_see_the_workers() {
    let mut observed = settled(ORDERS);
    for deployment in observed.deployments.values_mut() {
        deployment.status = None;
    }
    let desired = desired(ORDERS);
    pass(&mut observed, &desired, Duration::ZERO);
    pass(&mut observed, &desired, Duration::from_mins(10));
    let plan = plan(&desired, &observed).unwrap();
    let mut steps = plan.steps.iter().map(|planned| &planned.step);
    assert!(
        steps.any(|step| matches!(step, Step::PauseQueue { .. })),
        "{plan}"
    );
    let look = Look::before(&plan, &desired, &observed, false);
    assert_eq!(look, Look::All, "{plan}");
}

#[test]
fn what_nobody_has_edited_is_looked_at_before_it_is_put_right() {
    let mut observed = settled(ORDERS);
    let queue = observed.queues.get(&queue_path("incoming")).unwrap();
    let mut changed = queue.clone();
    changed.max_dispatches_per_second = 1.0;
    observed.queues.insert(changed);
    let desired = desired(ORDERS);
    let plan = plan(&desired, &observed).unwrap();
    assert_eq!(
        Look::before(&plan, &desired, &observed, false),
        Look::Queues
    );
}

#[test]
fn what_answers_do_not_tell_is_looked_at_afterwards() {
    let settled = settled(ORDERS);
    let after = |to: &str| Look::after(&plan(&desired(to), &settled).unwrap());
    assert_eq!(after(&with("500", "400")), Look::Nothing);
    assert_eq!(after(&with("replicas: 2", "replicas: 3")), Look::Nothing);
    let paused = with("maxAttempts: 3", "maxAttempts: 3\n    paused: true");
    assert_eq!(after(&paused), Look::Queues);
    // It pauses the queues, and deletes the workers.
    assert_eq!(Look::after(&deletion(ORDERS, &settled)), Look::All);
}
