//! The tracker: a few bytes for each task, kept outside of everything under test.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::chain::{STAGES, Stage};
use crate::evidence::{self, ANSWERED, ByStage, FAILED, OVERLAPPED, POISON, SUCCEEDED};

#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

impl Count {
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub struct Task {
    marks: AtomicU8,
    parked: AtomicU8,
    stages: [Attempts; STAGES.len()],
}

#[derive(Debug, Default)]
struct Attempts {
    runs: AtomicU8,
    hit: AtomicU8,
    excused: AtomicU8,
    isolated: AtomicBool,
}

/// What became of each task, and what was done to them all.
#[derive(Debug, Default)]
pub struct Tracker {
    tasks: Vec<Task>,
    /// Tasks sent: the numbers below this.
    pub sent: Count,
    pub handled: Count,
    /// Pushes that came from Cloud Tasks.
    pub pushes: Count,
    /// Runs whose handler asked for more time, which are no attempts.
    pub put_off: Count,
    /// Tasks that left a stage because their category was isolated.
    pub isolated: Count,
    pub kills: Count,
    /// Workers that had ended before they were killed.
    pub ended: Count,
    pub deaths: Count,
    pub outages: Count,
    /// Pushes that the workers got twice.
    pub duplicates: Count,
    /// Answers that Cloud Tasks got, or didn't get, in a worker's place.
    pub foreign: Count,
    /// Notifications, repeated ones included.
    pub notifications: Count,
}

impl Tracker {
    pub fn new(tasks: usize) -> Self {
        Self {
            tasks: (0..tasks).map(|_| Task::default()).collect(),
            ..Self::default()
        }
    }

    pub fn runs(&self, task: usize, stage: &Stage) {
        self.handled.add();
        self.attempts(task, stage, |attempts| raise(&attempts.runs, 1));
    }

    pub fn hit(&self, task: usize, stage: &Stage) {
        self.attempts(task, stage, |attempts| {
            raise(&attempts.hit, 1);
            raise(&attempts.excused, 1);
        });
    }

    /// The run under way is no attempt.
    pub fn put_off(&self, task: usize, stage: &Stage) {
        self.put_off.add();
        self.attempts(task, stage, |attempts| {
            attempts.runs.fetch_sub(1, Ordering::Relaxed);
        });
    }

    /// The task's category was isolated on this stage, so it has left it with what attempts it had.
    pub fn isolated(&self, task: usize, stage: &Stage) {
        self.attempts(task, stage, |attempts| {
            if !attempts.isolated.swap(true, Ordering::Relaxed) {
                self.isolated.add();
            }
        });
    }

    /// The rules may count so many attempts of the task without a run.
    pub fn excuse(&self, task: usize, stage: &Stage, count: u8) {
        self.attempts(task, stage, |attempts| raise(&attempts.excused, count));
    }

    pub fn answered(&self, task: usize) {
        self.mark(task, ANSWERED);
    }

    /// Two pushes of the task may have been at workers at once.
    pub fn overlapped(&self, task: usize) {
        self.mark(task, OVERLAPPED);
    }

    /// The task was found in the parking queue, once more.
    pub fn parked(&self, task: usize) {
        if let Some(task) = self.tasks.get(task) {
            raise(&task.parked, 1);
        }
    }

    pub fn poison(&self, task: usize) {
        self.mark(task, POISON);
    }

    pub fn notified(&self, task: usize, succeeded: bool) {
        self.notifications.add();
        self.mark(task, if succeeded { SUCCEEDED } else { FAILED });
    }

    fn mark(&self, task: usize, mark: u8) {
        if let Some(task) = self.tasks.get(task) {
            task.marks.fetch_or(mark, Ordering::Relaxed);
        }
    }

    fn attempts(&self, task: usize, stage: &Stage, change: impl FnOnce(&Attempts)) {
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
            self.notifications.get(),
        )
    }

    pub fn tasks(&self) -> impl Iterator<Item = evidence::Task> {
        let sent = usize::try_from(self.sent.get()).unwrap_or(usize::MAX);
        self.tasks.iter().take(sent).map(Task::read)
    }
}

impl Task {
    fn read(&self) -> evidence::Task {
        let by_stage = |count: fn(&Attempts) -> &AtomicU8| -> ByStage {
            let attempts = self.stages.each_ref();
            attempts.map(|attempts| count(attempts).load(Ordering::Relaxed))
        };
        evidence::Task {
            marks: self.marks.load(Ordering::Relaxed),
            parked: self.parked.load(Ordering::Relaxed),
            runs: by_stage(|it| &it.runs),
            hit: by_stage(|it| &it.hit),
            excused: by_stage(|it| &it.excused),
            isolated: self
                .stages
                .each_ref()
                .map(|it| it.isolated.load(Ordering::Relaxed)),
        }
    }
}

/// Up to what a byte can hold.
fn raise(count: &AtomicU8, by: u8) {
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
        Some(count.saturating_add(by))
    });
}
