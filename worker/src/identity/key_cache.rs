//! The cache of the issuer's keys. Keys are fetched again when they are old, or when a token names an
//! unknown key.
//!
//! One tokio task makes all fetches, one at a time. A sender can write any key id into a token, so
//! unknown ids cause few fetches, however many there are. While the issuer can't be reached, the cached
//! keys stay valid.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::key_source::{FETCH_TIMEOUT, FetchedKeys, KeySet, KeySource};
use crate::telemetry::WorkerMetrics;

/// The fetches that unknown ids may cause in a row, and the time until one more is allowed.
const BURST: u32 = 3;
const REFILL_INTERVAL: Duration = Duration::from_secs(30);
/// How long an id that a fetch did not find causes no other fetch. Not forever: a token may arrive
/// before its key is published everywhere.
const NOT_FOUND_TTL: Duration = Duration::from_mins(1);
/// The most such ids that are kept.
const MAX_NOT_FOUND: usize = 1000;
/// The backoff after a failed fetch.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// The cached keys.
#[derive(Debug)]
pub(super) struct KeyCache {
    keys: RwLock<KeySet>,
    budget: Mutex<FetchBudget>,
    requested: Notify,
    /// The number of fetches that have ended.
    ended: watch::Sender<u64>,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self {
            keys: RwLock::default(),
            budget: Mutex::new(FetchBudget::new(Instant::now())),
            requested: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }
}

impl KeyCache {
    pub(super) fn is_empty(&self) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.is_empty()
    }

    /// The key with this id. If it isn't cached and the budget allows it, waits for a fetch.
    pub(super) async fn find(&self, id: &str) -> Option<DecodingKey> {
        if let Some(key) = self.cached(id) {
            return Some(key);
        }
        let mut ended = self.ended.subscribe();
        if !self.budget().allows(id, Instant::now()) {
            return None;
        }
        self.requested.notify_one();
        // All callers wait for the same fetch. If it takes too long, the key counts as unknown.
        let _ = tokio::time::timeout(FETCH_TIMEOUT, ended.changed()).await;
        let key = self.cached(id);
        if key.is_none() {
            self.budget().not_found(id, Instant::now());
        }
        key
    }

    /// Refreshes the keys until it is dropped.
    pub(super) async fn refresh(&self, source: &KeySource, metrics: &WorkerMetrics) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            let fetched = source.fetch().await;
            metrics.keys_fetched(fetched.is_ok());
            let next = match fetched {
                Ok(FetchedKeys { keys, max_age }) => {
                    self.set(keys);
                    backoff = FIRST_BACKOFF;
                    max_age
                }
                Err(error) => {
                    warn!(
                        %error,
                        retry_in = ?backoff,
                        has_cached_keys = !self.is_empty(),
                        "can't fetch the token issuer's keys; cached keys stay valid"
                    );
                    let next = backoff;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                    next
                }
            };
            self.budget().in_progress = false;
            self.ended.send_modify(|ended| *ended += 1);
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = self.requested.notified() => {}
            }
        }
    }

    fn set(&self, keys: KeySet) {
        let mut cached = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = cached.len() == keys.len() && keys.keys().all(|id| cached.contains_key(id));
        if !is_same {
            info!(keys = keys.len(), "the token issuer's keys have changed");
        }
        *cached = keys;
    }

    fn cached(&self, id: &str) -> Option<DecodingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(id).cloned()
    }

    fn budget(&self) -> MutexGuard<'_, FetchBudget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fetches that unknown ids may still cause.
#[derive(Debug)]
struct FetchBudget {
    left: u32,
    since: Instant,
    in_progress: bool,
    not_found: HashMap<String, Instant>,
}

impl FetchBudget {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
            in_progress: false,
            not_found: HashMap::new(),
        }
    }

    /// Whether to wait for a fetch for this id: one in progress, or a new one.
    fn allows(&mut self, id: &str, now: Instant) -> bool {
        let was_not_found = self
            .not_found
            .get(id)
            .is_some_and(|then| now.saturating_duration_since(*then) < NOT_FOUND_TTL);
        if was_not_found {
            return false;
        }
        if self.in_progress {
            return true;
        }
        while self.left < BURST && now.saturating_duration_since(self.since) >= REFILL_INTERVAL {
            self.left += 1;
            self.since += REFILL_INTERVAL;
        }
        if self.left == BURST {
            self.since = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        self.in_progress = allowed;
        allowed
    }

    fn not_found(&mut self, id: &str, now: Instant) {
        if self.not_found.len() >= MAX_NOT_FOUND {
            self.not_found
                .retain(|_, then| now.saturating_duration_since(*then) < NOT_FOUND_TTL);
        }
        if self.not_found.len() < MAX_NOT_FOUND {
            self.not_found.insert(id.to_owned(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many fetches `ids` unknown ids cause, one id each `every`. Each fetch ends before the next id.
    fn fetches(ids: u32, every: Duration) -> u32 {
        let begin = Instant::now();
        let mut budget = FetchBudget::new(begin);
        let mut fetches = 0;
        for number in 0..ids {
            let now = begin + every * number;
            let id = format!("key-{number}");
            if budget.allows(&id, now) {
                fetches += 1;
                budget.in_progress = false;
                budget.not_found(&id, now);
            }
        }
        fetches
    }

    #[test]
    fn unknown_ids_cause_few_fetches_however_many_there_are() {
        assert_eq!(fetches(1000, Duration::ZERO), BURST);
        // Ten minutes of them.
        assert_eq!(fetches(600, Duration::from_secs(1)), BURST + 19);
        assert_eq!(fetches(5, Duration::from_mins(10)), 5);
    }

    #[test]
    fn an_id_that_was_not_found_causes_no_fetch_for_a_while() {
        let begin = Instant::now();
        let mut budget = FetchBudget::new(begin);
        budget.not_found("a", begin);
        assert!(!budget.allows("a", begin + NOT_FOUND_TTL / 2));
        assert!(budget.allows("a", begin + NOT_FOUND_TTL));
        // Other ids wait for the same fetch.
        assert!(budget.allows("b", begin + NOT_FOUND_TTL));
        assert_eq!(budget.left, BURST - 1);
    }

    #[test]
    fn the_number_of_ids_that_were_not_found_is_bounded() {
        let begin = Instant::now();
        let mut budget = FetchBudget::new(begin);
        for number in 0..3 * MAX_NOT_FOUND {
            budget.not_found(&format!("key-{number}"), begin);
        }
        assert_eq!(budget.not_found.len(), MAX_NOT_FOUND);
        budget.not_found("late", begin + NOT_FOUND_TTL);
        assert_eq!(budget.not_found.len(), 1);
    }
}
