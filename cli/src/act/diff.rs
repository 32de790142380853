//! What differs between two specs of a chain, field by field.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// How long a value is in a line at most.
const LONGEST: usize = 60;
/// How many changes of a pod template are named.
const NAMED: usize = 4;

/// A line for each field that differs: `stages[slow].rateLimits.maxDispatchesPerSecond 20 → 15`. Of pod templates
/// and headers no values but images: they may be secrets.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<String> {
    let changes = differences(before, after, &is_opaque);
    changes.iter().map(Change::line).collect()
}

/// A field that differs.
struct Change<'a> {
    path: String,
    key: &'a str,
    /// `None` if it isn't set.
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    kind: Kind,
}

enum Kind {
    Value,
    /// An item of a list of items with names.
    Item,
    /// The items are the same, in another order.
    Order,
}

/// Whether a field is shown as a whole, without what it has.
fn is_opaque(key: &str) -> bool {
    is_template(key) || key == "headers"
}

fn is_template(key: &str) -> bool {
    ["template", "workerTemplate"].contains(&key)
}

fn differences<'a>(
    before: &'a Value,
    after: &'a Value,
    is_leaf: &dyn Fn(&str) -> bool,
) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    walk("", "", (Some(before), Some(after)), is_leaf, &mut found);
    found
}

fn walk<'a>(
    path: &str,
    key: &'a str,
    (before, after): (Option<&'a Value>, Option<&'a Value>),
    is_leaf: &dyn Fn(&str) -> bool,
    found: &mut Vec<Change<'a>>,
) {
    if before == after {
        return;
    }
    let mut add = |kind| {
        found.push(Change {
            path: path.to_owned(),
            key,
            before,
            after,
            kind,
        });
    };
    if is_leaf(key) {
        add(Kind::Value);
        return;
    }
    match (before, after) {
        (Some(Value::Object(_)), Some(Value::Object(_)) | None)
        | (None, Some(Value::Object(_))) => {
            let (before, after) = (object(before), object(after));
            for key in keys(before, after) {
                let path = if path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{path}.{key}")
                };
                let fields = (field(before, key), field(after, key));
                walk(&path, key, fields, is_leaf, found);
            }
        }
        (Some(old), Some(new)) => match (named(old), named(new)) {
            (Some(old), Some(new)) => {
                let names = |items: &[(&'a str, &'a Value)], others: &[(&'a str, &'a Value)]| {
                    let both = items.iter().map(|(name, _)| *name);
                    let both = both.filter(|it| others.iter().any(|(name, _)| name == it));
                    both.collect::<Vec<&str>>()
                };
                if names(&old, &new) != names(&new, &old) {
                    add(Kind::Order);
                }
                let item = |items: &[(&'a str, &'a Value)], wanted: &str| {
                    let mut items = items.iter();
                    items.find(|(name, _)| *name == wanted).map(|it| it.1)
                };
                let added = new.iter().filter(|(name, _)| item(&old, name).is_none());
                for (name, _) in old.iter().chain(added) {
                    let path = format!("{path}[{name}]");
                    match (item(&old, name), item(&new, name)) {
                        (Some(old), Some(new)) => {
                            walk(&path, key, (Some(old), Some(new)), is_leaf, found);
                        }
                        (before, after) => found.push(Change {
                            path,
                            key,
                            before,
                            after,
                            kind: Kind::Item,
                        }),
                    }
                }
            }
            (Some(_) | None, Some(_) | None) => add(Kind::Value),
        },
        (Some(_) | None, Some(_) | None) => add(Kind::Value),
    }
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn field<'a>(object: Option<&'a Map<String, Value>>, key: &str) -> Option<&'a Value> {
    object.and_then(|it| it.get(key))
}

fn keys<'a>(
    before: Option<&'a Map<String, Value>>,
    after: Option<&'a Map<String, Value>>,
) -> BTreeSet<&'a str> {
    let both = [before, after].into_iter().flatten();
    both.flat_map(|it| it.keys().map(String::as_str)).collect()
}

/// The items of a list by name, if all have one of their own.
fn named(list: &Value) -> Option<Vec<(&str, &Value)>> {
    let items = list.as_array()?.iter();
    let items = items.map(|it| Some((it.get("name")?.as_str()?, it)));
    let items: Vec<(&str, &Value)> = items.collect::<Option<_>>()?;
    let names: BTreeSet<&str> = items.iter().map(|(name, _)| *name).collect();
    (names.len() == items.len()).then_some(items)
}

