//! Since when each timed condition has held, and the last count of each queue.
//!
//! In memory only: a new process, or a new leader, waits once more, which is safe.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use parking_lot::Mutex;
use plan::{Backlog, ParkedCount, TimedCondition};

/// Timers and counts of each chain, by its UID.
#[derive(Debug, Default)]
pub struct ConditionTimers(Mutex<HashMap<String, ChainTimers>>);

#[derive(Debug, Default)]
struct ChainTimers {
    since: BTreeMap<TimedCondition, Instant>,
    counted: BTreeMap<QueuePath, (Backlog, Instant)>,
    parked: BTreeMap<QueuePath, (ParkedCount, Instant)>,
}

impl ConditionTimers {
    /// The conditions that held at the last call of [`elapsed`](Self::elapsed); `None` for an unknown
    /// chain.
    pub fn known(&self, uid: &str) -> Option<BTreeSet<TimedCondition>> {
        let chains = self.0.lock();
        let chain = chains.get(uid)?;
        Some(chain.since.keys().cloned().collect())
    }

    /// For how long each of the conditions that hold now has held. Others have ended.
    pub fn elapsed(
        &self,
        uid: &str,
        hold: BTreeSet<TimedCondition>,
        now: Instant,
    ) -> BTreeMap<TimedCondition, Duration> {
        let mut chains = self.0.lock();
        let chain = chains.entry(uid.to_owned()).or_default();
        let since: BTreeMap<TimedCondition, Instant> = hold
            .into_iter()
            .map(|condition| {
                let since = chain.since.get(&condition).copied().unwrap_or(now);
                (condition, since)
            })
            .collect();
        chain.since.clone_from(&since);
        since
            .into_iter()
            .map(|(condition, since)| (condition, now.saturating_duration_since(since)))
            .collect()
    }

    /// Takes new counts.
    pub fn counted(&self, uid: &str, backlogs: &BTreeMap<QueuePath, Backlog>, now: Instant) {
        let mut chains = self.0.lock();
        let chain = chains.entry(uid.to_owned()).or_default();
        let counted = backlogs.iter();
        chain
            .counted
            .extend(counted.map(|(queue, backlog)| (queue.clone(), (*backlog, now))));
    }

    /// The last count of each queue, and its age.
    pub fn backlogs(&self, uid: &str, now: Instant) -> BTreeMap<QueuePath, (Backlog, Duration)> {
        let chains = self.0.lock();
        let counted = chains.get(uid).into_iter().flat_map(|chain| &chain.counted);
        counted
            .map(|(queue, (backlog, then))| {
                let age = now.saturating_duration_since(*then);
                (queue.clone(), (*backlog, age))
            })
            .collect()
    }

    /// Takes a new count of a parking queue.
    pub fn counted_parked(&self, uid: &str, queue: &QueuePath, count: ParkedCount, now: Instant) {
        let mut chains = self.0.lock();
        let chain = chains.entry(uid.to_owned()).or_default();
        chain.parked.insert(queue.clone(), (count, now));
    }

    /// The last count of a parking queue, and its age.
    pub fn parked(
        &self,
        uid: &str,
        queue: &QueuePath,
        now: Instant,
    ) -> Option<(ParkedCount, Duration)> {
        let chains = self.0.lock();
        let (count, then) = chains.get(uid)?.parked.get(queue)?;
        Some((*count, now.saturating_duration_since(*then)))
    }

    /// A chain is deleted.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_ended_starts_again_at_zero() {
        let timers = ConditionTimers::default();
        let condition = || BTreeSet::from([TimedCondition::ChainIsEmpty]);
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let elapsed = |hold, after: u32| {
            let elapsed = timers.elapsed("1f0c", hold, begin + second * after);
            elapsed.get(&TimedCondition::ChainIsEmpty).copied()
        };
        assert_eq!(timers.known("1f0c"), None);
        assert_eq!(elapsed(condition(), 0), Some(Duration::ZERO));
        assert_eq!(elapsed(condition(), 3), Some(second * 3));
        assert_eq!(timers.known("1f0c"), Some(condition()));
        assert_eq!(elapsed(BTreeSet::new(), 4), None);
        assert_eq!(elapsed(condition(), 5), Some(Duration::ZERO));
        timers.forget("1f0c");
        assert_eq!(elapsed(condition(), 6), Some(Duration::ZERO));
    }
}
