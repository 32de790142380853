//! The names, labels and annotations of what a chain owns in Kubernetes.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::desired::{Desired, DesiredStage};

/// The chain that an object belongs to.
pub const CHAIN_LABEL: &str = "executor-chain.dev/chain";
/// The stage that an object belongs to.
pub const STAGE_LABEL: &str = "executor-chain.dev/stage";
/// The full path of the queue that a Deployment's workers serve.
pub const QUEUE_ANNOTATION: &str = "executor-chain.dev/queue";
/// A hash of what was applied last: what tells a change of the spec from somebody's change by hand.
pub const HASH_ANNOTATION: &str = "executor-chain.dev/applied";
/// Keeps a chain until its queues are paused.
pub const FINALIZER: &str = "executor-chain.dev/queues";

/// Service names are DNS labels.
const LONGEST: usize = 63;

/// The name of a stage's Deployment and Service. Chain and stage have up to 63 characters each:
/// what is too long is cut, and a hash keeps it apart from its like.
pub fn child_name(chain: &str, stage: &str) -> String {
    let name = format!("{chain}-{stage}");
    if name.len() <= LONGEST {
        return name;
    }
    let hash = hash(&name);
    let kept: String = name.chars().take(LONGEST - hash.len() - 1).collect();
    format!("{}-{hash}", kept.trim_end_matches('-'))
}

/// The first eight hex digits of a SHA-256.
pub(crate) fn hash(text: &str) -> String {
    digits(text, 8)
}

/// The first hex digits of a SHA-256, as many as there are at most.
pub(crate) fn digits(text: &str, count: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    hex.truncate(count);
    hex
}

/// What selects a stage's pods. A selector can't be changed, so it holds no more than it must.
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

/// The metadata of a stage's object.
pub(crate) fn metadata(desired: &Desired, stage: &DesiredStage) -> ObjectMeta {
    ObjectMeta {
        name: Some(stage.child.clone()),
        namespace: Some(desired.namespace.clone()),
        labels: Some(labels(desired, stage)),
        owner_references: desired.owner.clone().map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The annotation by which the next look knows what was applied.
pub(crate) fn applied(object: &impl Serialize) -> (String, String) {
    let text = serde_json::to_string(object).expect("Kubernetes objects are plain data");
    (HASH_ANNOTATION.to_owned(), hash(&text))
}

/// Whether an object that has the name of a child is one of this chain's: it is owned by it, or was
/// left behind by a chain of this name that was deleted with Orphan.
pub(crate) fn is_ours(metadata: &ObjectMeta, owner: Option<&OwnerReference>) -> bool {
    let Some(owner) = owner else { return true };
    let mut owners = metadata.owner_references.iter().flatten().peekable();
    if owners.peek().is_none() {
        let labels = metadata.labels.as_ref();
        let annotations = metadata.annotations.as_ref();
        return labels.and_then(|labels| labels.get(CHAIN_LABEL)) == Some(&owner.name)
            && annotations.is_some_and(|annotations| annotations.contains_key(HASH_ANNOTATION));
    }
    owners.any(|reference| reference.uid == owner.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_and_kept_apart() {
        assert_eq!(child_name("orders", "fast"), "orders-fast");
        let one = child_name(&"a".repeat(60), "first-stage");
        let two = child_name(&"a".repeat(60), "first-stagf");
        assert_eq!(one.len(), 63);
        assert_ne!(one, two);
        assert!(!child_name(&format!("{}-b", "a".repeat(52)), "xxxxxxxxxxxxxx").contains("--"));
    }
}
