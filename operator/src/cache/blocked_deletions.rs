//! For how long Cloud Tasks has kept each chain from being deleted.
//!
//! On the monotonic clock, and in memory only: after a restart the patience begins again. So neither a
//! wrong clock nor a single error ends it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

/// Chains whose deletion Cloud Tasks blocks, by UID.
#[derive(Debug, Default)]
pub struct BlockedDeletions(Mutex<HashMap<String, Blocked>>);

/// Since when a deletion has been blocked, without a success in between.
#[derive(Debug, Clone, Copy)]
pub struct Blocked {
    since: Instant,
    /// The same instant, for people.
    since_time: Timestamp,
}

impl Blocked {
    /// Whether it has lasted for longer than `patience`.
    pub fn exceeds(&self, patience: Duration) -> bool {
        self.since.elapsed() > patience
    }

    /// When it will have lasted for so long.
    pub fn until(&self, patience: Duration) -> Timestamp {
        self.since_time
            .checked_add(patience)
            .unwrap_or(Timestamp::MAX)
    }
}

impl BlockedDeletions {
    /// Cloud Tasks has failed.
    pub fn failed(&self, uid: &str) -> Blocked {
        let mut blocked = self.0.lock();
        *blocked.entry(uid.to_owned()).or_insert_with(|| Blocked {
            since: Instant::now(),
            since_time: Timestamp::now(),
        })
    }

    /// Cloud Tasks has answered, or was not asked.
    pub fn ended(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}
