//! The CRDs: the derived schemas, adapted to the API server, with the validation rules.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::chain_override::ChainOverride;
use crate::chain_redrive::{ChainDiscard, ChainRedrive};
use crate::rules::{DISCARD_RULES, OVERRIDE_RULES, REDRIVE_RULES, RULES, Rule};
use crate::spec::ExecutorChain;
use crate::status::UNSEEN;

/// More containers than any real pod has.
const MAX_CONTAINERS: usize = 32;
/// More labels or annotations than any real object has.
const MAX_ENTRIES: usize = 64;
const TEMPLATES: [&str; 2] = ["spec.template", "spec.stages[].template"];
/// The other fields with Kubernetes' own types.
const WORKER: [&str; 4] = [
    "spec.workerTemplate.resources",
    "spec.workerTemplate.env",
    "spec.workerTemplate.volumeMounts",
    "spec.workerTemplate.securityContext",
];
/// Labels and annotations that a user adds to the operator's.
const METADATA: [&str; 4] = [
    "spec.template.metadata",
    "spec.stages[].template.metadata",
    "spec.workerTemplate.deploymentMetadata",
    "spec.workerTemplate.serviceMetadata",
];

/// The `CustomResourceDefinition` of `ExecutorChain`, as it is committed and installed.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(ExecutorChain::crd()).expect("a CRD is plain data");
    let schema = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .expect("the derive writes one version with a schema");
    tidy(schema);
    for path in TEMPLATES {
        strip_template(at(schema, path));
    }
    for path in WORKER {
        let part = at(schema, path);
        let description = part["description"].take();
        strip_descriptions(part);
        part["description"] = description;
    }
    let env = at(schema, "spec.workerTemplate.env");
    env["maxItems"] = json!(MAX_ENTRIES);
    env["x-kubernetes-list-type"] = json!("map");
    env["x-kubernetes-list-map-keys"] = json!(["name"]);
    env["items"]["properties"]["name"]["maxLength"] = json!(253);
    let mounts = at(schema, "spec.workerTemplate.volumeMounts");
    mounts["maxItems"] = json!(MAX_ENTRIES);
    mounts["x-kubernetes-list-type"] = json!("map");
    mounts["x-kubernetes-list-map-keys"] = json!(["mountPath"]);
    for path in METADATA {
        for map in ["labels", "annotations"] {
            at(schema, path)["properties"][map]["maxProperties"] = json!(MAX_ENTRIES);
        }
    }
    schema["properties"]["status"]["default"] = json!({"observedGeneration": UNSEEN});
    attach(schema, RULES);
    serde_json::from_value(crd).expect("it was a CRD before")
}

/// The `CustomResourceDefinition` of `ChainOverride`.
pub fn override_crd() -> CustomResourceDefinition {
    with_rules(&ChainOverride::crd(), OVERRIDE_RULES)
}

/// The `CustomResourceDefinition` of `ChainRedrive`.
pub fn redrive_crd() -> CustomResourceDefinition {
    with_rules(&ChainRedrive::crd(), REDRIVE_RULES)
}

/// The `CustomResourceDefinition` of `ChainDiscard`.
pub fn discard_crd() -> CustomResourceDefinition {
    with_rules(&ChainDiscard::crd(), DISCARD_RULES)
}

fn with_rules(crd: &CustomResourceDefinition, rules: &[Rule]) -> CustomResourceDefinition {
    let mut crd = serde_json::to_value(crd).expect("a CRD is plain data");
    let schema = crd
        .pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .expect("the derive writes one version with a schema");
    tidy(schema);
    attach(schema, rules);
    serde_json::from_value(crd).expect("it was a CRD before")
}

fn attach(schema: &mut Value, rules: &[Rule]) {
    for rule in rules {
        let place = at(schema, rule.at)
            .as_object_mut()
            .expect("a schema is an object");
        let rules = place
            .entry("x-kubernetes-validations")
            .or_insert_with(|| json!([]));
        rules
            .as_array_mut()
            .expect("only this loop writes it")
            .push(json!({"rule": rule.rule, "message": rule.message}));
    }
}

/// The CRD of overrides as YAML.
pub fn override_yaml() -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&override_crd())
}

/// The CRD of redrives as YAML.
pub fn redrive_yaml() -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&redrive_crd())
}

/// The CRD of discards as YAML.
pub fn discard_yaml() -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(&discard_crd())
}

