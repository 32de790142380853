//! Since when what has to hold for a while has held: what a plan is told about time. And what was
//! counted last, which a status may tell.
//!
//! It lives in this process alone. Whoever starts anew, or takes over as the leader, waits once more,
//! which harms nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use plan::{Backlog, TimedCondition};

/// What is remembered of each chain, by its UID.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Chain>>);

#[derive(Debug, Default)]
struct Chain {
    facts: BTreeMap<TimedCondition, Instant>,
    counted: BTreeMap<QueuePath, (Backlog, Instant)>,
}

impl Memory {
    /// The facts that held the last time; `None` where nothing is known of the chain.
    pub fn known(&self, uid: &str) -> Option<BTreeSet<TimedCondition>> {
        let chains = self.chains();
        let chain = chains.get(uid)?;
        Some(chain.facts.keys().cloned().collect())
    }

    /// Takes the facts that hold now, and says for how long each has. One that is not among them has
    /// ended.
    pub fn held(
        &self,
        uid: &str,
        facts: BTreeSet<TimedCondition>,
        now: Instant,
    ) -> BTreeMap<TimedCondition, Duration> {
        let mut chains = self.chains();
        let chain = chains.entry(uid.to_owned()).or_default();
        let since: BTreeMap<TimedCondition, Instant> = facts
            .into_iter()
            .map(|fact| {
                let since = chain.facts.get(&fact).copied().unwrap_or(now);
                (fact, since)
            })
            .collect();
        chain.facts.clone_from(&since);
        since
            .into_iter()
            .map(|(fact, since)| (fact, now.saturating_duration_since(since)))
            .collect()
    }

    /// Takes what was counted now.
    pub fn counted(&self, uid: &str, backlogs: &BTreeMap<QueuePath, Backlog>, now: Instant) {
        let mut chains = self.chains();
        let chain = chains.entry(uid.to_owned()).or_default();
        let counted = backlogs.iter();
        chain
            .counted
            .extend(counted.map(|(queue, backlog)| (queue.clone(), (*backlog, now))));
    }

    /// What each queue had when it was counted last, and how long ago that was.
    pub fn backlogs(&self, uid: &str, now: Instant) -> BTreeMap<QueuePath, (Backlog, Duration)> {
        let chains = self.chains();
        let counted = chains.get(uid).into_iter().flat_map(|chain| &chain.counted);
        counted
            .map(|(queue, (backlog, then))| {
                (
                    queue.clone(),
                    (*backlog, now.saturating_duration_since(*then)),
                )
            })
            .collect()
    }

    /// Forgets a chain that is gone.
    pub fn forget(&self, uid: &str) {
        self.chains().remove(uid);
    }

    fn chains(&self) -> MutexGuard<'_, HashMap<String, Chain>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_ends_begins_anew() {
        let memory = Memory::default();
        let fact = || BTreeSet::from([TimedCondition::ChainIsEmpty]);
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let held = |facts, after: u32| {
            let held = memory.held("1f0c", facts, begin + second * after);
            held.get(&TimedCondition::ChainIsEmpty).copied()
        };
        assert_eq!(memory.known("1f0c"), None);
        assert_eq!(held(fact(), 0), Some(Duration::ZERO));
        assert_eq!(held(fact(), 3), Some(second * 3));
        assert_eq!(memory.known("1f0c"), Some(fact()));
        assert_eq!(held(BTreeSet::new(), 4), None);
        assert_eq!(held(fact(), 5), Some(Duration::ZERO));
        memory.forget("1f0c");
        assert_eq!(held(fact(), 6), Some(Duration::ZERO));
    }
}
