//! A task, and how it fares.

use std::time::Duration;

/// How a task fares on the stage on which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its runs succeed, unless by bad luck.
    Healthy,
    /// Each of its runs fails in this way.
    Failing(usize),
}

/// A task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task {
    /// The stage of its last run, and how it fares there. `None` before the first.
    pub(super) fate: Option<(usize, Fate)>,
    /// When it came.
    pub(super) came: Duration,
    /// For how long it had been due at the begin.
    pub(super) late: Duration,
    /// Whether it has been dispatched since.
    pub(super) is_dispatched: bool,
    /// Whether it has not run yet, and was created by a producer: its first run says if it is healthy.
    pub(super) is_new: bool,
    /// Whether it is healthy.
    pub(super) is_healthy: bool,
}

impl Task {
    /// One that comes.
    pub(super) fn new(came: Duration, is_new: bool) -> Self {
        Self {
            fate: None,
            came,
            late: Duration::ZERO,
            is_dispatched: false,
            is_new,
            is_healthy: false,
        }
    }

    /// How it fares on a stage.
    pub(super) fn fares(&mut self, stage: usize, fate: Fate) {
        if self.is_new {
            self.is_new = false;
            self.is_healthy = fate == Fate::Healthy;
        }
        self.fate = Some((stage, fate));
    }
}

/// The first place at which the shares up to it exceed this.
pub(super) fn pick(shares: &[f64], at: f64) -> Option<usize> {
    let mut sum = 0.0;
    shares.iter().position(|share| {
        sum += share;
        at < sum
    })
}
