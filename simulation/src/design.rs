//! Designs: the stages that a task may climb, and where it begins.

use std::num::NonZeroU32;
use std::time::Duration;

use decide::{FailureThreshold, IsolationRules};
use serde_json::json;

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
    /// The workers that share the capacity.
    pub workers: Workers,
}

/// The workers of a stage, and what they make of what they see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    /// A push reaches any of them, as through a load balancer. Each knows only what happens to itself.
    pub pods: NonZeroU32,
    /// Which categories leave the stage.
    pub isolate: Option<Isolate>,
    /// How long a pod holds at most whose handler fails for nearly all tasks.
    pub hold_on_outage: Option<Duration>,
    /// Of what is random here: which pod a push reaches, and how long a breaker is open.
    pub seed: u64,
}

/// Which categories leave a stage. A task has one category: its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolate {
    /// The later stage to which they go, by its place.
    pub to: usize,
    /// The part of a pod's run slots that one may hold when they are scarce, in percent.
    pub max_share: Option<u8>,
    /// When one fails too often.
    pub failures: Option<FailureThreshold>,
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

impl Default for Workers {
    /// One pod that takes tasks as they come.
    fn default() -> Self {
        Self {
            pods: NonZeroU32::MIN,
            isolate: None,
            hold_on_outage: None,
            seed: 0,
        }
    }
}

impl Isolate {
    /// What a worker is given, whose tasks name their category in this header and leave for this queue.
    pub fn json(&self, header: &str, queue: &str) -> String {
        let failures = self.failures.map(|it| {
            let FailureThreshold { of, at_least } = it;
            json!({"of": of, "atLeast": at_least})
        });
        let mut rule = json!({"header": header, "to": queue});
        if let Some(share) = self.max_share {
            rule["maxShare"] = json!(share);
        }
        if let Some(failures) = failures {
            rule["failures"] = failures;
        }
        json!([rule]).to_string()
    }

    /// What it means to a pod. None of what no worker would take.
    pub(crate) fn rules(&self) -> IsolationRules {
        let queue = "projects/simulation/locations/here/queues/later";
        serde_json::from_str(&self.json("x-tenant", queue)).unwrap_or_default()
    }
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
