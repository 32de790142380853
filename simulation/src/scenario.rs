//! The scenario: which tasks come, and what becomes of a run.

use std::time::Duration;

use crate::window::Window;

/// What a run does that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails at once.
    Fails,
    /// It hangs until its time is up.
    Hangs,
}

/// A stream of tasks, and an incident in the middle of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Tasks a second, on average.
    pub load: f64,
    /// The part of the tasks that the incident strikes, from 0 to 1.
    pub share: f64,
    /// How long tasks come.
    pub lasts: Duration,
    /// When runs of the tasks that are affected go wrong.
    pub incident: Window,
    /// What goes wrong with them.
    pub fault: Fault,
    /// How long a run takes that succeeds.
    pub success_takes: Duration,
}

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// When its producer creates it.
    pub arrives: Duration,
    /// Whether it is of the kind that fails while the incident lasts.
    pub is_affected: bool,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// How long it takes.
    pub takes: Duration,
    /// Whether it succeeds.
    pub succeeds: bool,
}

impl Scenario {
    /// The tasks, in the order in which they come: the same for the same seed.
    pub fn tasks(&self, seed: u64) -> Vec<Task> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut tasks = Vec::new();
        let mut at = 0.0;
        loop {
            // As independent producers give them: the gaps are exponential.
            at += -(1.0 - random.f64()).ln() / self.load;
            let arrives = Duration::from_secs_f64(at);
            let is_affected = random.f64() < self.share;
            if arrives >= self.lasts {
                return tasks;
            }
            tasks.push(Task {
                arrives,
                is_affected,
            });
        }
    }

    /// What becomes of a run of a task that begins at `now`, of at most `timeout`. A run that hangs
    /// goes on hanging when the incident has ended.
    pub fn run(&self, task: &Task, now: Duration, timeout: Duration) -> Run {
        if task.is_affected && self.incident.has(now) {
            let takes = match self.fault {
                Fault::Fails => Duration::ZERO,
                Fault::Hangs => timeout,
            };
            return Run {
                takes,
                succeeds: false,
            };
        }
        Run {
            takes: self.success_takes.min(timeout),
            succeeds: self.success_takes < timeout,
        }
    }
}
