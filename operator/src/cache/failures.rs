//! How often a chain's reconcile has failed in a row, and since when.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures in a row of each chain, by its UID.
#[derive(Default)]
pub struct FailureCounts(Mutex<HashMap<String, FailuresInARow>>);

struct FailuresInARow {
    count: u32,
    since: Instant,
    /// Whether the chain is deleted. Failures before that are not counted: its deletion has not failed.
    is_deleted: bool,
}

impl FailureCounts {
    /// Counts a failure; how many came before it in a row.
    pub fn failed(&self, uid: &str, is_deleted: bool) -> u32 {
        let first = || FailuresInARow {
            count: 0,
            since: Instant::now(),
            is_deleted,
        };
        let mut failures = self.0.lock();
        let known = failures.entry(uid.to_owned()).or_insert_with(first);
        if known.is_deleted != is_deleted {
            *known = first();
        }
        known.count += 1;
        known.count - 1
    }

    /// For how long every reconcile has failed since the chain was deleted.
    pub fn deletion_failing_for(&self, uid: &str) -> Duration {
        let failures = self.0.lock();
        let known = failures.get(uid).filter(|failures| failures.is_deleted);
        known.map_or(Duration::ZERO, |failures| failures.since.elapsed())
    }

    /// Forgets the failures of a chain that is well, or deleted.
    pub fn succeeded(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_from_before_a_deletion_do_not_count_for_it() {
        let failures = FailureCounts::default();
        assert_eq!(failures.failed("1f0c", false), 0);
        assert_eq!(failures.failed("1f0c", false), 1);
        assert_eq!(failures.deletion_failing_for("1f0c"), Duration::ZERO);
        assert_eq!(failures.failed("1f0c", true), 0);
        assert_eq!(failures.failed("1f0c", true), 1);
        failures.succeeded("1f0c");
        assert_eq!(failures.failed("1f0c", true), 0);
    }
}
