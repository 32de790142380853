//! What a stage tells its workers for bad days: isolation, holds, `Retry-After`, delays.

use std::collections::BTreeSet;

use crds::conditions::Reason;
use plan::objects::worker_env::{hand_over_targets, variable};
use plan::{ChainView, Desired, Observed, preview, restarts};
use serde_json::{Value, json};

use crate::golden::{said, with};
use crate::phases::round;
use crate::world::{
    ORDERS, Transcript, chain, desired, planned, pod, queue_path, roll, settings, settle, settled,
};

const THIRD: &str = "  - {name: third, queue: incoming-3, maxAttempts: 1}\n";

/// The orders with more in their first stage.
fn with_fast(fields: &str) -> String {
    with("maxAttempts: 3", &format!("maxAttempts: 3\n    {fields}"))
}

/// The same, and a third stage.
fn with_third(fields: &str) -> String {
    format!("{}{THIRD}", with_fast(fields))
}

/// The orders whose second stage has a delay.
fn delayed(delay: &str) -> String {
    with(
        "maxAttempts: 2",
        &format!("maxAttempts: 2\n    delay: {delay}"),
    )
}

fn tells(observed: &Observed, stage: &str, name: &str) -> Option<String> {
    variable(&observed.deployments[&format!("orders-{stage}")], name)
}

/// The rules that the workers of the first stage have.
fn isolates(observed: &Observed) -> Value {
    let rules = tells(observed, "fast", "ISOLATE").unwrap();
    serde_json::from_str(&rules).unwrap()
}

fn restart(from: &str, to: &str) -> Vec<String> {
    let observed = settled(from);
    let plans = preview(&desired(to), &observed).unwrap();
    restarts(&desired(from), &observed, &plans)
}

const VARIABLES: [&str; 4] = ["ISOLATE", "HOLD_ON_OUTAGE", "RETRY_AFTER", "DELAYS"];

#[test]
fn workers_are_told_only_what_is_set() {
    let all = settled(&with_third(
        "isolate: [{by: {header: X-Tenant}, to: third, maxShare: 25%, failures: {}}, \
         {by: {header: x-kind}, failures: {of: 4, atLeast: 3}}]\n    \
         holdOnOutage: 30m\n    retryAfter: Ignore",
    ));
    let rules = json!([
        {"header": "X-Tenant", "to": queue_path("incoming-3").to_string(), "maxShare": 25,
         "failures": {"of": 16, "atLeast": 12}},
        {"header": "x-kind", "to": queue_path("incoming-2").to_string(),
         "failures": {"of": 4, "atLeast": 3}},
    ]);
    assert_eq!(isolates(&all), rules);
    assert_eq!(tells(&all, "fast", "HOLD_ON_OUTAGE").unwrap(), "30m");
    assert_eq!(tells(&all, "fast", "RETRY_AFTER").unwrap(), "Ignore");
    assert_eq!(tells(&all, "fast", "DELAYS"), None);
    let without = [
        settled(ORDERS),
        settled(&with_fast("isolate: []\n    retryAfter: Follow")),
    ];
    for (observed, stages) in [
        (&all, &["slow", "third"][..]),
        (&without[0], &["fast", "slow"]),
        (&without[1], &["fast", "slow"]),
    ] {
        for (stage, name) in stages
            .iter()
            .flat_map(|it| VARIABLES.map(|name| (it, name)))
        {
            assert_eq!(tells(observed, stage, name), None, "{stage} {name}");
        }
    }
}

#[test]
fn workers_know_the_delays_of_all_stages_that_they_hand_over_to() {
    let third = "  - {name: third, queue: incoming-3, maxAttempts: 1, delay: 1h}\n";
    let middle = "  - {name: middle, queue: middle, maxAttempts: 1, delay: 5m}\n";
    let isolate = "isolate: [{by: {header: X-Tenant}, to: third, failures: {}}]";
    let chain = delayed("30s").replace("maxAttempts: 3", &format!("maxAttempts: 3\n    {isolate}"));
    let observed = settled(&format!("{chain}{middle}{third}"));
    let delay = |id: &str, delay: &str| format!("{}={delay}", queue_path(id));
    let both = [delay("incoming-2", "30s"), delay("incoming-3", "1h")].join(",");
    assert_eq!(tells(&observed, "fast", "DELAYS"), Some(both));
    assert_eq!(
        tells(&observed, "slow", "DELAYS"),
        Some(delay("middle", "5m"))
    );
    assert_eq!(tells(&observed, "third", "DELAYS"), None);
    // So do their dispatch deadlines.
    let deadlines = tells(&observed, "fast", "DISPATCH_DEADLINES").unwrap();
    assert!(
        deadlines.contains(&delay("incoming-3", "2m30s")),
        "{deadlines}"
    );
}