impl Change<'_> {
    fn line(&self) -> String {
        let path = &self.path;
        match self.kind {
            Kind::Order => {
                let names = |list: Option<&Value>| {
                    let items = list.and_then(named).unwrap_or_default();
                    let names: Vec<&str> = items.iter().map(|(name, _)| *name).collect();
                    names.join(", ")
                };
                format!(
                    "{path} order {} → {}",
                    names(self.before),
                    names(self.after)
                )
            }
            Kind::Value if is_opaque(self.key) => self.opaque_line(),
            Kind::Item if self.before.is_none() => format!("{path} added"),
            Kind::Item => format!("{path} removed"),
            Kind::Value => format!("{path} {} → {}", text(self.before), text(self.after)),
        }
    }

    fn opaque_line(&self) -> String {
        let path = &self.path;
        let (Some(before), Some(after)) = (self.before, self.after) else {
            let what = if self.before.is_none() {
                "added"
            } else {
                "removed"
            };
            return format!("{path} {what}");
        };
        let inner = differences(before, after, &|_| false);
        let mut parts: Vec<String> = Vec::new();
        for change in &inner {
            let part = change.inner_part();
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        let more = parts.len().saturating_sub(NAMED);
        parts.truncate(NAMED);
        if more > 0 {
            parts.push(format!("{more} more"));
        }
        format!("{path} changed: {}", parts.join(", "))
    }

    /// In a few words, and without its value if that may be a secret.
    fn inner_part(&self) -> String {
        let path = self.path.as_str();
        let list = path.split_once('[');
        let list = list.filter(|(list, _)| list.to_lowercase().ends_with("containers"));
        let container = list.and_then(|(_, rest)| rest.split_once(']'));
        let Some((container, rest)) = container else {
            return path.to_owned();
        };
        let rest = rest.trim_start_matches('.');
        if rest == "image" {
            let (before, after) = (text(self.before), text(self.after));
            return format!("image of {container} {before} → {after}");
        }
        let field = rest.split(['.', '[']).next().unwrap_or_default();
        if field.is_empty() {
            let what = match (self.before, self.after) {
                (None, Some(_)) => "added",
                (Some(_), None) => "removed",
                (Some(_), Some(_)) | (None, None) => "changed",
            };
            return format!("container {container} {what}");
        }
        format!("{field} of {container}")
    }
}

fn text(value: Option<&Value>) -> String {
    let text = match value {
        None => return "(not set)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    let begin: String = text.chars().take(LONGEST).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stage(name: &str, more: &Value) -> Value {
        let mut stage = json!({"name": name, "queue": name});
        let fields = more.as_object().unwrap().clone();
        stage.as_object_mut().unwrap().extend(fields);
        stage
    }

    fn container(more: &Value) -> Value {
        let container = stage("handler", more);
        json!({"template": {"spec": {"containers": [container]}}})
    }

    #[test]
    fn each_field_that_differs_has_a_line() {
        let none = json!({});
        let rate = |rate: f64| json!({"rateLimits": {"maxDispatchesPerSecond": rate}});
        let (fast, slow) = (stage("fast", &none), stage("slow", &none));
        let env = |value: &str| json!({"env": [{"name": "TOKEN", "value": value}]});
        for (row, before, after, lines) in [
            ("nothing", json!({"a": 1}), json!({"a": 1}), &[][..]),
            (
                "a field of a stage",
                json!({"stages": [fast, stage("slow", &rate(20.0))]}),
                json!({"stages": [fast, stage("slow", &rate(15.5))]}),
                &["stages[slow].rateLimits.maxDispatchesPerSecond 20.0 → 15.5"],
            ),
            (
                "a field that wasn't set, with what it is in",
                json!({"stages": [fast]}),
                json!({"stages": [stage("fast", &rate(5.0))]}),
                &["stages[fast].rateLimits.maxDispatchesPerSecond (not set) → 5.0"],
            ),
            (
                "a field that is set no more",
                json!({"location": "europe-west1", "b": true}),
                json!({"b": false}),
                &["b true → false", "location europe-west1 → (not set)"],
            ),
            (
                "a stage more, a stage less, and the others in another order",
                json!({"stages": [fast, slow, stage("last", &none)]}),
                json!({"stages": [slow, fast, stage("new", &none)]}),
                &[
                    "stages order fast, slow, last → slow, fast, new",
                    "stages[last] removed",
                    "stages[new] added",
                ],
            ),
            (
                "a list without names",
                json!({"oidc": {"audiences": ["a", "b"]}}),
                json!({"oidc": {"audiences": ["a"]}}),
                &[r#"oidc.audiences ["a","b"] → ["a"]"#],
            ),
            (
                "an image",
                container(&json!({"image": "shop:1"})),
                container(&json!({"image": "shop:2"})),
                &["template changed: image of handler shop:1 → shop:2"],
            ),
            (
                "a variable, which may be a secret",
                container(&env("abc")),
                container(&env("xyz")),
                &["template changed: env of handler"],
            ),
            (
                "headers, which may be secrets",
                json!({"handler": {"headers": {"authorization": "abc"}}}),
                json!({"handler": {"headers": {"authorization": "xyz"}}}),
                &["handler.headers changed: authorization"],
            ),
            (
                "a template of a stage that wasn't set",
                json!({"stages": [fast]}),
                json!({"stages": [stage("fast", &container(&none))]}),
                &["stages[fast].template added"],
            ),
            (
                "a template with much that is new",
                json!({"template": {"spec": {}}}),
                json!({"template": {"metadata": {"labels": {"a": "1"}}, "spec": {"b": 1, "c": 1, "d": 1, "e": 1}}}),
                &["template changed: metadata.labels.a, spec.b, spec.c, spec.d, 1 more"],
            ),
            (
                "a container more",
                json!({"template": {"spec": {"containers": [fast]}}}),
                json!({"template": {"spec": {"containers": [fast, slow]}}}),
                &["template changed: container slow added"],
            ),
        ] {
            assert_eq!(changes(&before, &after), lines, "{row}");
        }
    }

    #[test]
    fn a_long_value_is_cut() {
        let before = json!({"a": "x".repeat(200)});
        let lines = changes(&before, &json!({"a": 1}));
        assert_eq!(lines, [format!("a {}… → 1", "x".repeat(60))]);
    }
}
