//! The revisions of chains' specs that are kept, from one list of their metadata in each scope. Nobody but the
//! leader writes them, so no watch is needed.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::{DynamicObject, ListParams};
use parking_lot::Mutex;
use plan::objects::names::CHAIN_LABEL;
use plan::objects::revision::{KeptRevision, newest, only_spec, surplus};
use tokio::sync::Notify;

use crate::api_server::call;
use crate::cache::packed_object::{Model, PackedObject};
use crate::chain::{NamespacedName, name_in};
use crate::error::Error;
use crate::namespaces::Scope;

/// How many the API server lists at a time.
const PAGE: u32 = 500;
/// How long after a list that has failed no other one is tried.
const RETRY: Duration = Duration::from_mins(1);

/// The revisions of all chains.
pub struct RevisionCache {
    client: Client,
    scopes: Vec<Scope>,
    limit: usize,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    lists: BTreeMap<Scope, LastList>,
    /// By UID: a deleted chain of the same name may have left some.
    kept: HashMap<NamespacedName, HashMap<String, Vec<KeptRevision>>>,
    /// The oldest of a chain first.
    due: BTreeMap<NamespacedName, Vec<DueRevision>>,
    model: Model,
}

enum LastList {
    Complete,
    Failed(Instant),
}

/// How often a write is tried, before the next reconcile has to note the chain again.
const TRIES: u8 = 3;

/// A chain whose spec is to be kept, if it isn't.
#[derive(Debug, Clone)]
pub struct DueRevision {
    /// Its namespace and name.
    pub chain: NamespacedName,
    /// Its UID.
    pub uid: String,
    /// The generation of the spec.
    pub generation: i64,
    /// When it, or the one before that it has replaced, became due.
    pub since: Instant,
    /// When this generation was seen: who has changed it is told from changes shortly before.
    pub seen: Timestamp,
    /// How many writes have failed.
    failures: u8,
    /// The chain as the API server has answered with this generation, if it has: then it needs no read, and no
    /// newer generation replaces it, but for those that are more than are kept.
    answer: Option<PackedObject>,
}

impl DueRevision {
    /// The chain as the API server has answered with it, without its status.
    pub fn answer(&self) -> Option<DynamicObject> {
        self.answer.as_ref().map(PackedObject::unpack)
    }
}