#[test]
fn a_delay_rolls_the_stages_that_hand_over_to_it_and_the_rest_rolls_its_own() {
    assert_eq!(restart(ORDERS, &delayed("30s")), ["fast"]);
    assert_eq!(restart(&delayed("30s"), &delayed("1m")), ["fast"]);
    assert_eq!(restart(&delayed("30s"), ORDERS), ["fast"]);
    for (fields, stages) in [
        (
            "isolate: [{by: {header: X-Tenant}, failures: {}}]",
            &["fast"][..],
        ),
        ("holdOnOutage: 30m", &["fast"]),
        ("retryAfter: Ignore", &["fast"]),
        ("retryAfter: Follow", &[]),
    ] {
        assert_eq!(restart(ORDERS, &with_fast(fields)), stages, "{fields}");
    }
}

#[test]
fn tasks_are_isolated_to_a_new_stage_once_its_workers_are_ready() {
    let isolate = "isolate: [{by: {header: X-Tenant}, to: third, failures: {}}]";
    let to = with_third(isolate);
    let mut observed = settled(ORDERS);
    let mut transcript = Transcript::default();
    transcript.add("at once", &round(&mut observed, &to, 0, 0));
    assert_eq!(tells(&observed, "fast", "ISOLATE"), None);
    roll(&mut observed);
    transcript.add("its workers are ready", &round(&mut observed, &to, 20, 0));
    let targets = BTreeSet::from(["incoming-2", "incoming-3"].map(queue_path));
    assert_eq!(
        hand_over_targets(&observed.deployments["orders-fast"]),
        targets
    );
    // And back: the stage drains only when nobody isolates to it any more.
    roll(&mut observed);
    settle(&mut observed, &desired(&to));
    transcript.add("removed", &round(&mut observed, ORDERS, 60, 0));
    transcript.add("Draining", &said(ORDERS, &observed, "Draining"));
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn an_edit_that_waits_for_a_new_stage_keeps_the_rules_and_the_order_of_variables() {
    let isolate = "isolate: [{by: {header: X-Tenant}, to: slow, maxShare: 50%}]";
    let from = with_fast(isolate).replace("maxAttempts: 2", "maxAttempts: 2\n    delay: 30s");
    let mut observed = settled(&from);
    let rules = isolates(&observed);
    let names = |observed: &Observed| -> Vec<String> {
        let spec = observed.deployments["orders-fast"].spec.clone().unwrap();
        let worker = &spec.template.spec.unwrap().containers[0];
        let env = worker.env.iter().flatten();
        env.map(|variable| variable.name.clone()).collect()
    };
    let before = names(&observed);
    let to = from
        .replace("to: slow", "to: third")
        .replace("maxAttempts: 3", "maxAttempts: 9");
    let to = format!("{to}{THIRD}");
    round(&mut observed, &to, 0, 0);
    assert_eq!(tells(&observed, "fast", "MAX_ATTEMPTS").unwrap(), "9");
    assert_eq!(isolates(&observed), rules);
    assert_eq!(names(&observed), before);
    // Nothing rolls again meanwhile.
    assert!(round(&mut observed, &to, 0, 0).is_empty());
    settle(&mut observed, &desired(&to));
    assert_eq!(
        isolates(&observed)[0]["to"],
        queue_path("incoming-3").to_string()
    );
    assert_eq!(names(&observed), before);
}

#[test]
fn isolation_counts_for_a_circle() {
    let isolate =
        |to: &str| format!("isolate: [{{by: {{header: X-Tenant}}, to: {to}, failures: {{}}}}]");
    let mut observed = settled(&with_third(&isolate("third")));
    let former = pod(&observed.deployments["orders-fast"]);
    // third comes first now, and hands over to fast's queue.
    let (head, _) = ORDERS.split_once("  - name: fast").unwrap();
    let to = format!(
        "{head}{THIRD}  - {{name: fast, queue: incoming, maxAttempts: 3}}
  - {{name: slow, queue: incoming-2, maxAttempts: 2}}\n"
    );
    round(&mut observed, &to, 0, 0);
    roll(&mut observed);
    // All is rolled out but one pod: it hands over to slow, from where no way leads on, and isolates to third.
    observed.pods.extend(former);
    let plan = round(&mut observed, &to, 0, 0).to_string();
    let wait =
        "stage third hands tasks over as the spec says once no former worker can hand tasks back";
    assert!(plan.contains(wait), "{plan}");
    let third = &observed.deployments["orders-third"];
    assert_eq!(hand_over_targets(third).len(), 0);
    roll(&mut observed);
    settle(&mut observed, &desired(&to));
    let third = &observed.deployments["orders-third"];
    assert_eq!(
        hand_over_targets(third),
        BTreeSet::from([queue_path("incoming")])
    );
}

#[test]
fn a_rule_that_passed_the_schema_and_cannot_work_is_refused() {
    for (fields, sentence) in [
        (
            "isolate: [{by: {header: a}, to: other, failures: {}}]",
            "which is not a stage of this chain",
        ),
        (
            "isolate: [{by: {header: a}, maxShare: '0%'}]",
            "stage fast: isolate[].maxShare \"0%\" is not",
        ),
        (
            "isolate: [{by: {header: a}, failures: {of: 4}}]",
            "stage fast: isolate[].failures.atLeast is 12 of 4",
        ),
    ] {
        let problem = Desired::new(&chain(&with_fast(fields)), &settings()).unwrap_err();
        assert_eq!(problem.reason, Reason::InvalidSpec);
        assert!(problem.message.contains(sentence), "{problem}");
    }
    let last = with(
        "maxAttempts: 2",
        "maxAttempts: 2\n    isolate: [{by: {header: a}, failures: {}}]",
    );
    let problem = Desired::new(&chain(&last), &settings()).unwrap_err();
    assert!(problem.message.contains("no stage comes next"), "{problem}");
}

#[test]
fn a_target_that_is_slower_than_what_may_be_isolated_is_reported() {
    let enough = |it: &str| it.replace("maxAttempts: 2", "maxAttempts: 2\n    concurrency: 1000");
    let undersized = |fields: &str| {
        let yaml = enough(&with_fast(fields));
        said(&yaml, &settled(&yaml), "Undersized")
    };
    insta::assert_snapshot!(undersized("isolate: [{by: {header: X-Tenant}, maxShare: 25%}]"), @"IsolationTargetTooSlow: isolated tasks may wait long: stage fast may isolate 125 tasks/s, and incoming-2 dispatches 10/s. Raise maxDispatchesPerSecond of the target, lower maxShare, or isolate to another stage");
    insta::assert_snapshot!(undersized("isolate: [{by: {header: X-Tenant}, failures: {}}]"), @"IsolationTargetTooSlow: isolated tasks may wait long: stage fast may isolate 250 tasks/s, and incoming-2 dispatches 10/s. Raise maxDispatchesPerSecond of the target, lower maxShare, or isolate to another stage");
    // 500/s × 2 % is what the target has.
    let share = undersized("isolate: [{by: {header: X-Tenant}, maxShare: 2%}]");
    assert!(share.starts_with("EnoughPlaces"), "{share}");
    // Beside too few places, which cost tasks a backoff now.
    let both = with_fast("isolate: [{by: {header: X-Tenant}, maxShare: 3%}]");
    let both = said(&both, &settled(&both), "Undersized");
    assert!(both.starts_with("TooFewPlaces"), "{both}");
    assert!(
        both.contains("may isolate 15 tasks/s, and incoming-2 dispatches 10/s"),
        "{both}"
    );
}

#[test]
fn a_delay_is_part_of_the_time_until_a_task_fails() {
    let fails_after = |yaml: &str| {
        let observed = settled(yaml);
        let desired = desired(yaml);
        plan::ladder_time(ChainView::new(&desired, &observed)).unwrap()
    };
    let (before, after) = (fails_after(ORDERS), fails_after(&delayed("1h")));
    let hour = std::time::Duration::from_hours(1);
    assert_eq!(after.least, before.least + hour);
    assert_eq!(after.most, before.most + hour);
}

#[test]
fn a_settled_chain_with_all_fields_plans_nothing() {
    let isolate = "isolate: [{by: {header: X-Tenant}, maxShare: 25%, failures: {}}]";
    let all = with_fast(&format!(
        "{isolate}\n    holdOnOutage: 1h\n    retryAfter: Ignore"
    ));
    let all = all.replace("maxAttempts: 2", "maxAttempts: 2\n    delay: 30s");
    let plan = planned(&all, &settled(&all)).unwrap();
    assert!(plan.is_empty(), "{plan}");
}
