//! The generations of a chain's spec, kept as a Kubernetes controller keeps revisions: as `ControllerRevision`s.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference,
};
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::model::hash;
use crate::objects::names::CHAIN_LABEL;

/// The number of a revision, again as an annotation: a list of metadata has no other fields.
const REVISION: &str = "executor-chain.dev/revision";
/// The generation of the chain that has had this spec last.
const GENERATION: &str = "executor-chain.dev/generation";
/// The field manager that has made it so.
const CHANGED_BY: &str = "executor-chain.dev/changed-by";
/// When.
const CHANGED_AT: &str = "executor-chain.dev/changed-at";
/// Who had changed it until then, as JSON: what the next revision has more is its change.
const MANAGERS: &str = "executor-chain.dev/managers";
/// The revision that the chain had before.
const AFTER: &str = "executor-chain.dev/after";

/// Managed fields have seconds: two changes by one manager in one second leave one trace. Reading them takes a
/// moment more.
const SAME_CHANGE: SignedDuration = SignedDuration::from_secs(5);

/// Who has changed a spec last, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecChange {
    /// The field manager. `None` if the API server has recorded none, such as for a field that was removed.
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What the metadata of a kept revision says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRevision {
    /// The name of the object.
    pub name: String,
    /// The number, which grows.
    pub number: i64,
    /// The generation of the chain that has had this spec last.
    pub generation: i64,
    /// Who has made it so, and when.
    pub change: SpecChange,
    /// Who had changed fields of the spec last until then, and when, as the API server recorded it.
    pub managers: Vec<(String, Timestamp)>,
    /// The name of the revision that the chain had before.
    pub after: Option<String>,
}

/// A chain as it is on the API server, whether or not it can be parsed.
#[derive(Debug, Clone, Copy)]
pub struct RawChain<'a> {
    /// Its metadata, with its managed fields.
    pub metadata: &'a ObjectMeta,
    /// Its spec.
    pub spec: &'a Value,
    /// What owns its revisions.
    pub owner: &'a OwnerReference,
}

impl KeptRevision {
    /// Of the metadata of a revision; `None` if it is none of a chain.
    pub fn of(metadata: &ObjectMeta) -> Option<Self> {
        let annotation = |name: &str| metadata.annotations.as_ref()?.get(name);
        Some(Self {
            name: metadata.name.clone()?,
            number: annotation(REVISION)?.parse().ok()?,
            generation: annotation(GENERATION)?.parse().ok()?,
            change: SpecChange {
                by: annotation(CHANGED_BY).cloned(),
                at: annotation(CHANGED_AT)?.parse().ok()?,
            },
            managers: annotation(MANAGERS)
                .and_then(|it| serde_json::from_str(it).ok())
                .unwrap_or_default(),
            after: annotation(AFTER).cloned(),
        })
    }

    /// What a chain's spec is kept as, after those that are `kept`. A spec that the chain had before gets a new
    /// number, and its old name.
    pub fn next(chain: RawChain<'_>, kept: &[Self], now: Timestamp) -> Option<Self> {
        let name = chain.metadata.name.as_ref()?;
        let uid = chain.metadata.uid.as_ref()?;
        let mut spec = chain.spec.clone();
        spec.sort_all_objects();
        // The UID: a revision of a deleted chain of this name may still exist.
        let name = format!("{name}-{}", hash(&format!("{uid}{spec}")));
        let newest = newest(kept);
        let others = kept.iter().filter(|it| it.name != name);
        let before = others.max_by_key(|it| it.number);
        let number = match newest {
            Some(newest) if newest.name == name => newest.number,
            Some(newest) => newest.number + 1,
            None => 1,
        };
        let managed = chain.metadata.managed_fields.iter().flatten();
        let managers: Vec<(String, Timestamp)> = managers_of_spec(managed)
            .filter_map(|it| Some((it.manager.clone()?, it.time.as_ref()?.0)))
            .collect();
        let known = newest.map_or(&[][..], |it| &it.managers);
        Some(Self {
            name,
            number,
            generation: chain.metadata.generation?,
            change: spec_change(&managers, known, now),
            managers,
            after: before.map(|it| it.name.clone()),
        })
    }

