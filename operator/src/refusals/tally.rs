//! What the counters of one stage's workers say, over time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// For how long a refusal is told of. A refused task is tried again after its backoff, and a status
/// that changed with each try would say less.
const LATELY: Duration = Duration::from_mins(10);
/// After so many periods without an answer nothing is known.
const SILENCE: u32 = 4;

/// Refusals by their reasons, since a worker's start.
pub(super) type Counters = BTreeMap<String, u64>;

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// What each pod said last.
    pods: BTreeMap<String, Counters>,
    /// When each reason came up last.
    refused: BTreeMap<String, Instant>,
    answered: Option<Instant>,
}

impl Tally {
    /// Takes a pod's answer. What it counted before it was asked for the first time may be long ago.
    pub(super) fn take(&mut self, pod: String, counters: Counters, now: Instant) {
        self.answered = Some(now);
        if let Some(before) = self.pods.get(&pod) {
            for (reason, count) in &counters {
                // A counter that fell has begun anew.
                let before = before.get(reason).filter(|before| *before <= count);
                if *count > before.copied().unwrap_or_default() {
                    self.refused.insert(reason.clone(), now);
                }
            }
        }
        self.pods.insert(pod, counters);
    }

    /// Forgets pods that are gone.
    pub(super) fn keep(&mut self, pods: &BTreeSet<&str>) {
        self.pods.retain(|pod, _| pods.contains(pod.as_str()));
    }

    /// The reasons that came up lately; `None`: nobody has answered lately.
    pub(super) fn lately(&self, now: Instant, period: Duration) -> Option<BTreeSet<String>> {
        let is_known = self
            .answered
            .is_some_and(|then| now.saturating_duration_since(then) <= period * SILENCE);
        let refused = self.refused.iter();
        let lately = refused
            .filter(|(_, then)| now.saturating_duration_since(**then) <= LATELY)
            .map(|(reason, _)| reason.clone());
        is_known.then(|| lately.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn counters(audience: u64) -> Counters {
        BTreeMap::from([("audience".to_owned(), audience)])
    }

    #[test]
    fn only_what_rises_is_told_and_for_a_while() {
        let begin = Instant::now();
        let at = |periods: u32| begin + PERIOD * periods;
        let mut tally = Tally::default();
        assert_eq!(tally.lately(begin, PERIOD), None);
        // Long ago, or just now: nobody knows.
        tally.take("a".into(), counters(7), at(1));
        assert_eq!(tally.lately(at(1), PERIOD), Some(BTreeSet::new()));
        tally.take("a".into(), counters(7), at(2));
        assert_eq!(tally.lately(at(2), PERIOD), Some(BTreeSet::new()));
        tally.take("a".into(), counters(8), at(3));
        let told = Some(BTreeSet::from(["audience".to_owned()]));
        assert_eq!(tally.lately(at(3), PERIOD), told);
        for period in 4..43 {
            tally.take("a".into(), counters(8), at(period));
            assert_eq!(tally.lately(at(period), PERIOD), told, "{period}");
        }
        tally.take("a".into(), counters(8), at(44));
        assert_eq!(tally.lately(at(44), PERIOD), Some(BTreeSet::new()));
        assert_eq!(tally.lately(at(49), PERIOD), None, "it is silent");
    }

    #[test]
    fn a_worker_that_has_started_anew_begins_at_nothing() {
        let begin = Instant::now();
        let mut tally = Tally::default();
        tally.take("a".into(), counters(7), begin);
        tally.take("a".into(), counters(2), begin);
        assert_eq!(tally.lately(begin, PERIOD).unwrap().len(), 1);
        let mut other = Tally::default();
        other.take("a".into(), counters(7), begin);
        other.keep(&BTreeSet::from(["b"]));
        other.take("a".into(), counters(9), begin);
        assert_eq!(other.lately(begin, PERIOD), Some(BTreeSet::new()));
    }
}
