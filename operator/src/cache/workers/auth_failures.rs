//! The recent refusals of one stage's workers, from their counters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// For how long a refusal is reported. A refused task is retried after its backoff; a status that
/// changed with each attempt would say less.
const WINDOW: Duration = Duration::from_mins(10);
/// After so many periods without an answer nothing is known.
const MAX_SILENT_PERIODS: u32 = 4;

/// Refusals since a worker's start, by reason.
pub(super) type Counters = BTreeMap<String, u64>;

#[derive(Debug, Default)]
pub(super) struct AuthFailures {
    /// The last counters of each pod.
    pods: BTreeMap<String, Counters>,
    /// When the counter of each reason has last risen.
    risen: BTreeMap<String, Instant>,
    answered: Option<Instant>,
}

impl AuthFailures {
    /// Takes a pod's counters. The first ones of a pod may count refusals of long ago.
    pub(super) fn add(&mut self, pod: &str, counters: Counters, now: Instant) {
        self.answered = Some(now);
        if let Some(before) = self.pods.get(pod) {
            for (reason, count) in &counters {
                // A counter that fell was reset by a restart.
                let before = before.get(reason).filter(|before| *before <= count);
                if *count > before.copied().unwrap_or_default() {
                    self.risen.insert(reason.clone(), now);
                }
            }
        }
        self.pods.insert(pod.to_owned(), counters);
    }

    /// Forgets other pods.
    pub(super) fn retain_pods(&mut self, pods: &BTreeSet<&str>) {
        self.pods.retain(|pod, _| pods.contains(pod.as_str()));
    }

    /// The reasons of recent refusals; `None` if no pod has answered recently.
    pub(super) fn reasons(&self, now: Instant, period: Duration) -> Option<BTreeSet<String>> {
        let is_known = self
            .answered
            .is_some_and(|then| now.saturating_duration_since(then) <= period * MAX_SILENT_PERIODS);
        let recent = self.risen.iter();
        let recent = recent
            .filter(|(_, then)| now.saturating_duration_since(**then) <= WINDOW)
            .map(|(reason, _)| reason.clone());
        is_known.then(|| recent.collect())
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
    fn only_a_counter_that_rises_is_reported_for_ten_minutes() {
        let begin = Instant::now();
        let at = |periods: u32| begin + PERIOD * periods;
        let mut window = AuthFailures::default();
        assert_eq!(window.reasons(begin, PERIOD), None);
        // Of long ago, or of just now: unknown.
        window.add("a", counters(7), at(1));
        assert_eq!(window.reasons(at(1), PERIOD), Some(BTreeSet::new()));
        window.add("a", counters(7), at(2));
        assert_eq!(window.reasons(at(2), PERIOD), Some(BTreeSet::new()));
        window.add("a", counters(8), at(3));
        let audience = Some(BTreeSet::from(["audience".to_owned()]));
        assert_eq!(window.reasons(at(3), PERIOD), audience);
        for period in 4..43 {
            window.add("a", counters(8), at(period));
            assert_eq!(window.reasons(at(period), PERIOD), audience, "{period}");
        }
        window.add("a", counters(8), at(44));
        assert_eq!(window.reasons(at(44), PERIOD), Some(BTreeSet::new()));
        assert_eq!(window.reasons(at(49), PERIOD), None, "no answer");
    }

    #[test]
    fn the_counters_of_a_restarted_worker_start_at_zero() {
        let begin = Instant::now();
        let mut window = AuthFailures::default();
        window.add("a", counters(7), begin);
        window.add("a", counters(2), begin);
        assert_eq!(window.reasons(begin, PERIOD).unwrap().len(), 1);
        let mut other = AuthFailures::default();
        other.add("a", counters(7), begin);
        other.retain_pods(&BTreeSet::from(["b"]));
        other.add("a", counters(9), begin);
        assert_eq!(other.reasons(begin, PERIOD), Some(BTreeSet::new()));
    }
}
