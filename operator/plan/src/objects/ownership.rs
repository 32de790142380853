//! Whether the operator still owns what it applied.
//!
//! Values can't be compared: the API server drops zero values, fills in defaults, and writes `1000m`
//! as `1`, and a mutating webhook may change an image. But with each apply the API server records
//! which fields the applier owns, and a field loses its owner when another manager changes or removes
//! it (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>). So the
//! operator compares ownership: a field that it no longer owns was changed, and other managers'
//! fields are left alone.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry, ObjectMeta};
use serde::Serialize;
use serde_json::{Value, json};

/// The name under which the operator applies objects.
pub const FIELD_MANAGER: &str = "executor-operator";

/// What the API server calls the ownership that an apply gives.
const APPLY: &str = "Apply";

/// Whether every field of `wanted` is still ours in the live object whose metadata is `live`.
pub fn owns(live: &ObjectMeta, wanted: &impl Serialize) -> bool {
    let mut wanted = serde_json::to_value(wanted).expect("Kubernetes objects are plain data");
    // Nobody owns an object's name.
    if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !["name", "namespace"].contains(&key.as_str()));
    }
    let Some(fields) = ours(live) else {
        return false;
    };
    ["metadata", "spec"].iter().all(|part| {
        wanted
            .get(part)
            .is_none_or(|wanted| holds_key(fields, part, wanted))
    })
}

/// Whether one field of the live object is ours.
pub fn owns_field(live: &ObjectMeta, path: &[&str]) -> bool {
    let mut fields = ours(live);
    for key in path {
        // An empty set holds everything below it.
        if fields.is_some_and(is_whole) {
            return true;
        }
        fields = fields.and_then(|fields| fields.get(format!("f:{key}")));
    }
    fields.is_some()
}

/// When an apply of ours has last changed the live object.
pub fn applied_at(live: &ObjectMeta) -> Option<Timestamp> {
    our_applies(live)?.time.as_ref().map(|time| time.0)
}

/// The fields that our applies own.
fn ours(live: &ObjectMeta) -> Option<&Value> {
    let fields = our_applies(live)?.fields_v1.as_ref();
    fields.map(|FieldsV1(fields)| fields)
}

fn our_applies(live: &ObjectMeta) -> Option<&ManagedFieldsEntry> {
    let mut entries = live.managed_fields.iter().flatten();
    entries.find(|entry| is_our_apply(entry))
}

/// Whether an entry records what our applies own: all that a plan reads of the managed fields.
pub fn is_our_apply(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
        && entry.operation.as_deref() == Some(APPLY)
        && entry.subresource.is_none()
}

fn is_whole(fields: &Value) -> bool {
    fields.as_object().is_none_or(serde_json::Map::is_empty)
}

/// Records in `metadata` that the whole object is ours, as an API server would after an apply: for
/// where there is none.
pub fn record(metadata: &mut ObjectMeta) {
    metadata.managed_fields = Some(vec![ManagedFieldsEntry {
        manager: Some(FIELD_MANAGER.to_owned()),
        operation: Some(APPLY.to_owned()),
        fields_v1: Some(FieldsV1(json!({"f:metadata": {}, "f:spec": {}}))),
        ..ManagedFieldsEntry::default()
    }]);
}

/// Whether the set `fields` holds every leaf of `wanted`. An empty set is a leaf itself: a scalar,
/// or a map or list that can only be owned whole.
fn holds(fields: &Value, wanted: &Value) -> bool {
    if is_whole(fields) {
        return true;
    }
    match wanted {
        Value::Object(map) => map
            .iter()
            .all(|(key, wanted)| holds_key(fields, key, wanted)),
        Value::Array(items) => {
            let owned: Vec<OwnedItem> = owned_items(fields).collect();
            let is_held = |item| owned.iter().any(|it| it.holds(item));
            items.iter().all(is_held)
        }
        _ => true,
    }
}

fn holds_key(fields: &Value, key: &str, wanted: &Value) -> bool {
    // A list whose items are told apart leaves no trace where it has none.
    let is_nothing = wanted.as_array().is_some_and(Vec::is_empty);
    // Sets are small: a look at each key costs less than to write the one that is looked for.
    let mut fields = fields.as_object().into_iter().flatten();
    let its = |(name, _): &(&String, _)| name.strip_prefix("f:") == Some(key);
    is_nothing
        || fields
            .find(its)
            .is_some_and(|(_, fields)| holds(fields, wanted))
}

/// An item of a list that is owned.
enum OwnedItem<'a> {
    /// It is a plain value, which tells it apart.
    Plain(Value),
    /// Some of its fields tell it apart, and these of its fields are owned.
    Keyed(Value, &'a Value),
}

