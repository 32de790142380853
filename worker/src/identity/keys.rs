//! The issuer's keys: cached, fetched anew when they are old, or when a token names one that isn't
//! among them.
//!
//! One task does all fetches, so there is never more than one under way. A token's key id is
//! whatever its sender writes, so ids that aren't known cause few fetches, however many there are.
//! While the issuer is away, the keys that are known go on counting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jsonwebtoken::DecodingKey;
use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use super::fetch::{Fetched, PATIENCE, Source};
use crate::stats::Stats;

/// How many fetches unknown ids may cause in a row, and how often one more.
const BURST: u32 = 3;
const ONE_MORE_AFTER: Duration = Duration::from_secs(30);
/// For how long an id that a fetch has not brought is not asked for again. Not for ever: a token may
/// be here before its key is published everywhere.
const REMEMBERED: Duration = Duration::from_mins(1);
/// How many such ids are remembered.
const MOST_REMEMBERED: usize = 1000;
/// After a failure, as often as needed and as seldom as fair.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The keys by their ids.
pub(super) type KeySet = HashMap<String, DecodingKey>;

/// The keys that are known.
#[derive(Debug)]
pub(super) struct Keys {
    known: RwLock<KeySet>,
    asked: Mutex<Asked>,
    wanted: Notify,
    /// How many fetches have ended.
    ended: watch::Sender<u64>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            known: RwLock::default(),
            asked: Mutex::new(Asked::new(Instant::now())),
            wanted: Notify::new(),
            ended: watch::Sender::new(0),
        }
    }
}

impl Keys {
    pub(super) fn is_empty(&self) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.is_empty()
    }

    /// The key with this id, if need be and if it may be after a fetch.
    pub(super) async fn find(&self, id: &str) -> Option<DecodingKey> {
        if let Some(key) = self.known(id) {
            return Some(key);
        }
        let mut ended = self.ended.subscribe();
        if !self.asked().may_ask(id, Instant::now()) {
            return None;
        }
        self.wanted.notify_one();
        // All that wait, wait for the same one. Without an end the fetch takes too long.
        let _ = tokio::time::timeout(PATIENCE, ended.changed()).await;
        let key = self.known(id);
        if key.is_none() {
            self.asked().remember(id, Instant::now());
        }
        key
    }

    /// Fetches the keys again and again.
    pub(super) async fn keep_fresh(&self, source: &Source, stats: &Stats) {
        let mut failed = FIRST_WAIT;
        loop {
            let fetched = source.fetch().await;
            stats.keys_fetched(fetched.is_ok());
            let next = match fetched {
                Ok(Fetched { keys, fresh_for }) => {
                    self.set(keys);
                    failed = FIRST_WAIT;
                    fresh_for
                }
                Err(error) => {
                    warn!(
                        %error,
                        again_in = ?failed,
                        are_there = !self.is_empty(),
                        "the keys of the tokens' issuer can't be fetched; those that are there go on counting"
                    );
                    let next = failed;
                    failed = (failed * 2).min(LONGEST_WAIT);
                    next
                }
            };
            self.asked().is_under_way = false;
            self.ended.send_modify(|ended| *ended += 1);
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    fn set(&self, keys: KeySet) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = known.len() == keys.len() && keys.keys().all(|id| known.contains_key(id));
        if !is_same {
            info!(
                keys = keys.len(),
                "the keys of the tokens' issuer are there, and are others than before"
            );
        }
        *known = keys;
    }

    fn known(&self, id: &str) -> Option<DecodingKey> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What unknown ids may still cause.
#[derive(Debug)]
struct Asked {
    left: u32,
    since: Instant,
    is_under_way: bool,
    unknown: HashMap<String, Instant>,
}

impl Asked {
    fn new(now: Instant) -> Self {
        Self {
            left: BURST,
            since: now,
            is_under_way: false,
            unknown: HashMap::new(),
        }
    }

    /// Whether a fetch for this id is worth waiting for: one that is under way, or a new one.
    fn may_ask(&mut self, id: &str, now: Instant) -> bool {
        let is_unknown = self
            .unknown
            .get(id)
            .is_some_and(|then| now.saturating_duration_since(*then) < REMEMBERED);
        if is_unknown {
            return false;
        }
        if self.is_under_way {
            return true;
        }
        while self.left < BURST && now.saturating_duration_since(self.since) >= ONE_MORE_AFTER {
            self.left += 1;
            self.since += ONE_MORE_AFTER;
        }
        if self.left == BURST {
            self.since = now;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        self.is_under_way = may;
        may
    }

    fn remember(&mut self, id: &str, now: Instant) {
        if self.unknown.len() >= MOST_REMEMBERED {
            self.unknown
                .retain(|_, then| now.saturating_duration_since(*then) < REMEMBERED);
        }
        if self.unknown.len() < MOST_REMEMBERED {
            self.unknown.insert(id.to_owned(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many fetches ids that are never known cause, one each `every`, each fetch being over
    /// before the next id.
    fn fetches(ids: u32, every: Duration) -> u32 {
        let begin = Instant::now();
        let mut asked = Asked::new(begin);
        let mut fetches = 0;
        for number in 0..ids {
            let now = begin + every * number;
            let id = format!("key-{number}");
            if asked.may_ask(&id, now) {
                fetches += 1;
                asked.is_under_way = false;
                asked.remember(&id, now);
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
    fn an_id_that_was_asked_for_in_vain_waits_before_it_is_asked_for_again() {
        let begin = Instant::now();
        let mut asked = Asked::new(begin);
        asked.remember("a", begin);
        assert!(!asked.may_ask("a", begin + REMEMBERED / 2));
        assert!(asked.may_ask("a", begin + REMEMBERED));
        // Whoever comes meanwhile waits for the same fetch.
        assert!(asked.may_ask("b", begin + REMEMBERED));
        assert_eq!(asked.left, BURST - 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let begin = Instant::now();
        let mut asked = Asked::new(begin);
        for number in 0..3 * MOST_REMEMBERED {
            asked.remember(&format!("key-{number}"), begin);
        }
        assert_eq!(asked.unknown.len(), MOST_REMEMBERED);
        asked.remember("late", begin + REMEMBERED);
        assert_eq!(asked.unknown.len(), 1);
    }
}
