//! The cases of rules.yaml and schema.yaml.

use std::collections::BTreeMap;

use crds::RULES;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::patch::{Patch, patched};

const BASE: &str = include_str!("base.yaml");

/// A manifest, and whether it is admitted.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub old: Option<Value>,
    pub manifest: Value,
    /// The messages of the rejection; none if it is admitted.
    pub rejected: Option<Messages>,
}

#[derive(Debug)]
pub struct Messages {
    pub server: Vec<String>,
    pub dev: Vec<String>,
}

/// A rule, with manifests that pass and that fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRow {
    says: String,
    old: Option<Patch>,
    passes: Vec<Patch>,
    fails: Vec<Patch>,
}

/// A limit of the schema, with a manifest that passes and one that fails.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitRow {
    at: String,
    limit: String,
    passes: Patch,
    fails: Patch,
    server: Option<String>,
    dev: Option<String>,
}

pub fn base() -> Value {
    serde_saphyr::from_str(BASE).expect("base.yaml")
}

pub fn rules() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in rule_rows() {
        let message = message(&row.says).to_owned();
        let sides = [(row.passes, false), (row.fails, true)];
        for (patches, fails) in sides {
            for patch in patches {
                cases.push(Case {
                    name: format!("{}: {}", row.says, json!(patch)),
                    old: row.old.as_ref().map(|patch| patched(base(), patch)),
                    manifest: patched(base(), &patch),
                    rejected: fails.then(|| Messages {
                        server: vec![message.clone()],
                        dev: vec![message.clone()],
                    }),
                });
            }
        }
    }
    cases
}

pub fn limits() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in limit_rows() {
        for (patch, fails) in [(&row.passes, false), (&row.fails, true)] {
            cases.push(Case {
                name: format!("{} {}: {}", row.at, row.limit, json!(patch)),
                old: None,
                manifest: patched(base(), patch),
                rejected: fails.then(|| row.messages()),
            });
        }
    }
    cases
}

pub fn rows_by_message() -> BTreeMap<&'static str, usize> {
    let mut rows = BTreeMap::new();
    for row in rule_rows() {
        assert!(
            !row.passes.is_empty() && !row.fails.is_empty(),
            "{}",
            row.says
        );
        *rows.entry(message(&row.says)).or_default() += 1;
    }
    rows
}

pub fn limits_with_rows() -> Vec<(String, String)> {
    let rows = limit_rows();
    rows.into_iter().map(|row| (row.at, row.limit)).collect()
}

impl LimitRow {
    /// The field and the limit, in the words of each.
    fn messages(&self) -> Messages {
        let (server, dev) = match self.limit.as_str() {
            "minimum" => ("should be greater than or equal to ", "must be at least "),
            "exclusiveMinimum" => ("should be greater than ", "must be above "),
            "maximum" => ("should be less than or equal to ", "must be at most "),
            "minItems" => ("should have at least ", "must have at least "),
            "maxItems" | "maxProperties" => ("must have at most ", "must have at most "),
            "minLength" => ("should be at least ", "must have at least "),
            "maxLength" => ("may not be more than ", "must have at most "),
            "pattern" => ("should match ", "must match "),
            _ => ("", ""),
        };
        let keyword = match self.limit.as_str() {
            "exclusiveMinimum" => "minimum",
            other => other,
        };
        let quoted = |limit: &Value| match limit {
            Value::String(pattern) => (format!("'{pattern}'"), pattern.clone()),
            Value::Number(number) => {
                let number = number.to_string();
                let number = number.trim_end_matches(".0").to_owned();
                (number.clone(), number)
            }
            _ => (String::new(), String::new()),
        };
        let path = self.at.replace("[]", "[0]");
        let words = |own: &Option<String>, keyword: &str, limit: String| match own {
            Some(own) => vec![own.clone()],
            None => vec![format!("{keyword}{limit}"), path.clone()],
        };
        let limit = crate::limits::of(&self.at)
            .get(keyword)
            .map_or_else(Default::default, quoted);
        Messages {
            server: words(&self.server, server, limit.0),
            dev: words(&self.dev, dev, limit.1),
        }
    }
}

/// The only message of [`RULES`] with this beginning.
fn message(beginning: &str) -> &'static str {
    let messages: Vec<_> = RULES
        .iter()
        .map(|rule| rule.message)
        .filter(|message| message.starts_with(beginning))
        .collect();
    assert_eq!(messages.len(), 1, "rules that begin {beginning:?}");
    messages[0]
}

fn rule_rows() -> Vec<RuleRow> {
    serde_saphyr::from_str(include_str!("rules.yaml")).expect("rules.yaml")
}

fn limit_rows() -> Vec<LimitRow> {
    serde_saphyr::from_str(include_str!("schema.yaml")).expect("schema.yaml")
}
