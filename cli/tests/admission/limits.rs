//! The limits in the CRD's schema: each must have a case.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut crd: Value = serde_saphyr::from_str(crds::CRD_YAML).expect("a generated CRD is YAML");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take()
});

/// Keywords of which each use must have a case. Lengths need none: most stand beside a pattern that
/// bounds the string too, and only lower the cost that the API server estimates.
const EACH: [&str; 8] = [
    "minimum",
    "exclusiveMinimum",
    "maximum",
    "minItems",
    "maxItems",
    "pattern",
    "enum",
    "x-kubernetes-list-type",
];

/// Keywords and checks that need one case.
pub const SOMEWHERE: [&str; 7] = [
    "type",
    "required",
    "minLength",
    "maxLength",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "unknown",
];

/// Field and keyword of each limit in the spec.
pub fn all() -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk("spec", of("spec"), &mut found);
    found
}

/// The schema of a field such as `spec.stages[].name`, or null.
pub fn of(at: &str) -> &'static Value {
    at.split('.').fold(&SCHEMA, |schema, step| {
        let name = step.trim_end_matches("[]");
        let property = &schema["properties"][name];
        if name == step {
            property
        } else {
            &property["items"]
        }
    })
}

fn walk(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for keyword in EACH {
        // An exclusive minimum is one limit in two keywords.
        let part = keyword == "minimum" && schema["exclusiveMinimum"] == true;
        // An atomic list has no limit.
        let none = schema[keyword].is_null() || schema[keyword] == "atomic";
        if !part && !none {
            found.push((path.to_owned(), keyword.to_owned()));
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        // The limits of a pod's parts are Kubernetes' own.
        let is_kubernetes = ["template", "resources", "env", "securityContext"];
        if !is_kubernetes.contains(&name.as_str()) {
            walk(&format!("{path}.{name}"), property, found);
        }
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], found);
    }
}
