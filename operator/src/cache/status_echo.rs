//! The watch shows each status that the operator writes. Such an echo needs no reconcile.

use std::collections::HashMap;

use crds::ExecutorChainStatus;
use kube::{Resource, ResourceExt};
use parking_lot::Mutex;

use crate::chain::{Chain, ContentHash};

/// What is known of each chain, by its UID.
#[derive(Debug, Default)]
pub struct StatusEchoFilter(Mutex<HashMap<String, LastSeen>>);

#[derive(Debug, Default)]
struct LastSeen {
    /// Of the status that we wrote last, or found to need no write.
    status: Option<ContentHash>,
    /// The hash of the queues' settings in that status.
    queues_hash: Option<String>,
    /// That status and its version, from when the API server has taken it until the watch shows that version
    /// or a later one.
    unseen: Option<(u64, ExecutorChainStatus)>,
    /// Of what else triggers a reconcile.
    rest: Option<ContentHash>,
    /// The version that the watch has shown last.
    shown: Option<u64>,
}

impl StatusEchoFilter {
    /// A status is about to be written, or needs no write.
    pub fn written(&self, uid: &str, status: &ExecutorChainStatus) {
        let mut chains = self.0.lock();
        let seen = chains.entry(uid.to_owned()).or_default();
        seen.status = Some(ContentHash::of(status));
        seen.queues_hash.clone_from(&status.queues_hash);
        seen.unseen = None;
    }

    /// The API server has taken a status, in this version of the chain.
    pub fn taken(&self, uid: &str, status: &ExecutorChainStatus, version: Option<&str>) {
        let mut chains = self.0.lock();
        let version = version.and_then(|version| version.parse().ok());
        let Some((seen, version)) = chains.get_mut(uid).zip(version) else {
            return;
        };
        if seen.shown < Some(version) {
            seen.unseen = Some((version, status.clone()));
        }
    }

    /// The last status and its version, if the API server has it and the watch has not shown it yet.
    pub fn unseen(&self, uid: &str) -> Option<(u64, ExecutorChainStatus)> {
        self.0.lock().get(uid)?.unseen.clone()
    }

    /// Whether the last status says that settings with this hash are set on the queues; `None` before
    /// the first status.
    pub fn has_queues_hash(&self, uid: &str, hash: &str) -> Option<bool> {
        let chains = self.0.lock();
        let seen = chains.get(uid).filter(|seen| seen.status.is_some())?;
        Some(seen.queues_hash.as_deref() == Some(hash))
    }

    /// Whether a status is not the last one.
    pub fn is_stale(&self, uid: &str, status: Option<&ExecutorChainStatus>) -> bool {
        let chains = self.0.lock();
        let written = chains.get(uid).and_then(|seen| seen.status);
        written.is_some() && written != status.map(ContentHash::of)
    }

    /// Whether nothing but the status differs from the last time, and the status is ours. A status that
    /// was written outside the operator is no echo: it is corrected.
    pub fn is_echo(&self, chain: &Chain) -> bool {
        let meta = chain.meta();
        let mut chains = self.0.lock();
        let seen = chains.entry(chain.uid().unwrap_or_default()).or_default();
        let version = meta.resource_version.as_ref();
        seen.shown = version.and_then(|version| version.parse().ok());
        let shown = seen.shown;
        // Also when versions are missing: then nothing is known of what came first.
        seen.unseen
            .take_if(|(version, _)| shown.is_none_or(|shown| shown >= *version));
        let rest = ContentHash::of(&(
            meta.generation,
            &meta.deletion_timestamp,
            &meta.finalizers,
            &meta.labels,
            &meta.annotations,
            &meta.owner_references,
        ));
        let is_same = seen.rest.replace(rest) == Some(rest);
        let status = chain.status_hash();
        is_same && status.is_some() && status == seen.status
    }

