//! The breaker of one category: closed, open for a few seconds, then half open for one run at a time.

use std::time::Duration;

use crate::stage::FailureThreshold;
use crate::values::Sign;

/// A breaker is open for at least this long, and for at most twice as long, so that pods don't try again
/// at the same moment.
const OPEN: Duration = Duration::from_secs(5);
/// Between a probe that ended well and the next.
const BETWEEN_PROBES: Duration = Duration::from_millis(500);
/// After so many probes that ended well the breaker is closed.
const GOOD_PROBES: u32 = 2;
/// An open breaker whose category hasn't come for so long says nothing any more.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// The breaker of one category.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Breaker {
    state: State,
    /// The last outcomes while closed, the latest in the lowest bit; 1 is a failure.
    outcomes: u64,
}

#[derive(Debug, Clone, Copy, Default)]
enum State {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        /// A probe may begin from here on, unless one runs.
        next: Duration,
        probing: bool,
        good: u32,
    },
}

/// How a run may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    Run,
    Probe,
    Blocked,
}

impl Breaker {
    /// Whether a run may begin now. If as a probe, [`Breaker::probe_begins`] follows.
    pub fn passage(&self, now: Duration) -> Passage {
        match self.state {
            State::Closed => Passage::Run,
            State::Open { until } if now < until => Passage::Blocked,
            State::HalfOpen { next, probing, .. } if probing || now < next => Passage::Blocked,
            State::Open { .. } | State::HalfOpen { .. } => Passage::Probe,
        }
    }

    /// A probe begins.
    pub fn probe_begins(&mut self, now: Duration) {
        let good = match self.state {
            State::HalfOpen { good, .. } => good,
            State::Closed | State::Open { .. } => 0,
        };
        self.state = State::HalfOpen {
            next: now,
            probing: true,
            good,
        };
    }

    /// A probe has ended. `random` is from 0 to 1.
    pub fn probe_ends(&mut self, sign: Option<Sign>, now: Duration, random: f64) {
        let State::HalfOpen { good, .. } = self.state else {
            return;
        };
        match sign {
            Some(Sign::Ill) => self.open(now, random),
            Some(Sign::Well) if good + 1 >= GOOD_PROBES => *self = Self::default(),
            Some(Sign::Well) | None => {
                self.state = State::HalfOpen {
                    next: now + BETWEEN_PROBES,
                    probing: false,
                    good: good + u32::from(sign.is_some()),
                };
            }
        }
    }

    /// A run has ended that was no probe. Whether the breaker should open.
    pub fn run_ends(&mut self, sign: Sign, threshold: FailureThreshold) -> bool {
        if !matches!(self.state, State::Closed) {
            return false;
        }
        let counted = u64::MAX >> (64 - u32::from(threshold.of));
        self.outcomes = ((self.outcomes << 1) | u64::from(sign == Sign::Ill)) & counted;
        // Not after one that ended well: then it is getting better.
        sign == Sign::Ill && self.outcomes.count_ones() >= u32::from(threshold.at_least)
    }

    /// What was seen was not the category's own fault.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Opens.
    pub fn open(&mut self, now: Duration, random: f64) {
        self.outcomes = 0;
        self.state = State::Open {
            until: now + OPEN + OPEN.mul_f64(random.clamp(0.0, 1.0)),
        };
    }

    /// Whether the category is isolated, as far as its tasks come.
    pub fn is_open(&self, now: Duration) -> bool {
        match self.state {
            State::Closed => false,
            State::Open { until } => now < until + FORGOTTEN,
            State::HalfOpen { next, probing, .. } => probing || now < next + FORGOTTEN,
        }
    }
}
