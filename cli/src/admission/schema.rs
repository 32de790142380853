//! The schema that manifests are held against: the CRD's own, with what the API server knows of
//! every object.

use std::sync::LazyLock;

use kube_cel::CompiledSchema;
use serde_json::{Value, json};

/// Of a whole manifest.
pub(super) static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let crd = serde_json::to_value(crds::crd()).expect("a CRD is plain data");
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    let text = json!({"type": "string"});
    schema["properties"]["apiVersion"] = text.clone();
    schema["properties"]["kind"] = text;
    schema["properties"]["metadata"] = metadata();
    schema
});

/// The CEL rules in it.
pub(super) static RULES: LazyLock<CompiledSchema> =
    LazyLock::new(|| kube_cel::compile_schema(&SCHEMA));

/// `ObjectMeta`: what a manifest may hold that `kubectl get -o yaml` wrote, too.
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