/// The items of a list are told apart by some of their fields (`k:{"name":"handler"}`), or, where
/// they are plain values, by these (`v:"ALL"`).
fn owned_items(fields: &Value) -> impl Iterator<Item = OwnedItem<'_>> {
    let fields = fields.as_object().into_iter().flatten();
    fields.filter_map(|(key, fields)| {
        let parse = |text| serde_json::from_str::<Value>(text).ok();
        match key.strip_prefix("v:") {
            Some(value) => parse(value).map(OwnedItem::Plain),
            None => Some(OwnedItem::Keyed(parse(key.strip_prefix("k:")?)?, fields)),
        }
    })
}

impl OwnedItem<'_> {
    fn holds(&self, item: &Value) -> bool {
        match self {
            Self::Plain(value) => value == item,
            Self::Keyed(keys, fields) => is_called(keys, item) && holds(fields, item),
        }
    }
}

/// Whether `keys` name `item`. One that the item leaves out has its default there.
fn is_called(keys: &Value, item: &Value) -> bool {
    keys.as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| item.get(key).is_none_or(|said| said == value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a real API server records it, cut to what matters.
    fn live(fields: Value) -> ObjectMeta {
        let mut metadata = ObjectMeta::default();
        record(&mut metadata);
        metadata.managed_fields.as_mut().unwrap()[0].fields_v1 = Some(FieldsV1(fields));
        metadata
    }

    fn wanted() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "orders-fast", "labels": {"a": "b"}},
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"a": "b"}},
                "containers": [{
                    "name": "worker",
                    "env": [{"name": "EMPTY", "value": ""}],
                    "args": ["a"],
                    "ports": [{"containerPort": 80}],
                }],
            },
        })
    }

    fn all() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:a": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:selector": {},
                "f:containers": {"k:{\"name\":\"worker\"}": {
                    ".": {}, "f:name": {}, "f:args": {},
                    "f:env": {"k:{\"name\":\"EMPTY\"}": {".": {}, "f:name": {}, "f:value": {}}},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {},
                    }},
                }},
            },
        })
    }

    #[test]
    fn what_was_applied_is_ours() {
        assert!(owns(&live(all()), &wanted()));
        let mut recorded = ObjectMeta::default();
        assert!(!owns(&recorded, &wanted()));
        record(&mut recorded);
        assert!(owns(&recorded, &wanted()));
    }

    #[test]
    fn every_field_that_somebody_took_is_missed() {
        let worker = "/f:spec/f:containers/k:{\"name\":\"worker\"}";
        let variable = format!("{worker}/f:env/k:{{\"name\":\"EMPTY\"}}");
        for (parent, taken) in [
            ("/f:spec", "f:replicas"),
            ("/f:spec", "f:selector"),
            ("/f:metadata/f:labels", "f:a"),
            ("", "f:metadata"),
            (worker, "f:args"),
            (&format!("{worker}/f:env"), "k:{\"name\":\"EMPTY\"}"),
            (&variable, "f:value"),
        ] {
            let mut left = all();
            let set = left.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            set.remove(taken).unwrap();
            // A set that loses its last field is lost itself; "." keeps it one.
            set.insert(".".into(), json!({}));
            assert!(!owns(&live(left), &wanted()), "{parent} {taken}");
        }
    }

    #[test]
    fn what_is_another_managers_is_not_ours() {
        for change in [
            |entry: &mut ManagedFieldsEntry| entry.manager = Some("kubectl".into()),
            |entry: &mut ManagedFieldsEntry| entry.operation = Some("Update".into()),
            |entry: &mut ManagedFieldsEntry| entry.subresource = Some("scale".into()),
        ] {
            let mut metadata = live(all());
            change(&mut metadata.managed_fields.as_mut().unwrap()[0]);
            assert!(!owns(&metadata, &wanted()));
        }
    }

    #[test]
    fn one_field_is_ours_or_is_not() {
        let replicas = ["spec", "replicas"];
        assert!(owns_field(&live(all()), &replicas));
        assert!(owns_field(&live(json!({"f:spec": {}})), &replicas));
        let others = json!({"f:spec": {"f:selector": {}}});
        assert!(!owns_field(&live(others), &replicas));
        assert!(!owns_field(&ObjectMeta::default(), &replicas));
    }

    #[test]
    fn plain_values_of_a_set_are_told_apart() {
        let wanted = json!({"spec": {"finalizers": ["a", "b"]}});
        let fields = |values: Value| live(json!({"f:spec": {"f:finalizers": values}}));
        assert!(owns(
            &fields(json!({"v:\"a\"": {}, "v:\"b\"": {}})),
            &wanted
        ));
        assert!(!owns(&fields(json!({"v:\"a\"": {}})), &wanted));
    }
}
