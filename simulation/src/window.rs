//! A window of time.

use std::time::Duration;

/// From a time, until before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// In it.
    pub from: Duration,
    /// No longer in it.
    pub until: Duration,
}

impl Window {
    /// Whether it holds this time.
    pub fn has(&self, at: Duration) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// In seconds.
    pub fn seconds(&self) -> f64 {
        self.until.saturating_sub(self.from).as_secs_f64()
    }
}