    /// As an object that keeps the spec of a chain.
    pub fn object(&self, chain: RawChain<'_>) -> ControllerRevision {
        let chain_name = &chain.owner.name;
        let labels = [
            (CHAIN_LABEL, chain_name.as_str()),
            ("app.kubernetes.io/managed-by", "executor-operator"),
        ];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        ControllerRevision {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: chain.metadata.namespace.clone(),
                labels: Some(labels.into()),
                annotations: Some(self.annotations()),
                owner_references: Some(vec![chain.owner.clone()]),
                ..ObjectMeta::default()
            },
            data: Some(RawExtension(chain.spec.clone())),
            revision: self.number,
        }
    }

    /// What it is annotated with.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let Self {
            name: _,
            number,
            generation,
            change: SpecChange { by, at },
            managers,
            after,
        } = self;
        let managers = serde_json::to_string(managers);
        let managers = managers.expect("names and times are plain data");
        let all = [
            (REVISION, Some(number.to_string())),
            (GENERATION, Some(generation.to_string())),
            (CHANGED_BY, by.clone()),
            (CHANGED_AT, Some(at.to_string())),
            (MANAGERS, Some(managers)),
            (AFTER, after.clone()),
        ];
        let given = all.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }

    /// The annotations as a merge patch, which removes those that it has no more.
    pub fn patch(&self) -> Value {
        let mut annotations: BTreeMap<String, Option<String>> =
            [CHANGED_BY, AFTER].map(|it| (it.to_owned(), None)).into();
        let given = self.annotations().into_iter();
        annotations.extend(given.map(|(name, value)| (name, Some(value))));
        json!({
            "metadata": {"annotations": annotations},
            "revision": self.number,
        })
    }
}

/// What a revision is made of: a chain without its status, and without which fields of its spec a manager has.
pub fn only_spec(chain: DynamicObject) -> DynamicObject {
    let ObjectMeta {
        name,
        namespace,
        uid,
        generation,
        managed_fields,
        ..
    } = chain.metadata;
    let managed_fields = managed_fields.map(|managed| {
        let of_spec = managers_of_spec(&managed).map(|it| ManagedFieldsEntry {
            fields_v1: Some(FieldsV1(json!({"f:spec": {}}))),
            ..it.clone()
        });
        of_spec.collect()
    });
    let spec = chain.data.get("spec").cloned();
    DynamicObject {
        types: chain.types,
        metadata: ObjectMeta {
            name,
            namespace,
            uid,
            generation,
            managed_fields,
            ..ObjectMeta::default()
        },
        data: spec.map_or(json!({}), |spec| json!({"spec": spec})),
    }
}

/// The revision with the highest number.
pub fn newest(kept: &[KeptRevision]) -> Option<&KeptRevision> {
    kept.iter().max_by_key(|it| it.number)
}

/// Those that are too many, the oldest first.
pub fn surplus(kept: &[KeptRevision], limit: usize) -> Vec<KeptRevision> {
    let mut oldest_first = kept.to_vec();
    oldest_first.sort_by_key(|it| it.number);
    oldest_first.truncate(kept.len().saturating_sub(limit));
    oldest_first
}

/// The managers of fields of the spec, but for those of a subresource.
pub fn managers_of_spec<'a>(
    managed: impl IntoIterator<Item = &'a ManagedFieldsEntry>,
) -> impl Iterator<Item = &'a ManagedFieldsEntry> {
    managed.into_iter().filter(|it| {
        let fields = it.fields_v1.as_ref();
        it.subresource.is_none() && fields.is_some_and(|it| it.0.get("f:spec").is_some())
    })
}

