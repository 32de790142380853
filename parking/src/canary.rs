//! The canary of a redrive: a few tasks first, and the others only if those do well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a redrive tries a few tasks first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// How many tasks, at least 1.
    pub tasks: u32,
    /// How long they may take to succeed, in seconds.
    pub within_seconds: u64,
    /// How many of a hundred must succeed, 1 to 100.
    pub at_least_percent: u8,
}

/// What has become of the canary's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryCounts {
    /// They have succeeded.
    pub succeeded: u32,
    /// They have failed, and are parked again.
    pub failed: u32,
    /// They have not ended yet.
    pub open: u32,
}

/// Whether the redrive goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryVerdict {
    /// Not known yet.
    Wait,
    /// The others follow.
    GoOn,
    /// The others stay parked.
    Stop,
}

impl CanaryCounts {
    /// All of them.
    pub fn tasks(self) -> u32 {
        self.succeeded
            .saturating_add(self.failed)
            .saturating_add(self.open)
    }
}

impl Canary {
    /// What follows from these counts, so long after the last task of the canary was moved. What has not
    /// ended in time has not done well.
    pub fn verdict(&self, counts: CanaryCounts, since_moved: Duration) -> CanaryVerdict {
        let all = u64::from(counts.tasks());
        let needed = (all * u64::from(self.at_least_percent)).div_ceil(100);
        let in_time = since_moved < Duration::from_secs(self.within_seconds);
        let may_succeed = if in_time { counts.open } else { 0 };
        if u64::from(counts.succeeded) >= needed {
            CanaryVerdict::GoOn
        } else if u64::from(counts.succeeded.saturating_add(may_succeed)) < needed {
            CanaryVerdict::Stop
        } else {
            CanaryVerdict::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CanaryVerdict::{GoOn, Stop, Wait};
    use super::*;

    #[test]
    fn a_canary_goes_on_waits_or_stops() {
        let canary = Canary {
            tasks: 20,
            within_seconds: 300,
            at_least_percent: 90,
        };
        for (succeeded, failed, open, seconds, verdict) in [
            (0, 0, 20, 0, Wait),
            (17, 0, 3, 299, Wait),
            (17, 0, 3, 300, Stop),
            (18, 0, 2, 10, GoOn),
            (18, 2, 0, 400, GoOn),
            // Three failures of 20 can't be made good.
            (0, 2, 18, 1, Wait),
            (0, 3, 17, 1, Stop),
            // Fewer matched than the canary asks for.
            (3, 0, 0, 1, GoOn),
            (2, 1, 0, 1, Stop),
            // Nothing matched.
            (0, 0, 0, 0, GoOn),
        ] {
            let counts = CanaryCounts {
                succeeded,
                failed,
                open,
            };
            assert_eq!(
                canary.verdict(counts, Duration::from_secs(seconds)),
                verdict,
                "{counts:?} after {seconds} s"
            );
        }
    }
}
