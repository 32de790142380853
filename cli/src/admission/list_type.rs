//! `x-kubernetes-list-type`: a set has no duplicates, a map has unique keys.

use serde_json::Value;

use super::rejection::{FieldError, shorten};
use super::schema;

/// Adds an error for each item that duplicates an earlier one.
pub(super) fn validate(path: &str, schema: &Value, items: &[Value], out: &mut Vec<FieldError>) {
    let set = schema["x-kubernetes-list-type"] == "set";
    let keys: Vec<&str> = schema::items(schema, "x-kubernetes-list-map-keys")
        .filter_map(Value::as_str)
        .collect();
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let identity: Vec<&Value> = if set {
            vec![item]
        } else {
            keys.iter().filter_map(|key| item.get(key)).collect()
        };
        // The list is neither set nor map, or the item lacks the key, which has an error of its own.
        if identity.is_empty() {
            continue;
        }
        if seen.contains(&identity) {
            let words: Vec<String> = identity.iter().copied().map(shorten).collect();
            let words = words.join(", ");
            let message = if set {
                format!("{words} is a duplicate: list it once")
            } else {
                let keys = keys.join(", ");
                format!("{keys} {words} is a duplicate: give each item its own")
            };
            out.push(FieldError::new(&format!("{path}[{index}]"), message));
        }
        seen.push(identity);
    }
}
