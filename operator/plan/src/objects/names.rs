//! The names, labels and annotations of what a chain owns in Kubernetes.

use std::collections::BTreeMap;

use cloudtasks::QueuePath;
use crds::AddedMetadata;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;
use serde::Serialize;

use crate::model::{Desired, DesiredStage, hash};

/// The chain that an object belongs to.
pub const CHAIN_LABEL: &str = "executor-chain.dev/chain";

/// The stage that an object belongs to.
pub const STAGE_LABEL: &str = "executor-chain.dev/stage";

/// The full path of the queue that a Deployment's workers serve.
pub const QUEUE_ANNOTATION: &str = "executor-chain.dev/queue";

/// A hash of what was applied last: it tells a change of the spec from a change by hand.
pub const HASH_ANNOTATION: &str = "executor-chain.dev/applied";

/// The kind of every child's second owner.
const NAMESPACE: &str = "Namespace";

/// Keeps a chain until its queues are paused.
pub const FINALIZER: &str = "executor-chain.dev/queues";

/// What selects a stage's pods. A selector is immutable, so it holds no more than it must.
pub fn selector(chain: &str, stage: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (CHAIN_LABEL.to_owned(), chain.to_owned()),
        (STAGE_LABEL.to_owned(), stage.to_owned()),
    ])
}

/// The labels of a stage's objects.
pub(crate) fn labels(desired: &Desired, stage: &DesiredStage) -> BTreeMap<String, String> {
    let mut labels = selector(&desired.name, &stage.name);
    labels.insert("app.kubernetes.io/name".into(), "executor-worker".into());
    labels.insert(
        "app.kubernetes.io/managed-by".into(),
        "executor-operator".into(),
    );
    labels
}

/// The metadata of a stage's object, with what the user adds.
pub(crate) fn metadata(
    desired: &Desired,
    stage: &DesiredStage,
    added: Option<&AddedMetadata>,
) -> ObjectMeta {
    let added = added.cloned().unwrap_or_default();
    // An object with two owners is left alone by Kubernetes' garbage collector when one is deleted,
    // also in the foreground: workers go when the operator has paused their queues.
    let owners = [&desired.owner, &desired.namespace_owner].into_iter();
    let owners: Vec<_> = owners.flatten().cloned().collect();
    let mut all = added.labels;
    all.extend(labels(desired, stage));
    ObjectMeta {
        name: Some(stage.child.clone()),
        namespace: Some(desired.namespace.clone()),
        labels: Some(all),
        annotations: Some(added.annotations).filter(|added| !added.is_empty()),
        owner_references: Some(owners).filter(|owners| !owners.is_empty()),
        ..ObjectMeta::default()
    }
}

/// The namespace of this name and UID as an owner.
pub fn namespace_owner(name: &str, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "v1".to_owned(),
        kind: NAMESPACE.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: None,
        block_owner_deletion: None,
    }
}

/// The annotation that records what was applied.
pub(crate) fn applied(object: &impl Serialize) -> (String, String) {
    let text = serde_json::to_string(object).expect("Kubernetes objects are plain data");
    (HASH_ANNOTATION.to_owned(), hash(&text))
}

/// Whether `wanted` is what was applied last.
pub(crate) fn is_applied<K: ResourceExt>(found: &K, wanted: &K) -> bool {
    let hash = |object: &K| object.annotations().get(HASH_ANNOTATION).cloned();
    hash(found) == hash(wanted)
}

/// Whether an object that has the name of a child is one of this chain's: it is owned by it, or was
/// left behind by a chain of this name that was deleted with Orphan.
pub(crate) fn is_ours(metadata: &ObjectMeta, owner: Option<&OwnerReference>) -> bool {
    let Some(owner) = owner else { return true };
    let owners = metadata.owner_references.iter().flatten();
    let mut owners = owners.filter(|owner| owner.kind != NAMESPACE).peekable();
    if owners.peek().is_none() {
        let labels = metadata.labels.as_ref();
        let annotations = metadata.annotations.as_ref();
        return labels.and_then(|labels| labels.get(CHAIN_LABEL)) == Some(&owner.name)
            && annotations.is_some_and(|annotations| annotations.contains_key(HASH_ANNOTATION));
    }
    owners.any(|reference| reference.uid == owner.uid)
}

/// The queue that a Deployment's workers serve.
pub fn served_queue(deployment: &Deployment) -> Option<QueuePath> {
    deployment.annotations().get(QUEUE_ANNOTATION)?.parse().ok()
}
