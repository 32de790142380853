//! Designs: the stages that a task may climb, and where it begins.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::queue::Limits;

/// A queue, and the workers that it pushes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// The queue's.
    pub limits: Limits,
    /// How often the handler runs for a task here.
    pub attempts: NonZeroU32,
    /// How long one run may take.
    pub timeout: Duration,
    /// Runs at once of all its workers; a push beyond it is answered with 503, which is no attempt.
    pub capacity: u32,
    /// The stage, by its place, to which the kind of tasks that the incident strikes goes on before
    /// it is run.
    pub reroutes_to: Option<usize>,
}

/// On which stage a task begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// On the first.
    First,
    /// On the last if it is one that the incident will strike, else on the first. Nobody can know
    /// that: it is what others are measured against.
    Oracle,
}

/// A way to run tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// At least one.
    pub stages: Vec<Stage>,
    /// Where tasks begin.
    pub entry: Entry,
}

/// What an edit changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// [`Stage::limits`].
    Limits(Limits),
    /// Whether the queue is paused.
    Paused(bool),
    /// [`Stage::capacity`].
    Capacity(u32),
    /// [`Stage::attempts`].
    Attempts(NonZeroU32),
    /// [`Stage::timeout`].
    Timeout(Duration),
    /// [`Stage::reroutes_to`].
    Reroute(usize),
}

/// An edit of a stage, in force at once; runs under way end under the rules that they began with.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// When it is in force.
    pub at: Duration,
    /// Which stage, by its place.
    pub stage: usize,
    /// What it changes.
    pub changes: Vec<Change>,
}

impl Stage {
    /// Takes a change over. What is the queue's alone changes nothing here.
    pub fn change(&mut self, change: Change) {
        match change {
            Change::Limits(limits) => self.limits = limits,
            Change::Paused(_) => {}
            Change::Capacity(capacity) => self.capacity = capacity,
            Change::Attempts(attempts) => self.attempts = attempts,
            Change::Timeout(timeout) => self.timeout = timeout,
            Change::Reroute(to) => self.reroutes_to = Some(to),
        }
    }
}