impl RevisionCache {
    /// Of chains in `scopes`, at most `limit` of each.
    pub fn new(client: Client, scopes: Vec<Scope>, limit: u16) -> Self {
        Self {
            client,
            scopes,
            limit: limit.into(),
            state: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// A chain was reconciled: its spec is to be kept.
    pub fn reconciled(&self, chain: &ObjectMeta) {
        if self.state.lock().reconciled(chain, self.limit) {
            self.wake.notify_one();
        }
    }

    /// The API server has answered a write of a chain's status with the chain.
    pub fn answered(&self, chain: DynamicObject) {
        if self.state.lock().answered(chain, self.limit) {
            self.wake.notify_one();
        }
    }

    /// Waits for a chain whose spec is to be kept. Returns since when the oldest is due.
    pub async fn next_due(&self) -> Instant {
        loop {
            if let Some(due) = self.state.lock().oldest() {
                return due.since;
            }
            self.wake.notified().await;
        }
    }

    /// Whether several specs are to be kept.
    pub fn are_many_due(&self) -> bool {
        let state = self.state.lock();
        let all = state.due.values().map(Vec::len);
        all.sum::<usize>() > 1
    }

    /// The one that has been due for the longest. It stays due.
    pub fn oldest_due(&self) -> Option<DueRevision> {
        self.state.lock().oldest().cloned()
    }

    /// It is kept, or needs not be.
    pub fn done(&self, due: &DueRevision) {
        self.state.lock().remove(due);
    }

    /// It could not be kept.
    pub fn failed(&self, due: &DueRevision) {
        self.state.lock().failed(due);
    }

    /// The revisions of a chain; `None` if its spec is among them already, or nothing is known of them.
    pub async fn before(&self, due: &DueRevision) -> Result<Option<Vec<KeptRevision>>, Error> {
        let (namespace, _) = &due.chain;
        let mut scopes = self.scopes.iter();
        let Some(scope) = scopes.find(|it| it.covers(namespace)) else {
            return Ok(None);
        };
        if !self.is_listed(scope).await? {
            return Ok(None);
        }
        let state = self.state.lock();
        Ok((!state.has(due)).then(|| state.of(due).to_vec()))
    }

    /// A revision of a chain was written. Returns those that are too many now.
    pub fn written(&self, due: &DueRevision, revision: KeptRevision) -> Vec<KeptRevision> {
        let mut state = self.state.lock();
        let revisions = state.of_mut(&due.chain, &due.uid);
        revisions.retain(|it| it.name != revision.name);
        revisions.push(revision);
        surplus(revisions, self.limit)
    }

    /// A revision of a chain was deleted.
    pub fn deleted(&self, due: &DueRevision, name: &str) {
        let mut state = self.state.lock();
        let revisions = state.of_mut(&due.chain, &due.uid);
        revisions.retain(|it| it.name != name);
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        let mut state = self.state.lock();
        state.kept.remove(&name);
        state.due.remove(&name);
    }

    /// Lists a scope once. After a failure that is only reported once for a while.
    async fn is_listed(&self, scope: &Scope) -> Result<bool, Error> {
        match self.state.lock().lists.get(scope) {
            Some(LastList::Complete) => return Ok(true),
            Some(LastList::Failed(at)) if at.elapsed() < RETRY => return Ok(false),
            Some(LastList::Failed(_)) | None => {}
        }
        let listed = self.list(scope).await;
        let mut state = self.state.lock();
        match listed {
            Ok(found) => {
                for (chain, uid, revision) in found {
                    state.of_mut(&chain, &uid).push(revision);
                }
                state.lists.insert(scope.clone(), LastList::Complete);
                Ok(true)
            }
            Err(error) => {
                let failed = LastList::Failed(Instant::now());
                state.lists.insert(scope.clone(), failed);
                Err(error)
            }
        }
    }

    async fn list(
        &self,
        scope: &Scope,
    ) -> Result<Vec<(NamespacedName, String, KeptRevision)>, Error> {
        let api = scope.api::<ControllerRevision>(&self.client);
        // A cluster may have very many others.
        let mut parameters = ListParams::default().labels(CHAIN_LABEL).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let list = api.list_metadata(&parameters);
            let page = call("list ControllerRevisions", list).await?;
            found.extend(page.items.iter().filter_map(|it| of_chain(&it.metadata)));
            let Some(next) = page.metadata.continue_.filter(|next| !next.is_empty()) else {
                return Ok(found);
            };
            parameters = parameters.continue_token(&next);
        }
    }
}

impl State {
    /// Whether its spec is to be kept.
    fn reconciled(&mut self, chain: &ObjectMeta, limit: usize) -> bool {
        let (Some(uid), Some(generation)) = (&chain.uid, chain.generation) else {
            return false;
        };
        let mut due = DueRevision {
            chain: name_in(chain),
            uid: uid.clone(),
            generation,
            since: Instant::now(),
            seen: Timestamp::now(),
            failures: 0,
            answer: None,
        };
        if limit == 0 || chain.deletion_timestamp.is_some() || self.has(&due) {
            return false;
        }
        let all = self.due.entry(due.chain.clone()).or_default();
        all.retain(|it| it.uid == due.uid);
        if all
            .iter()
            .any(|it| it.generation >= generation && it.answer.is_some())
        {
            return true;
        }
        // A read shows the newest generation alone.
        if let Some(replaced) = all.pop_if(|it| it.answer.is_none()) {
            due.since = replaced.since;
        }
        all.push(due);
        let surplus = all.len().saturating_sub(limit);
        all.drain(..surplus);
        true
    }

    fn answered(&mut self, chain: DynamicObject, limit: usize) -> bool {
        if !self.reconciled(&chain.metadata, limit) {
            return false;
        }
        let all = self.due.get_mut(&name_in(&chain.metadata));
        let newest = all.and_then(|all| all.last_mut());
        if let Some(newest) = newest.filter(|it| it.answer.is_none()) {
            newest.answer = Some(PackedObject::of(&only_spec(chain), &mut self.model));
        }
        true
    }

    fn oldest(&self) -> Option<&DueRevision> {
        let first = self.due.values().filter_map(|all| all.first());
        first.min_by_key(|due| due.since)
    }

    fn remove(&mut self, due: &DueRevision) {
        let Some(all) = self.due.get_mut(&due.chain) else {
            return;
        };
        all.retain(|it| (&it.uid, it.generation) != (&due.uid, due.generation));
        if all.is_empty() {
            self.due.remove(&due.chain);
        }
    }

    fn failed(&mut self, due: &DueRevision) {
        let all = self.due.get_mut(&due.chain).into_iter().flatten();
        let mut same = all.filter(|it| (&it.uid, it.generation) == (&due.uid, due.generation));
        let Some(same) = same.next() else { return };
        same.failures += 1;
        if same.failures == TRIES {
            self.remove(due);
        }
    }

    fn of(&self, due: &DueRevision) -> &[KeptRevision] {
        let kept = self.kept.get(&due.chain);
        kept.and_then(|kept| kept.get(&due.uid))
            .map_or(&[], Vec::as_slice)
    }

    fn of_mut(&mut self, chain: &NamespacedName, uid: &str) -> &mut Vec<KeptRevision> {
        let kept = self.kept.entry(chain.clone()).or_default();
        kept.entry(uid.to_owned()).or_default()
    }