/// The CRD as YAML. The schema of each part of a pod is one line of JSON, which is also YAML.
/// Indented, these schemas would be two thirds of the file.
pub fn yaml() -> Result<String, serde_saphyr::SerializeError> {
    let mut crd = serde_json::to_value(crd()).expect("a CRD is plain data");
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let parts: Vec<(Value, String)> = [&TEMPLATES[..], &WORKER[..]]
        .concat()
        .into_iter()
        .map(|path| {
            let token = format!("schema-of-{path}.");
            let part = std::mem::replace(at(schema, path), Value::String(token.clone()));
            (part, token)
        })
        .collect();
    let yaml = serde_saphyr::to_string(&crd)?;
    Ok(parts.into_iter().fold(yaml, |yaml, (part, token)| {
        yaml.replace(&token, &part.to_string())
    }))
}

/// The schema at a rule's path.
fn at<'a>(schema: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.')
        .filter(|step| !step.is_empty())
        .fold(schema, |schema, step| {
            let (name, items) = step
                .strip_suffix("[]")
                .map_or((step, false), |name| (name, true));
            let property = &mut schema["properties"][name];
            let inner = if items {
                &mut property["items"]
            } else {
                property
            };
            assert!(inner.is_object(), "no schema at {path}");
            inner
        })
}

/// The pod template is embedded twice. With descriptions the CRD would have 700 KB, too much for the
/// annotation of a client-side `kubectl apply`. `containers` isn't required: a stage whose handler is
/// a URL may have a template that only adds labels.
fn strip_template(template: &mut Value) {
    strip_descriptions(template);
    if let Some(spec) = template
        .pointer_mut("/properties/spec")
        .and_then(Value::as_object_mut)
    {
        spec.remove("required");
        // The API server accepts a CEL rule over containers only if their number is bounded.
        for list in ["containers", "initContainers"] {
            let containers = &mut spec["properties"][list];
            containers["maxItems"] = json!(MAX_CONTAINERS);
            containers["items"]["properties"]["name"]["maxLength"] = json!(63);
        }
    }
}

fn strip_descriptions(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    // A property may be named description.
    map.retain(|key, value| key != "description" || !value.is_string());
    for (key, value) in map {
        match value {
            Value::Object(properties) if key == "properties" => {
                properties.values_mut().for_each(strip_descriptions);
            }
            Value::Object(_) => strip_descriptions(value),
            Value::Array(items) => items.iter_mut().for_each(strip_descriptions),
            _ => {}
        }
    }
}

/// Writes out int32 bounds: the API server doesn't enforce `format: int32`, and a larger number would
/// break every typed client that lists chains. Removes unknown formats such as uint16 (the API server
/// warns), `nullable` (an explicit null would count as set), and line breaks in descriptions.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.retain(|key, value| match key.as_str() {
                "format" => !value
                    .as_str()
                    .is_some_and(|format| format.starts_with("uint")),
                "nullable" => !value.is_boolean(),
                _ => true,
            });
            if map.get("format").is_some_and(|format| format == "int32") {
                map.entry("minimum").or_insert_with(|| json!(i32::MIN));
                map.entry("maximum").or_insert_with(|| json!(i32::MAX));
            }
            bound_port(map);
            if let Some(Value::String(description)) = map.get_mut("description") {
                *description = unwrap_lines(description);
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A probe's port is a name or a number. The API server doesn't check the range of the number, and
/// typed clients read 32 bits.
fn bound_port(properties: &mut Map<String, Value>) {
    if let Some(Value::Object(port)) = properties.get_mut("port")
        && port.contains_key("x-kubernetes-int-or-string")
    {
        port.insert("minimum".into(), json!(1));
        port.insert("maximum".into(), json!(65535));
    }
}

/// `kubectl explain` wraps lines, so a paragraph is one line.
fn unwrap_lines(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_into_the_annotation_of_a_client_side_apply() {
        let json = serde_json::to_string(&crd()).unwrap();
        assert!(json.len() < 200_000, "{} bytes", json.len());
    }

    #[test]
    fn an_optional_enum_keeps_the_description_of_its_field() {
        let json = serde_json::to_string(&crd()).unwrap();
        for begin in [
            "cloudTasksHeaders is whether",
            "token is whether",
            "pausedBy is who",
        ] {
            let description = format!("\"description\":\"{begin}");
            assert!(json.contains(&description), "{begin}");
        }
    }

    #[test]
    fn every_rule_has_its_place_and_a_sentence() {
        for (crd, rules) in [
            (crd(), RULES),
            (override_crd(), OVERRIDE_RULES),
            (redrive_crd(), REDRIVE_RULES),
            (discard_crd(), DISCARD_RULES),
        ] {
            let json = serde_json::to_string(&crd).unwrap();
            for rule in rules {
                assert!(
                    json.contains(&serde_json::to_string(rule.rule).unwrap()),
                    "{}",
                    rule.rule
                );
                assert!(rule.message.len() > 40, "{} says too little", rule.message);
            }
        }
    }
}
