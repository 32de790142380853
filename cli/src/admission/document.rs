//! From a file to the one manifest in it.

use crds::ExecutorChain;
use kube::Resource;
use serde_json::Value;

use super::Reason;

/// The file's only document. A key that stands twice is an error: one of the two would be lost.
pub(super) fn read(text: &str) -> Result<Value, Reason> {
    // kubectl reads YAML 1.1: `yes` is true, and 010 is eight.
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| Reason::new("", error.to_string()))?;
    let count = documents.len();
    match <[Value; 1]>::try_from(documents) {
        Ok([document]) => Ok(document),
        Err(_) if count == 0 => Err(Reason::new(
            "",
            "there is no manifest in the file: write one ExecutorChain",
        )),
        Err(_) => Err(Reason::new(
            "",
            format!("there are {count} documents in the file: leave one ExecutorChain"),
        )),
    }
}

/// Whether it is a manifest of an `ExecutorChain`, and of the chain that is in force. What isn't
/// would give a reason for each of its fields.
pub(super) fn identify(document: &Value, old: Option<&Value>) -> Result<(), Vec<Reason>> {
    let Value::Object(_) = document else {
        let sentence = "the file is not a manifest: begin with apiVersion, kind, metadata and spec";
        return Err(vec![Reason::new("", sentence)]);
    };
    let expected = [
        ("apiVersion", ExecutorChain::api_version(&())),
        ("kind", ExecutorChain::kind(&())),
    ];
    let mut reasons = Vec::new();
    for (field, expected) in expected {
        let sentence = match &document[field] {
            Value::String(given) if *given == expected => continue,
            Value::Null => format!("is missing: write {expected}"),
            given => format!("must be {expected}, and is {given}"),
        };
        reasons.push(Reason::new(field, sentence));
    }
    let name = &document["metadata"]["name"];
    let old_name = old.map(|old| &old["metadata"]["name"]);
    if name.is_null() {
        let sentence = "is missing: name the chain, as its Deployments and Services will be";
        reasons.push(Reason::new("metadata.name", sentence));
    } else if let Some(old_name) = old_name.filter(|old_name| *old_name != name) {
        let sentence = format!(
            "can't be changed from {old_name} to {name}: that is another chain, with a dev of its own"
        );
        reasons.push(Reason::new("metadata.name", sentence));
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}
