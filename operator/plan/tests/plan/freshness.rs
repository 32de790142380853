//! How closely the operator has to look.

use crate::golden::{deletion, with};
use crate::world::{ORDERS, default_queue, desired, pass, planned, queue_mut, queue_path, settled};
use plan::{ChainView, Freshness, KnownChain, Observed, Step, plan};
use std::collections::BTreeMap;
use std::time::Duration;

/// What to look at before an edited chain is served.
fn before(chain: &str, observed: &Observed) -> Freshness {
    let desired = desired(chain);
    let plan = plan(ChainView::new(&desired, observed)).unwrap();
    Freshness::before(&plan, ChainView::new(&desired, observed), true)
}

#[test]
fn a_new_chain_needs_no_fresh_read() {
    let workers = Observed {
        deployments: settled(ORDERS).deployments,
        ..Observed::default()
    };
    let mut queue = Observed::default();
    queue.queues.insert(default_queue(queue_path("incoming")));
    for (there, observed, look) in [
        ("nothing", Observed::default(), Freshness::Cached),
        ("its workers", workers, Freshness::All),
        ("one of its queues", queue, Freshness::All),
    ] {
        assert_eq!(before(ORDERS, &observed), look, "{there}");
    }
}

#[test]
fn a_new_chain_takes_a_host_only_after_a_fresh_list_of_queues() {
    let push = "  push: {url: 'https://{stage}.push.example.com'}\n  stages:";
    let by_url = with("  stages:", push);
    assert_eq!(before(&by_url, &Observed::default()), Freshness::Queues);
}

#[test]
fn a_limit_needs_no_fresh_read_and_an_edit_of_workers_needs_all() {
    let attempts = "maxAttempts: 3";
    let paused = with(attempts, "maxAttempts: 3\n    paused: true");
    let last = ORDERS.find("  - name: slow").unwrap();
    let renamed = with("name: slow", "name: slower");
    let notifier = "task-events'";
    let limited = |rate: &str| {
        let limits = format!("{notifier}, rateLimits: {{maxDispatchesPerSecond: {rate}}}");
        with(notifier, &limits)
    };
    for (from, to, look) in [
        (ORDERS, &*with("500", "400"), Freshness::Cached),
        (ORDERS, &*with("max: 10s", "max: 20s"), Freshness::Cached),
        (&*limited("100"), &*limited("0.1"), Freshness::Cached),
        (ORDERS, &*limited("0.1"), Freshness::Cached),
        (ORDERS, &*paused, Freshness::Queues),
        (&*paused, ORDERS, Freshness::All),
        (ORDERS, &*with(attempts, "maxAttempts: 1"), Freshness::All),
        (ORDERS, &*with("replicas: 2", "replicas: 3"), Freshness::All),
        (ORDERS, &ORDERS[..last], Freshness::All),
        (ORDERS, &*renamed, Freshness::All),
    ] {
        assert_eq!(before(to, &settled(from)), look, "{from}{to}");
    }
}

#[test]
fn a_mark_on_a_notifiers_queue_is_taken_only_after_a_fresh_list() {
    let limits = "task-events', rateLimits: {maxDispatchesPerSecond: 0.1}";
    let throttled = with("task-events'", limits);
    for (header, value, look) in [
        ("x-team", "shop", Freshness::Cached),
        // Another chain may just take it.
        ("executor-notifier", "shared", Freshness::Queues),
        (
            "executor-notifier",
            "cluster-a/shop/parcels",
            Freshness::Queues,
        ),
    ] {
        let mut observed = settled(ORDERS);
        observed.chains = BTreeMap::from([("cluster-a/shop/parcels".into(), KnownChain::Gone)]);
        let found = queue_mut(&mut observed, "orders-notifier");
        let target = found.http_target.as_mut().unwrap();
        target.headers.insert(header.into(), value.into());
        assert_eq!(before(&throttled, &observed), look, "{header} {value}");
    }
    // Nobody edits.
    let desired = desired(&throttled);
    let observed = settled(ORDERS);
    let view = ChainView::new(&desired, &observed);
    let look = Freshness::before(&plan(view).unwrap(), view, false);
    assert_eq!(look, Freshness::Queues);
}

#[test]
fn a_gate_needs_the_workers_to_be_re_read() {
    let mut observed = settled(ORDERS);
    for deployment in observed.deployments.values_mut() {
        deployment.status = None;
    }
    let desired = desired(ORDERS);
    pass(&mut observed, &desired, Duration::ZERO);
    pass(&mut observed, &desired, Duration::from_mins(10));
    let plan = plan(ChainView::new(&desired, &observed)).unwrap();
    let mut steps = plan.steps.iter().map(|planned| &planned.step);
    let pauses = steps.any(|step| matches!(step, Step::PauseQueue { .. }));
    assert!(pauses, "{plan}");
    let look = Freshness::before(&plan, ChainView::new(&desired, &observed), false);
    assert_eq!(look, Freshness::All, "{plan}");
}

#[test]
fn drift_is_re_read_before_it_is_corrected() {
    let mut observed = settled(ORDERS);
    queue_mut(&mut observed, "incoming").max_dispatches_per_second = 1.0;
    let desired = desired(ORDERS);
    let plan = plan(ChainView::new(&desired, &observed)).unwrap();
    let look = Freshness::before(&plan, ChainView::new(&desired, &observed), false);
    assert_eq!(look, Freshness::Queues);
}

#[test]
fn what_answers_do_not_contain_is_re_read_afterwards() {
    let settled = settled(ORDERS);
    let after = |to: &str| Freshness::after(&planned(to, &settled).unwrap());
    assert_eq!(after(&with("500", "400")), Freshness::Cached);
    let replicas = with("replicas: 2", "replicas: 3");
    assert_eq!(after(&replicas), Freshness::Cached);
    let paused = with("maxAttempts: 3", "maxAttempts: 3\n    paused: true");
    assert_eq!(after(&paused), Freshness::Queues);
    // It pauses the queues, and deletes the workers.
    let deletion = deletion(ORDERS, &settled);
    assert_eq!(Freshness::after(&deletion), Freshness::All);
}