    fn has(&self, due: &DueRevision) -> bool {
        let newest = newest(self.of(due));
        newest.is_some_and(|it| it.generation >= due.generation)
    }
}

fn of_chain(metadata: &ObjectMeta) -> Option<(NamespacedName, String, KeptRevision)> {
    let chain = metadata.labels.as_ref()?.get(CHAIN_LABEL)?;
    let owner = metadata.owner_references.as_ref()?.first()?;
    let namespace = metadata.namespace.clone()?;
    let revision = KeptRevision::of(metadata)?;
    Some(((namespace, chain.clone()), owner.uid.clone(), revision))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(uid: &str, generation: i64) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": "ExecutorChain",
            "metadata": {
                "name": "orders", "namespace": "shop", "uid": uid, "generation": generation,
                "annotations": {"team": "shop"},
                "managedFields": [
                    {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:stages": {}}}},
                    {"manager": "executor-operator", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
                ],
            },
            "spec": {"stages": [{"name": "fast"}], "unknown": generation},
            "status": {"path": "incoming"},
        }))
        .unwrap()
    }

    const LIMIT: usize = 3;

    fn answered(state: &mut State, uid: &str, generation: i64) {
        assert!(state.answered(chain(uid, generation), LIMIT));
    }

    fn reconciled(state: &mut State, uid: &str, generation: i64) {
        assert!(state.reconciled(&chain(uid, generation).metadata, LIMIT));
    }

    fn take_oldest(state: &mut State) -> Option<DueRevision> {
        let oldest = state.oldest()?.clone();
        state.remove(&oldest);
        Some(oldest)
    }

    /// The generations that are due, and what is kept of each: `2 read`, `3`.
    fn due(mut state: State) -> Vec<String> {
        let due = std::iter::from_fn(|| take_oldest(&mut state));
        let due = due.map(|due| match due.answer() {
            Some(answer) => answer.data["spec"]["unknown"].to_string(),
            None => format!("{} read", due.generation),
        });
        due.collect()
    }

    #[test]
    fn a_chain_that_the_api_server_has_answered_with_needs_no_read() {
        let mut state = State::default();
        answered(&mut state, "1f0c", 1);
        // Of the same reconcile, and of one that has written no status.
        reconciled(&mut state, "1f0c", 1);
        let due = take_oldest(&mut state).unwrap();
        let answer = serde_json::to_value(due.answer().unwrap()).unwrap();
        assert_eq!(
            answer,
            json!({
                "apiVersion": "executor-chain.dev/v1alpha1",
                "kind": "ExecutorChain",
                "metadata": {
                    "name": "orders", "namespace": "shop", "uid": "1f0c", "generation": 1,
                    "managedFields": [
                        {"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
                    ],
                },
                "spec": {"stages": [{"name": "fast"}], "unknown": 1},
            })
        );
    }

    #[test]
    fn every_generation_that_was_answered_is_due_and_of_those_that_need_a_read_the_newest() {
        let mut state = State::default();
        answered(&mut state, "1f0c", 1);
        answered(&mut state, "1f0c", 2);
        reconciled(&mut state, "1f0c", 3);
        reconciled(&mut state, "1f0c", 4);
        assert_eq!(due(state), ["1", "2", "4 read"]);
    }

    #[test]
    fn a_late_look_at_an_older_generation_changes_nothing() {
        let mut state = State::default();
        answered(&mut state, "1f0c", 2);
        reconciled(&mut state, "1f0c", 1);
        assert_eq!(due(state), ["2"]);
    }

    #[test]
    fn no_more_are_due_than_are_kept_and_none_of_a_former_chain() {
        let mut state = State::default();
        answered(&mut state, "2a1d", 1);
        for generation in 2..=5 {
            answered(&mut state, "1f0c", generation);
        }
        assert_eq!(due(state), ["3", "4", "5"]);
        let mut state = State::default();
        assert!(!state.answered(chain("1f0c", 1), 0));
        assert!(due(state).is_empty());
    }

    #[test]
    fn one_that_fails_stays_the_first_until_it_has_failed_too_often() {
        let mut state = State::default();
        answered(&mut state, "1f0c", 1);
        answered(&mut state, "1f0c", 2);
        for _ in 0..TRIES {
            let oldest = state.oldest().unwrap().clone();
            assert_eq!(oldest.generation, 1);
            state.failed(&oldest);
        }
        assert_eq!(due(state), ["2"]);
    }

    #[test]
    fn what_has_been_due_for_the_longest_is_taken_first() {
        let now = Instant::now();
        let mut state = State::default();
        for (name, since) in [("a", 20), ("z", 1), ("m", 5)] {
            let chain = ("shop".to_owned(), name.to_owned());
            let due = DueRevision {
                chain: chain.clone(),
                uid: "1f0c".into(),
                generation: 1,
                since: now + Duration::from_secs(since),
                seen: Timestamp::now(),
                failures: 0,
                answer: None,
            };
            state.due.insert(chain, vec![due]);
        }
        let taken = std::iter::from_fn(|| take_oldest(&mut state));
        let names: Vec<String> = taken.map(|due| due.chain.1).collect();
        assert_eq!(names, ["z", "m", "a"]);
    }
}