    /// A chain is deleted.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use crds::ExecutorChain;
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
        chain.into()
    }

    fn with_finalizer(mut chain: Chain) -> Chain {
        chain.meta_mut().finalizers = Some(vec!["executor-chain.dev/queues".to_owned()]);
        chain
    }

    fn status(path: &str) -> ExecutorChainStatus {
        ExecutorChainStatus {
            path: Some(path.into()),
            ..ExecutorChainStatus::default()
        }
    }

    #[test]
    fn only_our_own_status_is_an_echo() {
        let filter = StatusEchoFilter::default();
        assert!(!filter.is_echo(&chain(1, None)), "a new chain");
        assert!(!filter.is_echo(&chain(1, None)), "no status is written yet");
        filter.written("1f0c", &status("incoming"));
        assert!(filter.is_echo(&chain(1, Some("incoming"))));
        assert!(filter.is_echo(&chain(1, Some("incoming"))), "a new watch");
        assert!(!filter.is_echo(&chain(1, Some("forged"))));
        assert!(!filter.is_echo(&chain(1, None)), "a removed status");
        assert!(!filter.is_echo(&chain(2, Some("incoming"))), "an edit");
        filter.forget("1f0c");
        assert!(!filter.is_echo(&chain(2, Some("incoming"))));
    }

    #[test]
    fn a_chain_that_gets_its_finalizer_is_no_echo() {
        let filter = StatusEchoFilter::default();
        filter.written("1f0c", &status("incoming"));
        assert!(!filter.is_echo(&chain(1, Some("incoming"))));
        let with = || with_finalizer(chain(1, Some("incoming")));
        assert!(!filter.is_echo(&with()));
        assert!(filter.is_echo(&with()));
    }

    #[test]
    fn a_status_is_stale_once_another_one_is_written() {
        let filter = StatusEchoFilter::default();
        assert!(!filter.is_stale("1f0c", None), "nothing is known");
        filter.written("1f0c", &status("incoming"));
        assert!(filter.is_stale("1f0c", Some(&status("before"))));
        assert!(filter.is_stale("1f0c", None));
        assert!(!filter.is_stale("1f0c", Some(&status("incoming"))));
    }

    #[test]
    fn a_status_is_known_from_the_answer_until_the_watch_shows_it() {
        let filter = StatusEchoFilter::default();
        let (first, second) = (status("incoming"), status("incoming-2"));
        let shows = |version: &str| {
            let mut chain = chain(1, Some("incoming-2"));
            chain.meta_mut().resource_version = Some(version.into());
            filter.is_echo(&chain);
        };
        filter.taken("1f0c", &first, Some("9"));
        assert_eq!(filter.unseen("1f0c"), None, "it isn't ours");
        filter.written("1f0c", &first);
        assert_eq!(filter.unseen("1f0c"), None, "not answered yet");
        filter.taken("1f0c", &first, Some("9"));
        assert_eq!(filter.unseen("1f0c"), Some((9, first)));
        filter.written("1f0c", &second);
        assert_eq!(filter.unseen("1f0c"), None, "which of the two is unknown");
        filter.taken("1f0c", &second, Some("11"));
        shows("10");
        assert_eq!(filter.unseen("1f0c"), Some((11, second.clone())));
        // Ours, or what another client has written after it.
        shows("12");
        assert_eq!(filter.unseen("1f0c"), None);
        filter.taken("1f0c", &second, Some("12"));
        assert_eq!(filter.unseen("1f0c"), None, "the watch was faster");
        filter.taken("1f0c", &second, None);
        assert_eq!(filter.unseen("1f0c"), None, "nothing says which is newer");
    }

    #[test]
    fn the_last_status_says_what_is_set_on_the_queues() {
        let filter = StatusEchoFilter::default();
        assert_eq!(filter.has_queues_hash("1f0c", "5a1e"), None);
        filter.written("1f0c", &status("incoming"));
        assert_eq!(filter.has_queues_hash("1f0c", "5a1e"), Some(false));
        let set = ExecutorChainStatus {
            queues_hash: Some("5a1e".into()),
            ..status("incoming")
        };
        filter.written("1f0c", &set);
        assert_eq!(filter.has_queues_hash("1f0c", "5a1e"), Some(true));
        assert_eq!(filter.has_queues_hash("1f0c", "b0a7"), Some(false));
        filter.forget("1f0c");
        assert_eq!(filter.has_queues_hash("1f0c", "5a1e"), None);
    }
}
