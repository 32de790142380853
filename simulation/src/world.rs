//! What happens around the queues: which tasks come, and what becomes of their runs.

use std::time::Duration;

use decide::IsolationCause;

/// What the simulation asks for, and tells.
pub trait World {
    /// The next task that comes, in the order of time. The first has the number 0, the next 1.
    fn next(&mut self) -> Option<Entrant>;

    /// What becomes of a run that begins now, and may take as long as `timeout`.
    fn run(&mut self, now: Duration, stage: usize, task: usize, timeout: Duration) -> Run;

    /// Whether it is of the kind that [`Stage::reroutes_to`](crate::Stage::reroutes_to) takes.
    fn is_rerouted(&self, task: usize) -> bool;

    /// Its category, if it has one that [`Workers::isolate`](crate::Workers::isolate) knows.
    fn category(&self, task: usize) -> Option<u64>;

    /// What has happened.
    fn observe(&mut self, now: Duration, event: Event);
}

/// A task that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entrant {
    /// When.
    pub at: Duration,
    /// To which stage, by its place.
    pub stage: usize,
    /// When it is due, not before it comes.
    pub due: Duration,
    /// The attempts that it has had on this stage.
    pub attempts: u32,
    /// The dispatches before that were no attempt: answered with 503.
    pub refused: u32,
    /// The run that is in progress when it comes: it was dispatched before.
    pub running: Option<Run>,
}

/// What becomes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// How long it takes.
    pub takes: Duration,
    /// How it ends.
    pub how: RunEnd,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunEnd {
    /// With success.
    Succeeded,
    /// It fails, and is tried again while there are attempts left.
    Failed,
    /// It fails, and a route or the handler's verdict takes it off the stage at once.
    Left(Exit),
}

/// Where a task goes that leaves its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// To another stage, by its place.
    Stage(usize),
    /// To the end: it ends as Failed.
    Failed,
}

/// What an observer is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A stage's queue dispatches a task.
    Dispatched {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
        /// For how long it has been due.
        late: Duration,
    },
    /// A task leaves a stage without a run, because its category is isolated.
    Isolated {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
        /// Why.
        cause: IsolationCause,
    },
    /// A run has failed, and was an attempt.
    AttemptFailed {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
    },
    /// The dispatch is answered.
    Answered {
        /// The stage's place.
        stage: usize,
        /// The task's number.
        task: usize,
        /// With what.
        answer: Answer,
    },
    /// A task has ended.
    Ended {
        /// The task's number.
        task: usize,
        /// How.
        how: Outcome,
    },
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its handler succeeded.
    Succeeded,
    /// All attempts of all stages were used up.
    Failed,
}

/// What a worker answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200: it has ended, or exists on the next stage. The queue deletes it.
    Done,
    /// 477: an attempt that failed. No 5xx, so `TaskExecutionCount` counts it.
    Failed,
    /// 503: no capacity to run it. A 5xx, so `TaskExecutionCount` doesn't count it.
    NoCapacity,
    /// 503: the handler fails for nearly all tasks, so the pod holds. No attempt, even if it ran.
    Held,
}
