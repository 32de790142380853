//! Echoes: a status that we write comes back by the watch, and is no reason for another round.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crds::ExecutorChainStatus;
use kube::{Resource, ResourceExt};

use crate::reconcile::Chain;

/// What was seen last of each chain, by its UID.
#[derive(Debug, Default)]
pub struct Echoes(Mutex<HashMap<String, Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// A hash of the status that it has, or gets just now, by us.
    told: Option<u64>,
    /// The hash of what is set on its queues, which that status tells.
    set: Option<String>,
    /// A hash of what else starts a round.
    rest: Option<u64>,
}

impl Echoes {
    /// Notes the status that a chain has, or that is about to be written.
    pub fn tells(&self, uid: &str, status: &ExecutorChainStatus) {
        let mut seen = self.seen();
        let seen = seen.entry(uid.to_owned()).or_default();
        seen.told = Some(hash(status));
        seen.set.clone_from(&status.queues_hash);
    }

    /// Whether our last status of a chain tells that what has this hash is set on its queues; nothing if
    /// we have told none.
    pub fn has_set(&self, uid: &str, hash: &str) -> Option<bool> {
        let seen = self.seen();
        let seen = seen.get(uid).filter(|seen| seen.told.is_some())?;
        Some(seen.set.as_deref() == Some(hash))
    }

    /// Whether a status is older than what we have told since.
    pub fn is_behind(&self, uid: &str, status: Option<&ExecutorChainStatus>) -> bool {
        let seen = self.seen();
        let told = seen.get(uid).and_then(|seen| seen.told);
        told.is_some() && told != status.map(hash)
    }

    /// Whether a chain has come that differs from how it came last in nothing but a status which is
    /// ours. One that somebody else wrote is put right, so it is no echo.
    pub fn is_one(&self, chain: &Chain) -> bool {
        let Ok(parsed) = &chain.0 else {
            return false;
        };
        let meta = chain.meta();
        let rest = hash(&(
            meta.generation,
            &meta.deletion_timestamp,
            &meta.finalizers,
            &meta.labels,
            &meta.annotations,
            &meta.owner_references,
        ));
        let mut seen = self.seen();
        let seen = seen.entry(chain.uid().unwrap_or_default()).or_default();
        let is_same = seen.rest.replace(rest) == Some(rest);
        let told = parsed.status.as_ref().map(hash);
        is_same && told.is_some() && told == seen.told
    }

    /// Forgets a chain that is gone.
    pub fn forget(&self, uid: &str) {
        self.seen().remove(uid);
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(value: &impl serde::Serialize) -> u64 {
    let text = serde_json::to_vec(value).expect("it came as JSON");
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use crds::ExecutorChain;
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;

    fn chain(generation: i64, path: Option<&str>) -> Chain {
        let status = path.map(|path| json!({"path": path}));
        let chain: ExecutorChain = serde_json::from_value(json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": "ExecutorChain",
            "metadata": {"name": "orders", "uid": "1f0c", "generation": generation},
            "spec": {
                "notifier": {"queue": "notifier", "url": "https://api.example.com/"},
                "stages": [],
            },
            "status": status,
        }))
        .unwrap();
        DeserializeGuard(Ok(chain))
    }

    fn status(path: &str) -> ExecutorChainStatus {
        ExecutorChainStatus {
            path: Some(path.into()),
            ..ExecutorChainStatus::default()
        }
    }

    #[test]
    fn our_own_status_is_an_echo_and_nothing_else_is() {
        let echoes = Echoes::default();
        assert!(!echoes.is_one(&chain(1, None)), "a new chain");
        assert!(!echoes.is_one(&chain(1, None)), "nothing was told yet");
        echoes.tells("1f0c", &status("incoming"));
        assert!(echoes.is_one(&chain(1, Some("incoming"))));
        assert!(echoes.is_one(&chain(1, Some("incoming"))), "a new watch");
        assert!(!echoes.is_one(&chain(1, Some("forged"))));
        assert!(!echoes.is_one(&chain(1, None)), "a status that is wiped");
        assert!(!echoes.is_one(&chain(2, Some("incoming"))), "an edit");
        assert_eq!(echoes.has_set("1f0c", "5a1e"), Some(false));
        assert!(echoes.is_behind("1f0c", Some(&status("before"))));
        assert!(echoes.is_behind("1f0c", None));
        assert!(!echoes.is_behind("1f0c", Some(&status("incoming"))));
        let set = ExecutorChainStatus {
            queues_hash: Some("5a1e".into()),
            ..status("incoming")
        };
        echoes.tells("1f0c", &set);
        assert_eq!(echoes.has_set("1f0c", "5a1e"), Some(true));
        assert_eq!(echoes.has_set("1f0c", "b0a7"), Some(false));
        echoes.forget("1f0c");
        assert_eq!(echoes.has_set("1f0c", "5a1e"), None);
        assert!(!echoes.is_behind("1f0c", None), "nothing is known");
        assert!(!echoes.is_one(&chain(2, Some("incoming"))));
    }
}
