//! Since when what has to hold for a while has held: what a plan is told about time.
//!
//! It lives in this process alone. Whoever starts anew, or takes over as the leader, waits once more,
//! which harms nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use plan::Fact;

/// Since when each fact has held, by the UID of its chain.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, BTreeMap<Fact, Instant>>>);

impl Memory {
    /// Takes the facts that hold now, and says for how long each has. One that is not among them has
    /// ended.
    pub fn held(&self, uid: &str, facts: BTreeSet<Fact>, now: Instant) -> BTreeMap<Fact, Duration> {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let chain = chains.entry(uid.to_owned()).or_default();
        let since: BTreeMap<Fact, Instant> = facts
            .into_iter()
            .map(|fact| {
                let since = chain.get(&fact).copied().unwrap_or(now);
                (fact, since)
            })
            .collect();
        chain.clone_from(&since);
        since
            .into_iter()
            .map(|(fact, since)| (fact, now.saturating_duration_since(since)))
            .collect()
    }

    /// Forgets a chain that is gone.
    pub fn forget(&self, uid: &str) {
        let mut chains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chains.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_ends_begins_anew() {
        let memory = Memory::default();
        let fact = || BTreeSet::from([Fact::ChainIsEmpty]);
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let held = |facts, after: u32| {
            let held = memory.held("1f0c", facts, begin + second * after);
            held.get(&Fact::ChainIsEmpty).copied()
        };
        assert_eq!(held(fact(), 0), Some(Duration::ZERO));
        assert_eq!(held(fact(), 3), Some(second * 3));
        assert_eq!(held(BTreeSet::new(), 4), None);
        assert_eq!(held(fact(), 5), Some(Duration::ZERO));
        memory.forget("1f0c");
        assert_eq!(held(fact(), 6), Some(Duration::ZERO));
    }
}
