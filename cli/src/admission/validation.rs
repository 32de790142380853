//! Validates a value against a structural schema.
//!
//! The CRD uses few keywords, and a test holds that there are no others. A JSON Schema library would
//! add twenty crates, and its messages don't say how to fix a manifest.

use std::fmt::Write;

use regex::Regex;
use serde_json::{Map, Value};

use super::rejection::{FieldError, shorten};
use super::{list_type, schema};

/// All errors, in the order of the value.
pub(super) fn validate(schema: &Value, value: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk("", schema, value, &mut errors);
    errors
}

fn walk(path: &str, schema: &Value, value: &Value, out: &mut Vec<FieldError>) {
    if let Some(expected) = wrong_type(schema, value) {
        let message = format!("must be {expected}, but is {}", shorten(value));
        return out.push(FieldError::new(path, message));
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
        let words: Vec<String> = allowed.iter().map(shorten).collect();
        let message = format!(
            "must be one of {}, but is {}",
            words.join(", "),
            shorten(value)
        );
        out.push(FieldError::new(path, message));
    }
}

/// The expected type, if the value has another.
fn wrong_type(schema: &Value, value: &Value) -> Option<&'static str> {
    let integer = value.is_i64() || value.is_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        return (!integer && !value.is_string()).then_some("an integer or a string");
    }
    let (fits, expected) = match schema["type"].as_str()? {
        "object" => (value.is_object(), "an object"),
        "array" => (value.is_array(), "a list"),
        "string" => (
            value.is_string(),
            "a string (quote what looks like a number or a boolean)",
        ),
        "integer" => (integer, "an integer"),
        "number" => (value.is_number(), "a number"),
        "boolean" => (value.is_boolean(), "true or false"),
        _ => (true, ""),
    };
    (!fits).then_some(expected)
}

fn object(path: &str, schema: &Value, map: &Map<String, Value>, out: &mut Vec<FieldError>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    let limit = schema["maxProperties"].as_u64();
    if let Some(limit) = limit.filter(|limit| beyond(map.len(), *limit, false)) {
        let count = map.len();
        let message = format!("must have at most {limit} entries, but has {count}");
        out.push(FieldError::new(path, message));
    }
    let known = schema["properties"].as_object();
    let additional = schema.get("additionalProperties");
    for (name, value) in map {
        let path = join(path, name);
        match known.and_then(|known| known.get(name)).or(additional) {
            Some(schema) => walk(&path, schema, value, out),
            None => out.push(FieldError::new("", unknown(&path, known))),
        }
    }
    for name in schema::items(schema, "required").filter_map(Value::as_str) {
        if !map.contains_key(name) {
            out.push(FieldError::new(&join(path, name), "is required"));
        }
    }
}

fn unknown(path: &str, known: Option<&Map<String, Value>>) -> String {
    let mut message = format!("unknown field {path:?}");
    // A pod's spec has forty: `kubectl explain` lists them.
    if let Some(known) = known.filter(|known| known.len() <= 16) {
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        let _ = write!(message, ": the fields are {}", names.join(", "));
    }
    message
}

fn array(path: &str, schema: &Value, items: &[Value], out: &mut Vec<FieldError>) {
    for (keyword, word, least) in [("minItems", "least", true), ("maxItems", "most", false)] {
        let limit = schema[keyword].as_u64();
        if let Some(limit) = limit.filter(|limit| beyond(items.len(), *limit, least)) {
            let count = items.len();
            let message = format!("must have at {word} {limit} items, but has {count}");
            out.push(FieldError::new(path, message));
        }
    }
    for (index, item) in items.iter().enumerate() {
        walk(&format!("{path}[{index}]"), &schema["items"], item, out);
    }
    list_type::validate(path, schema, items, out);
}

fn string(path: &str, schema: &Value, text: &str, out: &mut Vec<FieldError>) {
    let length = text.chars().count();
    for (keyword, word, least) in [("minLength", "least", true), ("maxLength", "most", false)] {
        let limit = schema[keyword].as_u64();
        if let Some(limit) = limit.filter(|limit| beyond(length, *limit, least)) {
            let message = format!("must have at {word} {limit} characters, but has {length}");
            return out.push(FieldError::new(path, message));
        }
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !Regex::new(pattern)
            .expect("a test compiles each pattern of the CRD")
            .is_match(text)
    {
        let message = format!("must match {pattern}, but is {}", shorten(&text.into()));
        out.push(FieldError::new(path, message));
    }
}

fn range(path: &str, schema: &Value, number: f64, out: &mut Vec<FieldError>) {
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
        out.push(FieldError::new(
            path,
            format!("must be {word} {minimum}, but is {number}"),
        ));
    }
    if let Some(maximum) = bound("maximum", i32::MAX).filter(|maximum| number > *maximum) {
        out.push(FieldError::new(
            path,
            format!("must be at most {maximum}, but is {number}"),
        ));
    }
}

fn beyond(count: usize, limit: u64, least: bool) -> bool {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    if least { count < limit } else { count > limit }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
