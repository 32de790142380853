//! A fault in a rule of the planner is found by the invariants: they are given the plan that the faulty
//! rule would make, and what was really observed.

use std::time::Duration;

use crate::gateway::{by_gateway, settled};
use crate::phases::{round, set_ready};
use crate::world::{ORDERS, desired, gateway_says, queue_path, settled as settled_inside};
use crds::DeletionPolicy;
use plan::invariants::{broken, broken_deletion};
use plan::model::GatewayResourceKind;
use plan::{ChainView, Deletion, LocationQueues, Observed, plan, plan_deletion};

/// What the plan breaks that is made for `believed`, where `observed` is true.
fn caught(yaml: &str, observed: &Observed, believed: &Observed) -> Vec<String> {
    let desired = desired(yaml);
    let honest = plan(ChainView::new(&desired, observed)).unwrap();
    assert_eq!(
        broken(ChainView::new(&desired, observed), &honest),
        Vec::<String>::new()
    );
    let faulty = plan(ChainView::new(&desired, believed)).unwrap();
    assert_ne!(faulty.steps, honest.steps, "the fault changes nothing");
    broken(ChainView::new(&desired, observed), &faulty)
}

#[track_caller]
pub fn assert_has(caught: &[String], words: &str) {
    assert!(caught.iter().any(|it| it.contains(words)), "{caught:?}");
}

/// With the routes refused by their Gateway.
fn refused(observed: &Observed) -> Observed {
    let mut refused = observed.clone();
    gateway_says(&mut refused, "Accepted", "False", "NotAllowedByListeners");
    refused
}

#[test]
fn a_rule_that_mistakes_a_refused_route_for_an_accepted_one_is_caught() {
    let yaml = by_gateway();
    // A queue that moves there.
    let mut accepted = settled(ORDERS);
    round(&mut accepted, &yaml, 1, 0);
    gateway_says(&mut accepted, "Accepted", "True", "Accepted");
    let caught_move = caught(&yaml, &refused(&accepted), &accepted);
    assert_has(&caught_move[..1], "its Gateway hasn't accepted its route");
    // A paused queue that is resumed.
    let mut paused = refused(&settled(&yaml));
    for seconds in [1, 30, 1] {
        round(&mut paused, &yaml, seconds, 0);
    }
    let mut accepted = paused.clone();
    gateway_says(&mut accepted, "Accepted", "True", "Accepted");
    let caught_resume = caught(&yaml, &paused, &accepted);
    assert_has(&caught_resume[..1], "pushes would reach no pod");
}

#[test]
fn a_rule_that_mistakes_an_accepted_route_for_a_refused_one_is_caught() {
    let yaml = by_gateway();
    let accepted = settled(&yaml);
    let mut believed = refused(&accepted);
    let desired = desired(&yaml);
    for time in [Duration::ZERO, Duration::from_secs(30)] {
        crate::world::pass(&mut believed, &desired, time);
    }
    let caught = caught(&yaml, &accepted, &believed);
    assert_has(&caught[..1], "workers run its tasks");
}

#[test]
fn a_rule_that_finds_no_workers_behind_an_address_is_caught() {
    // Queues that still push by their Gateway's old host, to the same workers.
    let yaml = by_gateway().replace("push.example.com", "tasks.example.com");
    let served = settled(&by_gateway());
    let mut believed = served.clone();
    let desired = desired(&yaml);
    set_ready(&mut believed, "orders-fast", 0);
    for time in [Duration::ZERO, Duration::from_secs(30)] {
        crate::world::pass(&mut believed, &desired, time);
    }
    let caught = caught(&yaml, &served, &believed);
    assert_has(&caught, "workers run its tasks");
    let routes = served.gateway_objects(GatewayResourceKind::HttpRoute);
    assert_eq!(routes.count(), 2);
}

#[test]
fn a_rule_that_mistakes_a_pod_for_ready_is_caught() {
    let mut gated = settled_inside(ORDERS);
    set_ready(&mut gated, "orders-fast", 0);
    for seconds in [0, 30, 1] {
        round(&mut gated, ORDERS, seconds, 0);
    }
    let queue = gated.queues.get(&queue_path("incoming")).unwrap();
    assert_eq!(queue.state, cloudtasks::QueueState::Paused);
    let mut believed = gated.clone();
    set_ready(&mut believed, "orders-fast", 1);
    let caught = caught(ORDERS, &gated, &believed);
    assert_has(&caught[..1], "pushes would reach no pod");
}

#[test]
fn a_deletion_that_takes_an_unlisted_queue_for_absent_is_caught() {
    let desired = desired(ORDERS);
    let observed = settled_inside(ORDERS);
    let mut listed = observed.clone();
    listed.queues.remove(&queue_path("incoming-2"));
    let mut believed = listed.clone();
    believed.absent_queues.insert(queue_path("incoming-2"));
    let deletion = Deletion::ByPolicy(DeletionPolicy::Retain);
    let (name, owner) = (&*desired.queue_owner, desired.owner.as_ref());
    let plan = plan_deletion(deletion, name, owner, &believed);
    assert_has(
        &broken_deletion(deletion, name, &listed, &plan),
        "a queue isn't paused",
    );
    // After its patience the operator leaves the queues as they are.
    let deletion = Deletion::WithoutQueues;
    let plan = plan_deletion(
        deletion,
        name,
        owner,
        &Observed {
            queues: LocationQueues::default(),
            ..observed
        },
    );
    assert!(
        plan.to_string().contains("delete deployment orders-slow"),
        "{plan}"
    );
}
