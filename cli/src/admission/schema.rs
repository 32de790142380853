//! The schema of a whole manifest: the CRD's, and the fields that every object has.

use std::sync::LazyLock;

use kube_cel::CompiledSchema;
use serde_json::{Value, json};

/// The structural schema.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| of_crd(crds::CRD_YAML));

/// That of an override.
pub(super) static OVERRIDE_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| of_crd(crds::OVERRIDE_CRD_YAML));

/// That of a redrive.
pub(super) static REDRIVE_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| of_crd(crds::REDRIVE_CRD_YAML));

/// That of a discard.
pub(super) static DISCARD_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| of_crd(crds::DISCARD_CRD_YAML));

fn of_crd(crd: &str) -> Value {
    let mut crd: Value = serde_saphyr::from_str(crd).expect("a generated CRD is YAML");
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    let text = json!({"type": "string"});
    schema["properties"]["apiVersion"] = text.clone();
    schema["properties"]["kind"] = text;
    schema["properties"]["metadata"] = metadata();
    schema
}

/// Its CEL rules.
pub(super) static RULES: LazyLock<CompiledSchema> =
    LazyLock::new(|| kube_cel::compile_schema(&SCHEMA));

/// The CEL rules of an override.
pub(super) static OVERRIDE_RULES: LazyLock<CompiledSchema> =
    LazyLock::new(|| kube_cel::compile_schema(&OVERRIDE_SCHEMA));

/// The CEL rules of a redrive.
pub(super) static REDRIVE_RULES: LazyLock<CompiledSchema> =
    LazyLock::new(|| kube_cel::compile_schema(&REDRIVE_SCHEMA));

/// The CEL rules of a discard.
pub(super) static DISCARD_RULES: LazyLock<CompiledSchema> =
    LazyLock::new(|| kube_cel::compile_schema(&DISCARD_SCHEMA));

/// `ObjectMeta`, with what `kubectl get -o yaml` writes into a manifest.
fn metadata() -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let any = json!({"x-kubernetes-preserve-unknown-fields": true});
    let mut properties = json!({
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": texts,
        "annotations": texts,
        "finalizers": {"type": "array", "items": {"type": "string"}},
    });
    for served in [
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    ] {
        properties[served] = any.clone();
    }
    json!({"type": "object", "properties": properties})
}

/// The items of a keyword whose value is a list; none if the schema lacks it.
pub(super) fn items<'a>(schema: &'a Value, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema[keyword].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    /// Keywords that are enforced here, and those that need no enforcement.
    const KEYWORDS: [&str; 24] = [
        "type",
        "format",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "minItems",
        "maxItems",
        "maxProperties",
        "minLength",
        "maxLength",
        "pattern",
        "enum",
        "minimum",
        "exclusiveMinimum",
        "maximum",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        // Enforced by kube-cel.
        "x-kubernetes-validations",
        "default",
        // Documentation.
        "title",
        "description",
    ];

    #[test]
    fn every_keyword_of_the_schema_is_enforced() {
        for schema in [&SCHEMA, &OVERRIDE_SCHEMA, &REDRIVE_SCHEMA, &DISCARD_SCHEMA] {
            walk("", schema);
        }
    }

    fn walk(path: &str, schema: &Value) {
        for (keyword, value) in schema.as_object().unwrap() {
            assert!(KEYWORDS.contains(&keyword.as_str()), "{keyword} at {path}");
            match keyword.as_str() {
                "properties" => {
                    for (name, property) in value.as_object().unwrap() {
                        walk(&format!("{path}.{name}"), property);
                    }
                }
                "items" | "additionalProperties" => walk(&format!("{path}[]"), value),
                "pattern" => drop(Regex::new(value.as_str().unwrap()).unwrap()),
                // A wrong time fails when the chain is parsed; the API server bounds no integer.
                "format" => {
                    let known = ["int32", "int64", "double", "date-time"];
                    assert!(
                        known.contains(&value.as_str().unwrap()),
                        "{value} at {path}"
                    );
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_rule_compiles() {
        for rules in [&RULES, &OVERRIDE_RULES, &REDRIVE_RULES, &DISCARD_RULES] {
            let errors: Vec<String> = errors(rules);
            assert!(errors.is_empty(), "{errors:?}");
        }
    }

    fn errors(compiled: &CompiledSchema) -> Vec<String> {
        let children = compiled
            .properties
            .values()
            .chain(compiled.items.as_deref());
        let own = compiled.compilation_errors().into_iter();
        own.map(ToString::to_string)
            .chain(children.flat_map(errors))
            .collect()
    }
}
