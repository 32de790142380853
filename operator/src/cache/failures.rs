//! How often a chain's reconcile has failed in a row, and since when.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Failures in a row of each chain, by its UID.
#[derive(Default)]
pub struct FailureCounts(Mutex<HashMap<String, FailuresInARow>>);

struct FailuresInARow {
    count: u32,
    since: Instant,
}

impl FailureCounts {
    /// Counts a failure; how many came before it in a row.
    pub fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.0.lock();
        let known = failures
            .entry(uid.to_owned())
            .or_insert_with(|| FailuresInARow {
                count: 0,
                since: Instant::now(),
            });
        known.count += 1;
        known.count - 1
    }

    /// For how long every reconcile has failed.
    pub fn failing_for(&self, uid: &str) -> Duration {
        let failures = self.0.lock();
        let known = failures.get(uid);
        known.map_or(Duration::ZERO, |failures| failures.since.elapsed())
    }

    /// Forgets the failures of a chain that is well, or deleted.
    pub fn succeeded(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}
