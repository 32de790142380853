//! A value against a schema of Kubernetes' structural kind.
//!
//! The keywords that the CRD uses are few, and a test holds that there are no others. A library for
//! JSON Schema would bring twenty crates, and sentences that don't say how to mend a manifest.

use std::fmt::Write;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Reason, unique};

/// Every reason why the value doesn't fit, in the order of the value.
pub(super) fn check(schema: &Value, value: &Value) -> Vec<Reason> {
    let mut reasons = Vec::new();
    walk("", schema, value, &mut reasons);
    reasons
}

fn walk(path: &str, schema: &Value, value: &Value, out: &mut Vec<Reason>) {
    if let Some(expected) = wrong_type(schema, value) {
        let sentence = format!("must be {expected}, and is {}", show(value));
        return out.push(Reason::new(path, sentence));
    }
    let before = out.len();
    match value {
        Value::Object(map) => object(path, schema, map, out),
        Value::Array(items) => array(path, schema, items, out),
        Value::String(text) => string(path, schema, text, out),
        Value::Number(number) => range(path, schema, number.as_f64().unwrap_or(f64::NAN), out),
        Value::Null | Value::Bool(_) => {}
    }
    let allowed = schema["enum"].as_array();
    if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(value) && out.len() == before)
    {
        let words: Vec<String> = allowed.iter().map(show).collect();
        let sentence = format!(
            "must be one of {}, and is {}",
            words.join(", "),
            show(value)
        );
        out.push(Reason::new(path, sentence));
    }
}

/// What the value should be, if it isn't that.
fn wrong_type(schema: &Value, value: &Value) -> Option<&'static str> {
    let integer = value.is_i64() || value.is_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        return (!integer && !value.is_string()).then_some("an integer or a text");
    }
    let (fits, expected) = match schema["type"].as_str()? {
        "object" => (value.is_object(), "an object"),
        "array" => (value.is_array(), "a list"),
        "string" => (
            value.is_string(),
            "a text (in quotes, if it looks like something else)",
        ),
        "integer" => (integer, "an integer"),
        "number" => (value.is_number(), "a number"),
        "boolean" => (value.is_boolean(), "true or false"),
        _ => (true, ""),
    };
    (!fits).then_some(expected)
}

fn object(path: &str, schema: &Value, map: &Map<String, Value>, out: &mut Vec<Reason>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    let known = schema["properties"].as_object();
    let additional = schema.get("additionalProperties");
    for (name, value) in map {
        let path = join(path, name);
        match known.and_then(|known| known.get(name)).or(additional) {
            Some(schema) => walk(&path, schema, value, out),
            None => out.push(Reason::new("", unknown(&path, known))),
        }
    }
    for name in list(schema, "required").filter_map(Value::as_str) {
        if !map.contains_key(name) {
            out.push(Reason::new(&join(path, name), "is missing and must be set"));
        }
    }
}

fn unknown(path: &str, known: Option<&Map<String, Value>>) -> String {
    let mut sentence = format!("unknown field {path:?}");
    // A pod's spec has forty; kubectl explain is the place for that.
    if let Some(known) = known.filter(|known| known.len() <= 16) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let _ = write!(sentence, ": there are {}", names.join(", "));
    }
    sentence
}

fn array(path: &str, schema: &Value, items: &[Value], out: &mut Vec<Reason>) {
    for (keyword, word, least) in [("minItems", "least", true), ("maxItems", "most", false)] {
        let limit = schema[keyword].as_u64();
        if let Some(limit) = limit.filter(|limit| beyond(items.len(), *limit, least)) {
            let count = items.len();
            let sentence = format!("must have at {word} {limit} items, and has {count}");
            out.push(Reason::new(path, sentence));
        }
    }
    for (index, item) in items.iter().enumerate() {
        walk(&format!("{path}[{index}]"), &schema["items"], item, out);
    }
    unique::check(path, schema, items, out);
}

fn string(path: &str, schema: &Value, text: &str, out: &mut Vec<Reason>) {
    let length = text.chars().count();
    for (keyword, word, least) in [("minLength", "least", true), ("maxLength", "most", false)] {
        let limit = schema[keyword].as_u64();
        if let Some(limit) = limit.filter(|limit| beyond(length, *limit, least)) {
            let sentence = format!("must have at {word} {limit} characters, and has {length}");
            return out.push(Reason::new(path, sentence));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern)
            .expect("a test compiles each pattern of the CRD")
            .is_match(text)
    {
        let sentence = format!("must match {pattern}, and is {}", show(&text.into()));
        out.push(Reason::new(path, sentence));
    }
}

fn range(path: &str, schema: &Value, number: f64, out: &mut Vec<Reason>) {
    let exclusive = schema["exclusiveMinimum"] == true;
    let int32 = schema["format"] == "int32";
    let bound = |keyword: &str, of_type: i32| {
        let given = schema[keyword].as_f64();
        given.or_else(|| int32.then(|| of_type.into()))
    };
    if let Some(minimum) = bound("minimum", i32::MIN)
        && (number < minimum || (exclusive && number <= minimum))
    {
        let word = if exclusive { "above" } else { "at least" };
        out.push(Reason::new(
            path,
            format!("must be {word} {minimum}, and is {number}"),
        ));
    }
    if let Some(maximum) = bound("maximum", i32::MAX).filter(|maximum| number > *maximum) {
        out.push(Reason::new(
            path,
            format!("must be at most {maximum}, and is {number}"),
        ));
    }
}

fn beyond(count: usize, limit: u64, least: bool) -> bool {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if least { count < limit } else { count > limit }
}

pub(super) fn list<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema[keyword].as_array().into_iter().flatten()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The value as it may stand in a sentence: one line, not too long.
pub(super) fn show(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
