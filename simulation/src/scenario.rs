//! The scenario: which tasks come, and what becomes of a run.

use std::hash::{DefaultHasher, Hash, Hasher};
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
    /// Which of all other runs fail.
    pub unlucky: Unlucky,
    /// Whose tasks they are.
    pub tenants: Tenants,
}

/// The part of the runs that fail at once by chance, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Unlucky {
    /// Of tasks that the incident strikes, when it does not last.
    pub affected: f64,
    /// Of the others.
    pub healthy: f64,
}

/// Between how many tenants the tasks are divided, at random. At least one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tenants {
    /// Of the tasks that the incident strikes.
    pub affected: u32,
    /// Of the others.
    pub healthy: u32,
}

/// A task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// When its producer creates it.
    pub arrives: Duration,
    /// Whether it is of the kind that fails while the incident lasts.
    pub is_affected: bool,
    /// Whose it is: those that the incident strikes come first, from 0.
    pub tenant: u32,
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
        // Of its own, so that the tasks come at the same times however many tenants there are.
        let mut random_tenant = fastrand::Rng::with_seed(!seed);
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
                tenant: self.tenants.draw(is_affected, &mut random_tenant),
            });
        }
    }

    /// What becomes of a run of a task on a stage that begins at `now`, of at most `timeout`. A run that
    /// hangs goes on hanging when the incident has ended.
    pub fn run(&self, task: &Task, stage: usize, now: Duration, timeout: Duration) -> Run {
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
        if self.is_unlucky(task, stage, now) {
            return Run {
                takes: Duration::ZERO,
                succeeds: false,
            };
        }
        Run {
            takes: self.success_takes.min(timeout),
            succeeds: self.success_takes < timeout,
        }
    }

    /// By chance, but always the same for the same run.
    fn is_unlucky(&self, task: &Task, stage: usize, now: Duration) -> bool {
        let part = if task.is_affected {
            self.unlucky.affected
        } else {
            self.unlucky.healthy
        };
        if part <= 0.0 {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        (task.arrives, task.tenant, stage, now).hash(&mut hasher);
        fastrand::Rng::with_seed(hasher.finish()).f64() < part
    }
}

impl Default for Tenants {
    fn default() -> Self {
        Self {
            affected: 1,
            healthy: 1,
        }
    }
}

impl Tenants {
    fn draw(self, is_affected: bool, random: &mut fastrand::Rng) -> u32 {
        let affected = self.affected.max(1);
        if is_affected {
            random.u32(0..affected)
        } else {
            affected + random.u32(0..self.healthy.max(1))
        }
    }
}
