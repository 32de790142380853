//! Whether the handler fails for nearly all tasks: then it is the handler, not the tasks.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use crate::values::Sign;

/// So many runs that fail one after the other are an outage. Fewer would also come of a handler that fails in
/// four of five runs, and does more for its tasks than a pod that holds.
const OUTCOMES: usize = 48;
/// When so many different tasks have failed one after the other, an attempt that fails costs nothing: a task
/// may use up its attempts before the pod holds. One task that fails again and again is no outage.
const TASKS: usize = 8;
/// So many of the last outcomes must be good before the next hold is one of another outage.
const GOOD_AGAIN: usize = OUTCOMES / 2;
/// The time from one probe to the next.
const BETWEEN_PROBES: Duration = Duration::from_secs(1);
/// So many probes that end well end the hold, of the last [`LAST_PROBES`]. Not in a row: runs that hang end
/// late, among those that are well already.
const GOOD_PROBES: u32 = 3;
const LAST_PROBES: u32 = 5;
/// After so long, and no less than a hold may take, what follows on a quiet pod is another outage: while the
/// stage before it holds, a pod is quiet too.
const QUIET: Duration = Duration::from_mins(10);

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
    Watching {
        /// The last hold, until enough outcomes are good again: what follows may be the same outage.
        last: Option<LastHold>,
        /// Whether failures have been blamed on the handler and no hold came of them, until enough outcomes
        /// are good again: it works now and then, and attempts must count.
        has_blamed: bool,
    },
    Holding {
        /// When the outage began: it may have been interrupted.
        since: Duration,
        /// When the last probe began, or the hold.
        probed: Duration,
        /// The last probes, the latest in the lowest bit; 1 is one that ended well.
        probes: u8,
    },
    /// The outage takes too long: it goes on as if it could not hold.
    GaveUp,
}

#[derive(Debug, Clone, Copy)]
struct LastHold {
    /// When the outage began.
    since: Duration,
    /// When the hold ended.
    until: Duration,
}

const WELL: State = State::Watching {
    last: None,
    has_blamed: false,
};

#[derive(Debug, Clone, Copy)]
struct Outcome {
    task: u64,
    sign: Sign,
}

impl Outage {
    pub fn new(at_most: Duration) -> Self {
        Self {
            at_most,
            state: WELL,
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
            State::Watching { .. } | State::Holding { .. } | State::GaveUp => None,
        }
    }

    /// Whether a run that fails now is the handler's fault: the pod holds, or may be about to.
    pub fn blames_handler(&self, now: Duration) -> bool {
        match self.state {
            State::Watching { has_blamed, .. } => !has_blamed && self.failed_in_a_row().1 >= TASKS,
            State::Holding { .. } => self.is_holding(now),
            State::GaveUp => false,
        }
    }

    /// Whether a push must wait: the pod holds, and no probe is due.
    pub fn must_wait(&mut self, now: Duration) -> bool {
        self.time_passes(now);
        match self.state {
            State::Holding { probed, .. } => now < probed + BETWEEN_PROBES,
            State::Watching { .. } | State::GaveUp => false,
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
            State::Holding { since, probes, .. } if is_probe => {
                let since = *since;
                let counted = (1 << LAST_PROBES) - 1;
                *probes = ((*probes << 1) | u8::from(sign == Sign::Well)) & counted;
                if probes.count_ones() >= GOOD_PROBES {
                    self.turn(State::Watching {
                        last: Some(LastHold { since, until: now }),
                        has_blamed: false,
                    });
                }
            }
            State::Holding { .. } => {}
            State::Watching { last, has_blamed } => {
                let (last, has_blamed) = (*last, *has_blamed);
                let ended_blame = sign == Sign::Well && self.failed_in_a_row().1 >= TASKS;
                self.record(Outcome { task, sign });
                if self.is_outage() {
                    self.turn(State::Holding {
                        since: last.map_or(now, |last| last.since),
                        probed: now,
                        probes: 0,
                    });
                    self.time_passes(now);
                } else if self.is_good_again() {
                    self.state = WELL;
                } else {
                    let has_blamed = has_blamed || ended_blame;
                    self.state = State::Watching { last, has_blamed };
                }
            }
            State::GaveUp => {
                self.record(Outcome { task, sign });
                if self.is_good_again() {
                    self.state = WELL;
                }
            }
        }
    }

    fn time_passes(&mut self, now: Duration) {
        match &mut self.state {
            State::Holding { since, .. } if now >= *since + self.at_most => {
                self.turn(State::GaveUp);
            }
            // On a quiet pod, few outcomes are good again before the next outage.
            State::Watching { last, .. }
                if self.outcomes.len() < OUTCOMES
                    && last.is_some_and(|last| now >= last.until + self.at_most.max(QUIET)) =>
            {
                *last = None;
            }
            State::Watching { .. } | State::Holding { .. } | State::GaveUp => {}
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

    fn is_good_again(&self) -> bool {
        let good = self.outcomes.iter().filter(|it| it.sign == Sign::Well);
        good.count() >= GOOD_AGAIN
    }

    /// How many of the last outcomes have failed one after the other, and of how many tasks.
    fn failed_in_a_row(&self) -> (usize, usize) {
        let last = self.outcomes.iter().rev();
        let failed = last.take_while(|it| it.sign == Sign::Ill);
        let tasks: Vec<u64> = failed.map(|it| it.task).collect();
        let different: HashSet<&u64> = tasks.iter().collect();
        (tasks.len(), different.len())
    }

    fn is_outage(&self) -> bool {
        let (runs, tasks) = self.failed_in_a_row();
        runs >= OUTCOMES && tasks >= TASKS
    }
}
