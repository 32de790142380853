//! Whether the handler fails for nearly all tasks: then it is the handler, not the tasks.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::values::Sign;

/// The last outcomes that count.
const OUTCOMES: usize = 20;
/// How many of them have failed in an outage.
const FAILED: usize = 18;
/// Of how many different tasks: one task that fails again and again is no outage.
const TASKS: usize = 8;
/// After a hold that took too long, how many of the last outcomes must be good before another.
const GOOD_AGAIN: usize = 10;
/// The time from one probe to the next.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// So many probes in a row that end well end the hold.
const GOOD_PROBES: u32 = 3;

/// Whether a pod holds.
#[derive(Debug)]
pub(super) struct Outage {
    /// How long it may hold.
    at_most: Duration,
    state: State,
    outcomes: VecDeque<Outcome>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Watching,
    Holding {
        since: Duration,
        /// When the last probe began, or the hold.
        probed: Duration,
        good: u32,
    },
    /// It held for too long, and goes on as if it could not.
    GaveUp,
}

#[derive(Debug, Clone, Copy)]
struct Outcome {
    task: u64,
    sign: Sign,
}

impl Outage {
    pub fn new(at_most: Duration) -> Self {
        Self {
            at_most,
            state: State::Watching,
            outcomes: VecDeque::with_capacity(OUTCOMES),
        }
    }

    /// Whether the pod holds.
    pub fn is_holding(&self, now: Duration) -> bool {
        self.since(now).is_some()
    }

    /// Since when the pod holds.
    pub fn since(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Holding { since, .. } if now < since + self.at_most => Some(since),
            State::Watching | State::Holding { .. } | State::GaveUp => None,
        }
    }

    /// Whether a push must wait: the pod holds, and no probe is due.
    pub fn must_wait(&mut self, now: Duration) -> bool {
        self.time_passes(now);
        match self.state {
            State::Holding { probed, .. } => now < probed + BETWEEN_PROBES,
            State::Watching | State::GaveUp => false,
        }
    }

    /// A run begins that need not wait. Whether it is a probe.
    pub fn begins(&mut self, now: Duration) -> bool {
        if let State::Holding { probed, .. } = &mut self.state {
            *probed = now;
            return true;
        }
        false
    }

    /// A run of this task has ended.
    pub fn ends(&mut self, task: u64, is_probe: bool, sign: Sign, now: Duration) {
        self.time_passes(now);
        match &mut self.state {
            State::Holding { good, .. } if is_probe => {
                *good = if sign == Sign::Well { *good + 1 } else { 0 };
                if *good >= GOOD_PROBES {
                    self.turn(State::Watching);
                }
            }
            State::Holding { .. } => {}
            State::Watching => {
                self.record(Outcome { task, sign });
                if self.is_outage() {
                    self.turn(State::Holding {
                        since: now,
                        probed: now,
                        good: 0,
                    });
                }
            }
            State::GaveUp => {
                self.record(Outcome { task, sign });
                if self.count(Sign::Well) >= GOOD_AGAIN {
                    self.turn(State::Watching);
                }
            }
        }
    }

    fn time_passes(&mut self, now: Duration) {
        if let State::Holding { since, .. } = self.state
            && now >= since + self.at_most
        {
            self.turn(State::GaveUp);
        }
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.outcomes.clear();
    }

    fn record(&mut self, outcome: Outcome) {
        if self.outcomes.len() == OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome);
    }

    fn count(&self, sign: Sign) -> usize {
        self.outcomes.iter().filter(|it| it.sign == sign).count()
    }

    fn is_outage(&self) -> bool {
        if self.outcomes.len() < OUTCOMES || self.count(Sign::Ill) < FAILED {
            return false;
        }
        let failed = self.outcomes.iter().filter(|it| it.sign == Sign::Ill);
        let tasks: HashSet<u64> = failed.map(|it| it.task).collect();
        tasks.len() >= TASKS
    }
}