/// Who has changed a spec last, and when: the newest that wasn't `known` before. A manager that has only removed
/// fields of others leaves no trace.
fn spec_change(
    managers: &[(String, Timestamp)],
    known: &[(String, Timestamp)],
    now: Timestamp,
) -> SpecChange {
    let new = managers.iter().filter(|it| !known.contains(it));
    let new = new.max_by_key(|(_, at)| *at);
    let again = managers.iter().max_by_key(|(_, at)| *at);
    let again = again.filter(|(_, at)| now.duration_since(*at) < SAME_CHANGE);
    match new.or(again) {
        Some((by, at)) => SpecChange {
            by: Some(by.clone()),
            at: *at,
        },
        None => SpecChange { by: None, at: now },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn entry(manager: &str, second: i64, fields: &Value, subresource: &str) -> ManagedFieldsEntry {
        let subresource = Some(subresource).filter(|it| !it.is_empty());
        serde_json::from_value(json!({
            "manager": manager,
            "operation": "Update",
            "time": at(second).to_string(),
            "fieldsV1": fields,
            "subresource": subresource,
        }))
        .unwrap()
    }

    fn metadata(generation: i64) -> ObjectMeta {
        let spec = json!({"f:spec": {"f:stages": {}}});
        ObjectMeta {
            name: Some("orders".into()),
            namespace: Some("shop".into()),
            uid: Some("1f0c".into()),
            generation: Some(generation),
            managed_fields: Some(vec![entry("kubectl-edit", generation, &spec, "")]),
            ..ObjectMeta::default()
        }
    }

    /// Keeps the specs one after the other, as generations 1, 2, …
    fn keep(specs: &[Value]) -> Vec<KeptRevision> {
        let owner = OwnerReference::default();
        let mut kept: Vec<KeptRevision> = Vec::new();
        for (generation, spec) in (1..).zip(specs) {
            let metadata = metadata(generation);
            let chain = RawChain {
                metadata: &metadata,
                spec,
                owner: &owner,
            };
            let next = KeptRevision::next(chain, &kept, at(generation)).unwrap();
            let object = next.object(chain);
            assert_eq!(object.data, Some(RawExtension(spec.clone())));
            assert_eq!(object.revision, next.number);
            let read = KeptRevision::of(&object.metadata);
            assert_eq!(read.as_ref(), Some(&next), "what is written is read");
            kept.retain(|it| it.name != next.name);
            kept.push(next);
        }
        kept
    }

    #[test]
    fn a_spec_that_was_there_before_gets_a_new_number_and_its_old_name() {
        let (one, two) = (json!({"a": 1, "b": 2}), json!({"a": 2}));
        let kept = keep(&[one.clone(), two.clone()]);
        let numbers: Vec<i64> = kept.iter().map(|it| it.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert_eq!(kept[0].after, None);
        assert_eq!(kept[1].after.as_ref(), Some(&kept[0].name));

        // The order of fields means nothing.
        let again = json!({"b": 2, "a": 1});
        let kept_again = keep(&[one.clone(), two, again]);
        let names: Vec<&String> = kept_again.iter().map(|it| &it.name).collect();
        assert_eq!(names, [&kept[1].name, &kept[0].name]);
        let newest = newest(&kept_again).unwrap();
        assert_eq!((newest.number, newest.generation), (3, 3));
        assert_eq!(newest.after.as_ref(), Some(&kept[1].name));

        // A generation without a change of the spec.
        let same = keep(&[one.clone(), one]);
        assert_eq!((same.len(), same[0].number, same[0].generation), (1, 1, 2));
    }

    #[test]
    fn the_oldest_are_too_many() {
        let specs: Vec<Value> = (0..12).map(|it| json!({"a": it})).collect();
        let mut kept = keep(&specs);
        kept.reverse();
        let numbers = |limit| -> Vec<i64> {
            let surplus = surplus(&kept, limit).into_iter();
            surplus.map(|it| it.number).collect()
        };
        assert_eq!(numbers(10), [1, 2]);
        assert_eq!(numbers(12), [0; 0]);
        assert_eq!(numbers(20), [0; 0]);
    }

    #[test]
    fn the_manager_that_has_changed_the_spec_last_is_named() {
        let all = |list: &[(&str, i64)]| -> Vec<(String, Timestamp)> {
            let all = list.iter();
            all.map(|(by, second)| ((*by).to_owned(), at(*second)))
                .collect()
        };
        for (row, managers, known, now, expected) in [
            ("none", &[][..], &[][..], 30, (None, 30)),
            (
                "the newest",
                &[("edit", 10), ("flux", 5)],
                &[],
                30,
                (Some("edit"), 10),
            ),
            (
                "a new one",
                &[("edit", 10), ("flux", 5)],
                &[("flux", 5)],
                30,
                (Some("edit"), 10),
            ),
            (
                "another one in the same second",
                &[("a", 10), ("b", 10), ("c", 10)],
                &[("a", 10), ("c", 10)],
                10,
                (Some("b"), 10),
            ),
            (
                "one that comes again",
                &[("a", 20), ("b", 10)],
                &[("a", 5), ("b", 10)],
                30,
                (Some("a"), 20),
            ),
            (
                "no new one, since fields were only removed",
                &[("edit", 10)],
                &[("edit", 10)],
                30,
                (None, 30),
            ),
            (
                "the same one twice in a second",
                &[("edit", 10)],
                &[("edit", 10)],
                11,
                (Some("edit"), 10),
            ),
        ] {
            let (by, second) = expected;
            let expected = SpecChange {
                by: by.map(str::to_owned),
                at: at(second),
            };
            let found = spec_change(&all(managers), &all(known), at(now));
            assert_eq!(found, expected, "{row}");
        }
    }

    #[test]
    fn managers_of_the_status_and_of_finalizers_have_not_changed_the_spec() {
        let (spec, other) = (json!({"f:spec": {}}), json!({"f:metadata": {}}));
        let all = [
            entry("kubectl-edit", 10, &spec, ""),
            entry("status", 20, &spec, "status"),
            entry("finalizer", 20, &other, ""),
        ];
        let found = managers_of_spec(&all).map(|it| it.manager.as_deref());
        assert_eq!(found.collect::<Vec<_>>(), [Some("kubectl-edit")]);
    }

    #[test]
    fn a_patch_removes_what_it_has_no_more() {
        let revision = KeptRevision {
            name: "orders-1".into(),
            number: 3,
            generation: 7,
            change: SpecChange {
                by: None,
                at: at(0),
            },
            managers: Vec::new(),
            after: None,
        };
        let patch = revision.patch();
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        assert_eq!(annotations[CHANGED_BY], Value::Null);
        assert_eq!(annotations[REVISION], "3");
        assert_eq!(patch["revision"], 3);
        assert_eq!(KeptRevision::of(&ObjectMeta::default()), None);
    }
}
