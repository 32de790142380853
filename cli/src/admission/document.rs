//! Reads the file: one document, one `ExecutorChain`.

use crds::ExecutorChain;
use kube::Resource;
use serde_json::Value;

use super::rejection::FieldError;

/// The file's only document. A duplicate key is an error: one of the values would be lost.
pub(super) fn read(text: &str) -> Result<Value, FieldError> {
    // As kubectl does, read YAML 1.1: `yes` is true, and 010 is eight.
    let options = serde_saphyr::options! { with_snippet: false, legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| FieldError::new("", error.to_string()))?;
    let count = documents.len();
    match <[Value; 1]>::try_from(documents) {
        Ok([document]) => Ok(document),
        Err(_) if count == 0 => Err(FieldError::new(
            "",
            "the file has no manifest: write one ExecutorChain",
        )),
        Err(_) => Err(FieldError::new(
            "",
            format!("the file has {count} documents: keep one ExecutorChain"),
        )),
    }
}

/// Checks that it is an `ExecutorChain`, and the same chain as `old`. Anything else would get an
/// error for each of its fields.
pub(super) fn identify(document: &Value, old: Option<&Value>) -> Result<(), Vec<FieldError>> {
    let Value::Object(_) = document else {
        let message = "the file is not a manifest: begin with apiVersion, kind, metadata and spec";
        return Err(vec![FieldError::new("", message)]);
    };
    let expected = [
        ("apiVersion", ExecutorChain::api_version(&())),
        ("kind", ExecutorChain::kind(&())),
    ];
    let mut errors = Vec::new();
    for (field, expected) in expected {
        let message = match &document[field] {
            Value::String(given) if *given == expected => continue,
            Value::Null => format!("is missing: write {expected}"),
            given => format!("must be {expected}, but is {given}"),
        };
        errors.push(FieldError::new(field, message));
    }
    let name = &document["metadata"]["name"];
    let old_name = old.map(|old| &old["metadata"]["name"]);
    if name.is_null() {
        let message =
            "is missing: name the chain; its Deployments and Services begin with this name";
        errors.push(FieldError::new("metadata.name", message));
    } else if let Some(old_name) = old_name.filter(|old_name| *old_name != name) {
        let message = format!(
            "can't be changed from {old_name} to {name}: start another `executor-chain dev` for another chain"
        );
        errors.push(FieldError::new("metadata.name", message));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}
