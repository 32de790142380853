//! What workers do by themselves: they isolate categories of tasks, and hold.

use crds::ExecutorChainStatus;
use plan::{Observed, Problem, StageHealth};

use crate::golden::{said, seen};
use crate::world::{ORDERS, desired, queue_path, settled, status};

/// Two stages that hold, of which the first isolates too.
fn yaml() -> String {
    ORDERS
        .replace(
            "maxAttempts: 3\n",
            "maxAttempts: 3\n    holdOnOutage: 90m\n    isolate: [{by: {header: X-Tenant}, failures: {}}]\n",
        )
        .replace("maxAttempts: 2\n", "maxAttempts: 2\n    holdOnOutage: 10m\n")
}

const WELL: StageHealth = StageHealth {
    is_held: false,
    isolated: None,
};
const HELD: StageHealth = StageHealth {
    is_held: true,
    isolated: None,
};

fn with_health(stages: &[(&str, StageHealth)]) -> Observed {
    let mut observed = settled(&yaml());
    let health = stages
        .iter()
        .map(|(queue, health)| (queue_path(queue), *health));
    observed.health = health.collect();
    observed
}

#[test]
fn a_hold_is_reported_with_its_stages_and_what_to_do() {
    let held = |fast, slow| {
        let observed = with_health(&[("incoming", fast), ("incoming-2", slow)]);
        said(&yaml(), &observed, "Held")
    };
    insta::assert_snapshot!(held(HELD, WELL), @"HandlerFails: workers hold, because nearly all runs of their handler fail: stage fast (for 1h30m at most). Tasks wait in the queue, and no attempt is counted. Fix the handler (see its log): the hold ends when three of the last five runs succeed");
    insta::assert_snapshot!(held(HELD, HELD), @"HandlerFails: workers hold, because nearly all runs of their handler fail: stage fast (for 1h30m at most), slow (for 10m at most). Tasks wait in the queue, and no attempt is counted. Fix the handler (see its log): the hold ends when three of the last five runs succeed");
    insta::assert_snapshot!(held(WELL, WELL), @"NotHeld: no worker holds");
    // What is known comes before what isn't.
    let one = with_health(&[("incoming", HELD)]);
    assert!(said(&yaml(), &one, "Held").starts_with("HandlerFails: "));
    let other = with_health(&[("incoming", WELL)]);
    insta::assert_snapshot!(said(&yaml(), &other, "Held"), @"WorkersNotAsked: no ready worker of stage slow answers on port 9481, so it is unknown whether the stage holds. If this lasts, allow the operator to connect to this port");
}

#[test]
fn isolation_is_reported_with_a_rough_number() {
    let isolating = |isolated| {
        let fast = StageHealth { isolated, ..WELL };
        let observed = with_health(&[("incoming", fast)]);
        said(&yaml(), &observed, "Isolating")
    };
    insta::assert_snapshot!(isolating(Some("10-99")), @"CategoriesFail: some categories of tasks fail while others succeed, and go to another stage: stage fast isolates 10-99. The path /isolated on port 9481 of the stage's pods lists these categories");
    insta::assert_snapshot!(isolating(None), @"NotIsolating: no failing category of tasks is isolated");
    // Of a stage that doesn't isolate nothing needs to be known.
    let silent = with_health(&[("incoming-2", WELL)]);
    insta::assert_snapshot!(said(&yaml(), &silent, "Isolating"), @"WorkersNotAsked: no ready worker of stage fast answers on port 9481, so it is unknown what the stage isolates. If this lasts, allow the operator to connect to this port");
}

#[test]
fn a_rule_without_failures_isolates_none_that_fail() {
    let share = yaml().replace("failures: {}", "maxShare: 25%");
    let observed = settled(&share);
    assert_eq!(of(&seen(&share, &observed)), ["Held"]);
}

fn of(status: &ExecutorChainStatus) -> Vec<&str> {
    let kinds = status.conditions.iter().map(|it| it.type_.as_str());
    kinds
        .filter(|it| ["Isolating", "Held"].contains(it))
        .collect()
}

#[test]
fn only_chains_that_use_it_have_its_conditions() {
    let observed = settled(ORDERS);
    let plain = seen(ORDERS, &observed);
    assert_eq!(of(&plain), [""; 0]);
    let observed = settled(&yaml());
    let used = status(&plain, &desired(&yaml()), &observed);
    assert_eq!(of(&used), ["Isolating", "Held"]);
    // It is taken out of the spec.
    let observed = settled(ORDERS);
    let again = status(&used, &desired(ORDERS), &observed);
    assert_eq!(again.conditions, plain.conditions);
}

#[test]
fn while_nothing_can_be_seen_only_conditions_that_there_were_are_unknown() {
    let problem = Problem::invalid("no");
    let unseen = |before: &ExecutorChainStatus| {
        let now = jiff::Timestamp::UNIX_EPOCH;
        plan::status(before, None, None, Some(&problem), now)
    };
    assert_eq!(of(&unseen(&ExecutorChainStatus::default())), [""; 0]);
    let used = seen(&yaml(), &settled(&yaml()));
    let unseen = unseen(&used);
    assert_eq!(of(&unseen), ["Isolating", "Held"]);
    let mut conditions = unseen.conditions.iter();
    let held = conditions.find(|it| it.type_ == "Held").unwrap();
    assert_eq!((&*held.status, &*held.reason), ("Unknown", "InvalidSpec"));
}
