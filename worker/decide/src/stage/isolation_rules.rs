//! Isolation rules: which categories of tasks leave the stage for a later one while they hang or fail.

use std::hash::{DefaultHasher, Hash, Hasher};

use cloudtasks::QueuePath;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use crate::values::{Category, CategoryId, IsolationIndex};

/// The most outcomes of a category that a breaker looks at.
pub const MAX_OUTCOMES: u8 = 64;
/// How much of a category's value is told.
const LABEL_BYTES: usize = 64;

/// One rule. A category is a value of its header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "IsolationRuleJson")]
pub struct IsolationRule {
    /// The header whose values are the categories. Tasks without it are never isolated.
    pub header: HeaderName,
    /// The queue of the stage that isolated tasks go to.
    pub to: QueuePath,
    /// The part of a pod's run slots that a category may hold once three quarters of them are taken, in
    /// percent. None is no cap.
    pub max_share: Option<u8>,
    /// None is no breaker.
    pub failures: Option<FailureThreshold>,
}

/// How many of the last outcomes of a category must have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureThreshold {
    /// How many outcomes count, from 1 to [`MAX_OUTCOMES`].
    pub of: u8,
    /// How many of them have failed, from 1 to `of`.
    pub at_least: u8,
}

/// The isolation rules of a stage, in the order of the manifest. As JSON, a list of `{"header": "X-Tenant",
/// "to": "projects/…/queues/…", "maxShare": 25, "failures": {"of": 16, "atLeast": 12}}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct IsolationRules(Vec<IsolationRule>);

impl IsolationRules {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &IsolationRule> {
        self.0.iter()
    }

    /// Where tasks go that this rule isolates.
    pub fn target(&self, rule: IsolationIndex) -> Option<&QueuePath> {
        self.0.get(usize::from(rule.0)).map(|rule| &rule.to)
    }

    /// The queues that a rule leads to.
    pub fn queues(&self) -> impl Iterator<Item = &QueuePath> {
        self.0.iter().map(|rule| &rule.to)
    }

    /// The categories of a task with these headers: at most one of each rule. `with_labels` keeps the
    /// beginning of their values, for people to read.
    pub fn categories(&self, headers: &HeaderMap, with_labels: bool) -> Vec<Category> {
        let category = |(index, rule): (u8, &IsolationRule)| {
            let value = headers.get(&rule.header)?.as_bytes();
            let mut hasher = DefaultHasher::new();
            value.hash(&mut hasher);
            let kept = &value[..value.len().min(LABEL_BYTES)];
            Some(Category {
                rule: IsolationIndex(index),
                id: CategoryId(hasher.finish()),
                label: with_labels.then(|| String::from_utf8_lossy(kept).into()),
            })
        };
        (0..).zip(&self.0).filter_map(category).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IsolationRuleJson {
    header: String,
    to: String,
    max_share: Option<u8>,
    failures: Option<FailureThresholdJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FailureThresholdJson {
    of: u8,
    at_least: u8,
}

impl TryFrom<IsolationRuleJson> for IsolationRule {
    type Error = String;

    fn try_from(wire: IsolationRuleJson) -> Result<Self, String> {
        let header = wire
            .header
            .parse()
            .map_err(|_| format!("{:?} is not a header name", wire.header))?;
        let to = wire
            .to
            .parse()
            .map_err(|_| format!("{:?} is not a queue's full path", wire.to))?;
        if wire.max_share.is_some_and(|it| !(1..=100).contains(&it)) {
            return Err("maxShare is from 1 to 100 percent".to_owned());
        }
        let failures = wire.failures.map(|it| FailureThreshold {
            of: it.of,
            at_least: it.at_least,
        });
        let fits = |it: &FailureThreshold| {
            (1..=MAX_OUTCOMES).contains(&it.of) && (1..=it.of).contains(&it.at_least)
        };
        if failures.as_ref().is_some_and(|it| !fits(it)) {
            return Err(format!(
                "failures.of is from 1 to {MAX_OUTCOMES}, and atLeast from 1 to it"
            ));
        }
        Ok(Self {
            header,
            to,
            max_share: wire.max_share,
            failures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"[
        {"header": "X-Tenant", "to": "projects/p/locations/l/queues/slow", "maxShare": 25,
         "failures": {"of": 16, "atLeast": 12}},
        {"header": "X-Kind", "to": "projects/p/locations/l/queues/last"}
    ]"#;

    #[test]
    fn a_task_has_a_category_for_each_rule_whose_header_it_has() {
        let rules: IsolationRules = serde_json::from_str(RULES).unwrap();
        let categories = |pairs: &[(&'static str, &str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            rules.categories(&headers.collect(), true)
        };
        assert_eq!(categories(&[("x-other", "a")]), []);
        let both = categories(&[("x-tenant", "acme"), ("x-kind", "mail")]);
        assert_eq!(both.len(), 2);
        assert_eq!(both[0].label.as_deref(), Some("acme"));
        assert_eq!(rules.target(both[1].rule).unwrap().id.as_str(), "last");
        let other = categories(&[("x-tenant", "acme2")]);
        assert_ne!(both[0].id, other[0].id);
        assert_eq!(rules.target(IsolationIndex(2)), None);
    }

    #[test]
    fn an_invalid_rule_says_what_is_wrong() {
        let to = r#""to": "projects/p/locations/l/queues/slow""#;
        for (json, sentence) in [
            (
                format!(r#"{{"header": "a b", {to}}}"#),
                "is not a header name",
            ),
            (
                r#"{"header": "a", "to": "slow"}"#.to_owned(),
                "is not a queue's full path",
            ),
            (
                format!(r#"{{"header": "a", {to}, "maxShare": 0}}"#),
                "from 1 to 100",
            ),
            (
                format!(r#"{{"header": "a", {to}, "failures": {{"of": 65, "atLeast": 1}}}}"#),
                "from 1 to 64",
            ),
            (
                format!(r#"{{"header": "a", {to}, "failures": {{"of": 4, "atLeast": 5}}}}"#),
                "atLeast from 1 to it",
            ),
        ] {
            let error = serde_json::from_str::<IsolationRules>(&format!("[{json}]"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(sentence), "{json}: {error}");
        }
    }
}
