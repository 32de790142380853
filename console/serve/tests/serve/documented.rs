//! docs/console.md.

use console::{ChainList, Unknown};
use serde_json::Value;

const DOCS: &str = include_str!("../../../../docs/console.md");

/// The example, which has no field that doesn't exist, and lacks none that is always there.
#[test]
fn the_example_is_an_answer_of_the_api() {
    let (_, rest) = DOCS.split_once("```json\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let list: ChainList = serde_json::from_str(example).unwrap();
    let written: Value = serde_json::from_str(example).unwrap();
    assert_eq!(serde_json::to_value(&list).unwrap(), written);
}

#[test]
fn each_reason_why_a_number_is_unknown_is_listed() {
    for unknown in [
        Unknown::Absent,
        Unknown::Forbidden,
        Unknown::Quota,
        Unknown::Refused,
        Unknown::Stale,
        Unknown::Unimplemented,
        Unknown::Pending,
        Unknown::NoPods,
        Unknown::NoOperator,
    ] {
        let reason = format!("`{}`", unknown.as_str());
        assert!(DOCS.contains(&reason), "{reason}");
    }
}
