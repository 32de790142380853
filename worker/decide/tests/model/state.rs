//! One state of the world: a producer's task and all that became of it.
//!
//! Queues are numbers: the stages' first, then [`NOTIFIER`] and [`PARKING`]. A task on a stage's
//! queue is known by its life, its queue, its hop, and how often it was put off there. All counters
//! only grow, every push and every mover only moves forward, so that no path comes back to a state
//! it has left.

use std::hash::{Hash, Hasher};

use decide::{Answer, ArrivalInputs, Outcome, RequiredInput};

use crate::redrive::{Mover, Redrive};
use crate::world::Pod;

/// The notifier's queue.
pub const NOTIFIER: u8 = 4;
/// The queue that keeps what ended without a success.
pub const PARKING: u8 = 5;
/// The lives that a task may have: two redrives at most.
pub const LIVES: u8 = 3;

/// A task. Lives count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskKey {
    pub life: u8,
    pub queue: u8,
    pub hop: u8,
    /// How often it was put off.
    pub later: u8,
}

impl TaskKey {
    /// How far a producer's task has come, wherever it is.
    pub fn progress(self) -> Progress {
        (self.life, self.hop, self.later)
    }
}

/// Life, hop, and how often the task was put off.
pub type Progress = (u8, u8, u8);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The tasks on the stages' queues.
    pub tasks: Vec<Task>,
    /// The pushes in flight at workers.
    pub pushes: Vec<Push>,
    /// Creates that have not taken effect, and whose workers wait no longer.
    pub late: Vec<LateCreate>,
    /// The ids that each queue remembers, one bit for each. Names are remembered forever.
    pub names: [u64; PARKING as usize + 1],
    /// Faults that may still happen.
    pub faults: u8,
    /// The highest life that has begun, its highest hop that was ever created, and how often the task
    /// was put off there.
    pub top: Progress,
    /// What has come of each life.
    pub lives: [Life; LIVES as usize],
    /// The redrive under way, if one has begun.
    pub redrive: Option<Redrive>,
    /// Redrives that may still begin.
    pub redrives: u8,
    /// What the redrive has in its hands.
    pub movers: Vec<Mover>,
    /// The owner has deleted the task.
    pub deleted: bool,
    /// Runs may have overlapped, or a worker did not know the queue with the successor.
    pub overlapped: bool,
    /// Promises that were broken, as the bits of [`crate::promises::Broken`].
    pub broken: u16,
}

/// What has come of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Life {
    /// The notifications that were ever created.
    pub ends: u8,
    /// Succeeded was told. Not noted in a chain that doesn't park, nor is the last one.
    pub told_succeeded: bool,
    /// It has ended with an outcome that needs no notification.
    pub untold: bool,
    /// The handler has succeeded, and nothing has happened since that may forget it.
    pub succeeded: bool,
    /// The parked tasks that were ever created.
    pub parked: u8,
    /// The parked task is still in its queue.
    pub in_parking: bool,
    /// It may end without being parked: it isn't to be, or the parking queue doesn't take it.
    pub not_parked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Task {
    pub key: TaskKey,
    /// The attempts of before it was put off, as its ledger says.
    pub before: u8,
    /// R, E and P of the next dispatch.
    pub r: u8,
    pub e: u8,
    pub p: Option<u16>,
    /// A dispatch waits for its answer.
    pub out: bool,
    pub counts: Counts,
}

/// What the promises count of a task on its stage, from before it was put off on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Counts {
    /// Runs of the handler, less those that are no attempts and those that a fault explains.
    pub runs: i8,
    /// Attempts, and answers of others that Cloud Tasks took for one.
    pub counted: u8,
    /// Attempts alone.
    pub ran: u8,
}

/// A task or notification that is on its way to Cloud Tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LateCreate {
    pub what: CreatedTask,
    /// Its id, as a bit.
    pub id: u64,
    /// Where and what the task will be.
    pub key: TaskKey,
}

/// A dispatch in a worker's hands. It carries the counters of its moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Push {
    pub key: TaskKey,
    pub before: u8,
    pub r: u8,
    pub e: u8,
    pub p: Option<u16>,
    pub pod: Pod,
    /// This push has put the task in flight in its pod.
    pub marked: bool,
    /// The caller still waits for the answer.
    pub heard: bool,
    pub inputs: ArrivalInputs,
    pub phase: Phase,
    /// The run under way is the last of a task whose time is over.
    pub last_try: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The second delivery of a dispatch, not there yet.
    InTransit,
    Needs(RequiredInput),
    Running,
    Creating(PendingTask),
    Answering(Answer),
}

/// [`decide::PendingCreate`], without what no rule reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PendingTask {
    pub what: CreatedTask,
    pub folded: bool,
    pub may_stay: bool,
    pub answer_on_failure: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreatedTask {
    /// The next task, on this queue.
    Next(u8),
    /// The same task on its own queue, with so many attempts in its ledger.
    Later(u8),
    Parked,
    Notification(Outcome),
    /// The first task of a life that a mover creates.
    Redriven,
}

/// In one write: three lives are hashed with every state.
impl Hash for Life {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self {
            ends,
            told_succeeded,
            untold,
            succeeded,
            parked,
            in_parking,
            not_parked,
        } = *self;
        let facts = [told_succeeded, untold, succeeded, in_parking, not_parked];
        let facts = facts
            .into_iter()
            .fold(0, |bits, fact| bits << 1 | u8::from(fact));
        state.write_u32(u32::from_be_bytes([0, facts, ends, parked]));
    }
}

impl State {
    /// A new task on the queue 0.
    pub fn first(faults: u8, redrives: u8) -> Self {
        let key = TaskKey {
            life: 0,
            queue: 0,
            hop: 0,
            later: 0,
        };
        Self {
            tasks: vec![Task::new(key)],
            pushes: Vec::new(),
            late: Vec::new(),
            names: [0; PARKING as usize + 1],
            faults,
            top: key.progress(),
            lives: [Life::default(); LIVES as usize],
            redrive: None,
            redrives,
            movers: Vec::new(),
            deleted: false,
            overlapped: false,
            broken: 0,
        }
    }

    pub fn task(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.key == key)
    }

    pub fn life(&mut self, life: u8) -> &mut Life {
        &mut self.lives[usize::from(life)]
    }

    /// The lives that have begun, with their numbers.
    pub fn begun(&self) -> impl Iterator<Item = (u8, &Life)> {
        (0..=self.top.0).zip(&self.lives)
    }

    /// The life's end is recorded, or needs no notification.
    pub fn ended(&self, life: u8) -> bool {
        let Life { ends, untold, .. } = self.lives[usize::from(life)];
        ends > 0 || untold || self.deleted
    }
}

impl Task {
    pub fn new(key: TaskKey) -> Self {
        Self {
            key,
            before: 0,
            r: 0,
            e: 0,
            p: None,
            out: false,
            counts: Counts::default(),
        }
    }
}
