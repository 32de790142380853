//! The share of the run slots that a category may hold.

use crate::pod::{Pod, SHARE, SLOTS, policy};
use decide::{Admission, IsolationCause, RunTicket};

const CROWDED: u32 = SLOTS / 4 * 3;

#[test]
fn a_category_is_capped_only_once_three_quarters_of_the_slots_are_taken() {
    let mut pod = Pod::isolating(SHARE);
    let runs: Vec<RunTicket> = (0..60).map(|taken| pod.begins("hangs", taken)).collect();
    assert_eq!(pod.is_isolated("hangs", CROWDED - 1), None);
    let share = Some(IsolationCause::Share);
    assert_eq!(pod.is_isolated("hangs", CROWDED), share);
    assert_eq!(pod.is_isolated("hangs", SLOTS), share);
    // Others are not, nor tasks without a category.
    assert_eq!(pod.is_isolated("good", SLOTS), None);
    assert_eq!(pod.is_isolated("", SLOTS), None);
    // It comes back as soon as it holds less than its share of all.
    for run in &runs[..35] {
        pod.ends(run, None);
    }
    assert_eq!(pod.is_isolated("hangs", CROWDED), share);
    pod.ends(&runs[35], None);
    assert_eq!(pod.is_isolated("hangs", CROWDED), None);
    // That is no breaker.
    assert_eq!(pod.isolated(), 0);
}

#[test]
fn a_share_is_one_slot_at_least() {
    let rules =
        r#"[{"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow", "maxShare": 25}]"#;
    let mut pod = Pod::with_slots(policy(serde_json::from_str(rules).unwrap(), None), 3);
    let first = pod.begins("a", 3);
    assert!(pod.is_isolated("a", 3).is_some());
    assert_eq!(pod.is_isolated("b", 3), None);
    pod.ends(&first, None);
    assert_eq!(pod.is_isolated("a", 3), None);
}

#[test]
fn without_a_cap_a_category_may_hold_all_slots() {
    let mut pod = Pod::isolating(crate::pod::FAILURES);
    let runs: Vec<RunTicket> = (0..SLOTS).map(|taken| pod.begins("a", taken)).collect();
    assert_eq!(pod.is_isolated("a", SLOTS), None);
    drop(runs);
}

#[test]
fn the_first_rule_that_isolates_applies() {
    let rules = r#"[
        {"header": "X-Other", "to": "projects/p/locations/l/queues/slow", "maxShare": 1},
        {"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow", "maxShare": 25},
        {"header": "X-Tenant", "to": "projects/p/locations/l/queues/last", "maxShare": 5}
    ]"#;
    let mut pod = Pod::of(policy(serde_json::from_str(rules).unwrap(), None));
    let _five = [(); 5].map(|()| pod.begins("a", 0));
    let rule_of = |pod: &mut Pod| match pod.asks("a", SLOTS) {
        Admission::Isolated(rule, IsolationCause::Share) => rule.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule_of(&mut pod), 2);
    let _more = [(); 20].map(|()| pod.begins("a", 0));
    assert_eq!(rule_of(&mut pod), 1);
    // What was not admitted holds nothing.
    assert_eq!(rule_of(&mut pod), 1);
}
