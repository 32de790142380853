//! What must be so in everything that a chain has ever said, also in what passed at once.

use std::collections::BTreeMap;

use serde_json::Value;

/// A reason that no operator gives: a scenario writes a status with it outside the operator.
pub const FORGED: &str = "Forged";

/// Where a status contradicts itself, or gives a condition a new time although it is as before.
pub fn contradictions(states: &[Value]) -> Vec<String> {
    let reported = states.iter().filter(|state| !is_forged(state));
    let mut wrong: Vec<String> = reported.flat_map(within).collect();
    for pair in states.windows(2) {
        let (before, now) = (conditions(&pair[0]), conditions(&pair[1]));
        let moved = now.iter().filter(|(kind, now)| {
            before.get(*kind).is_some_and(|before| {
                before["status"] == now["status"]
                    && before["lastTransitionTime"] != now["lastTransitionTime"]
            })
        });
        wrong.extend(moved.map(|(kind, _)| format!("{kind} has a new time and no new status")));
    }
    wrong
}

fn within(state: &Value) -> Vec<String> {
    let status = &state["status"];
    let conditions = conditions(state);
    let is = |kind: &str, wanted: &str| {
        let found = conditions.get(kind);
        found.is_some_and(|found| found["status"] == wanted)
    };
    let old = conditions
        .values()
        .filter(|found| found["observedGeneration"] != status["observedGeneration"]);
    let mut wrong: Vec<String> = old
        .map(|found| format!("of another time: {found}"))
        .collect();
    if is("Ready", "True") && !(is("QueuesReady", "True") && is("WorkersReady", "True")) {
        wrong.push(format!("Ready, and its parts are not: {status}"));
    }
    let is_listed = !status["paused"].is_null();
    if is("Paused", if is_listed { "False" } else { "True" }) {
        wrong.push(format!(
            "Paused, and none is named, or the other way: {status}"
        ));
    }
    if is("Draining", "False") && !status["draining"].is_null() {
        wrong.push(format!("nothing drains, and something is named: {status}"));
    }
    wrong
}

fn is_forged(state: &Value) -> bool {
    conditions(state)
        .values()
        .any(|found| found["reason"] == FORGED)
}

fn conditions(state: &Value) -> BTreeMap<String, &Value> {
    let conditions = state["status"]["conditions"].as_array();
    let kind = |condition: &Value| condition["type"].as_str().unwrap_or_default().to_owned();
    let conditions = conditions.into_iter().flatten();
    conditions.map(|found| (kind(found), found)).collect()
}
