//! Lists whose items have an identity: sets, and maps with keys.

use serde_json::Value;

use super::Reason;
use super::structure::{list, show};

/// Adds a reason for each item that has an earlier item's identity.
pub(super) fn check(path: &str, schema: &Value, items: &[Value], out: &mut Vec<Reason>) {
    let set = schema["x-kubernetes-list-type"] == "set";
    let keys: Vec<&str> = list(schema, "x-kubernetes-list-map-keys")
        .filter_map(Value::as_str)
        .collect();
    let mut seen = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let identity: Vec<&Value> = if set {
            vec![item]
        } else {
            keys.iter().filter_map(|key| item.get(key)).collect()
        };
        // No identity: the list is neither, or the key is missing, which is said elsewhere.
        if identity.is_empty() {
            continue;
        }
        if seen.contains(&identity) {
            let words: Vec<String> = identity.iter().copied().map(show).collect();
            let words = words.join(", ");
            let sentence = if set {
                format!("{words} stands there twice: leave one")
            } else {
                let keys = keys.join(", ");
                format!("{keys} {words} is an earlier item's already: give each its own")
            };
            out.push(Reason::new(&format!("{path}[{index}]"), sentence));
        }
        seen.push(identity);
    }
}
