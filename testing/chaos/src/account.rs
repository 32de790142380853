//! The account: a few bytes for each task, kept outside of everything under test.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::chain::{STAGES, Stage};
use crate::sum::Sum;

/// Told as Succeeded.
pub const SUCCEEDED: u8 = 1;
/// Told as Failed.
pub const FAILED: u8 = 2;
/// A handler has answered 2xx.
pub const DONE: u8 = 4;
/// It kills its handlers.
pub const POISON: u8 = 8;

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is known of one task.
#[derive(Debug, Default)]
pub struct Task {
    marks: AtomicU8,
    stages: [Turns; STAGES.len()],
}

/// A task's turns on one stage.
#[derive(Debug, Default)]
struct Turns {
    runs: AtomicU8,
    hit: AtomicU8,
    excused: AtomicU8,
}

/// As [`Task`], when nothing moves any more.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What was marked.
    pub marks: u8,
    /// By stage: runs that a handler began.
    pub runs: [u8; STAGES.len()],
    /// By stage: pushes under which the handler died, perhaps before it had read the request.
    pub hit: [u8; STAGES.len()],
    /// By stage: attempts that the rules may count without a run: [`Known::hit`], and foreign
    /// answers.
    pub excused: [u8; STAGES.len()],
}

/// What became of each task, and what was done to them all.
#[derive(Debug)]
pub struct Account {
    tasks: Vec<Task>,
    /// Tasks sent: the numbers below this.
    pub sent: Count,
    /// Runs that handlers began.
    pub handled: Count,
    /// Pushes that came from Cloud Tasks.
    pub pushes: Count,
    /// Workers killed.
    pub kills: Count,
    /// Handlers that died.
    pub deaths: Count,
    /// Spells without Cloud Tasks.
    pub spells: Count,
    /// Pushes that the workers got twice.
    pub duplicates: Count,
    /// Answers that Cloud Tasks got, or didn't get, in a worker's place.
    pub foreign: Count,
    /// Notifications, repeated ones included.
    pub told: Count,
}

impl Account {
    /// An account of so many tasks.
    pub fn new(tasks: usize) -> Self {
        Self {
            tasks: (0..tasks).map(|_| Task::default()).collect(),
            sent: Count::default(),
            handled: Count::default(),
            pushes: Count::default(),
            kills: Count::default(),
            deaths: Count::default(),
            spells: Count::default(),
            duplicates: Count::default(),
            foreign: Count::default(),
            told: Count::default(),
        }
    }

    /// A handler begins a run.
    pub fn runs(&self, task: usize, stage: &Stage) {
        self.handled.add();
        self.turns(task, stage, |turns| raise(&turns.runs, 1));
    }

    /// A push was in work while the handler died.
    pub fn hit(&self, task: usize, stage: &Stage) {
        self.turns(task, stage, |turns| {
            raise(&turns.hit, 1);
            raise(&turns.excused, 1);
        });
    }

    /// The rules may count so many attempts of the task without a run.
    pub fn excuse(&self, task: usize, stage: &Stage, attempts: u8) {
        self.turns(task, stage, |turns| raise(&turns.excused, attempts));
    }

    /// A handler is about to answer 2xx.
    pub fn done(&self, task: usize) {
        self.mark(task, DONE);
    }

    /// The task kills its handlers.
    pub fn poison(&self, task: usize) {
        self.mark(task, POISON);
    }

    /// A notification came.
    pub fn ended(&self, task: usize, succeeded: bool) {
        self.told.add();
        self.mark(task, if succeeded { SUCCEEDED } else { FAILED });
    }

    fn mark(&self, task: usize, mark: u8) {
        if let Some(task) = self.tasks.get(task) {
            task.marks.fetch_or(mark, Ordering::Relaxed);
        }
    }

    fn turns(&self, task: usize, stage: &Stage, change: impl FnOnce(&Turns)) {
        if let Some(task) = self.tasks.get(task) {
            change(&task.stages[stage.index]);
        }
    }

    /// Everything that rises while anything moves.
    pub fn movement(&self) -> (u64, u64, u64, u64) {
        (
            self.sent.get(),
            self.pushes.get(),
            self.handled.get(),
            self.told.get(),
        )
    }

    /// The sum.
    pub fn sum(&self, took: Duration, left: usize) -> Sum {
        let sent = usize::try_from(self.sent.get()).unwrap_or(usize::MAX);
        Sum::of(
            self,
            self.tasks.iter().take(sent).map(Task::known),
            took,
            left,
        )
    }
}

impl Task {
    fn known(&self) -> Known {
        let of_each = |count: fn(&Turns) -> &AtomicU8| {
            self.stages
                .each_ref()
                .map(|turns| count(turns).load(Ordering::Relaxed))
        };
        Known {
            marks: self.marks.load(Ordering::Relaxed),
            runs: of_each(|turns| &turns.runs),
            hit: of_each(|turns| &turns.hit),
            excused: of_each(|turns| &turns.excused),
        }
    }
}

/// Up to what a byte can hold.
fn raise(count: &AtomicU8, by: u8) {
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        Some(count.saturating_add(by))
    });
}
