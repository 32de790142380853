//! One state of the world: a producer's task and all that became of it.
//!
//! Queues are numbers: the stages' first, the notifier's is [`NOTIFIER`]. A task on a stage's
//! queue is known by its queue, its hop, and how often it was put off there. All counters only grow
//! and every push only moves forward, so that no path comes back to a state it has left.

use decide::{Answer, ArrivalInputs, Outcome, RequiredInput};

use crate::world::Pod;

/// The notifier's queue.
pub const NOTIFIER: u8 = 4;

/// A task: its queue, its hop, and how often it was put off.
pub type TaskKey = (u8, u8, u8);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct State {
    /// The tasks on the stages' queues.
    pub tasks: Vec<Task>,
    /// The pushes in flight at workers.
    pub pushes: Vec<Push>,
    /// Creates that have not taken effect, and whose workers wait no longer.
    pub late: Vec<LateCreate>,
    /// The ids that each queue remembers, one bit for each. Names are remembered forever.
    pub names: [u64; NOTIFIER as usize + 1],
    /// Faults that may still happen.
    pub faults: u8,
    /// The highest hop that was ever created, and how often the task was put off there.
    pub top: (u8, u8),
    /// The owner has deleted the task.
    pub deleted: bool,
    /// The task has ended with an outcome that needs no notification.
    pub untold: bool,
    /// The handler has succeeded, and nothing has happened since that may forget it.
    pub succeeded: bool,
    /// Runs may have overlapped, or a worker did not know the queue with the successor.
    pub overlapped: bool,
    /// Promises that were broken, as the bits of [`crate::promises::Broken`].
    pub broken: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Task {
    pub queue: u8,
    pub hop: u8,
    pub later: u8,
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
    pub queue: u8,
    pub hop: u8,
    pub later: u8,
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
    Notification(Outcome),
}

impl State {
    /// A new task on the queue 0.
    pub fn first(faults: u8) -> Self {
        Self {
            tasks: vec![Task::new((0, 0, 0))],
            pushes: Vec::new(),
            late: Vec::new(),
            names: [0; NOTIFIER as usize + 1],
            faults,
            top: (0, 0),
            deleted: false,
            untold: false,
            succeeded: false,
            overlapped: false,
            broken: 0,
        }
    }

    pub fn task(&mut self, key: TaskKey) -> Option<&mut Task> {
        self.tasks.iter_mut().find(|task| task.key() == key)
    }

    /// The notifications that were ever created.
    pub fn ends(&self) -> u32 {
        self.names[usize::from(NOTIFIER)].count_ones()
    }

    /// The end is recorded, or needs no notification.
    pub fn ended(&self) -> bool {
        self.ends() > 0 || self.untold || self.deleted
    }
}

impl Task {
    pub fn new((queue, hop, later): TaskKey) -> Self {
        Self {
            queue,
            hop,
            later,
            before: 0,
            r: 0,
            e: 0,
            p: None,
            out: false,
            counts: Counts::default(),
        }
    }

    pub fn key(&self) -> TaskKey {
        (self.queue, self.hop, self.later)
    }
}
