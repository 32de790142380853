//! What workers did while a scenario went through a design: whose tasks they isolated, and which attempts
//! failed.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::scenario::Task;
use crate::world::{Answer, Event};

/// What was seen of the workers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// When tasks left a stage because their category is isolated, in the order of time, by task.
    pub isolated: Vec<(Duration, usize)>,
    /// The tasks of which a failed run was an attempt.
    pub failed_attempt: HashSet<usize>,
    /// When pushes were answered with [`Answer::Held`] for the first and the last time, by stage.
    pub held: BTreeMap<usize, [Duration; 2]>,
}

impl Observed {
    /// Takes note.
    pub fn note(&mut self, now: Duration, event: Event) {
        match event {
            Event::Isolated { task, .. } => self.isolated.push((now, task)),
            Event::AttemptFailed { task, .. } => {
                self.failed_attempt.insert(task);
            }
            Event::Answered {
                answer: Answer::Held,
                stage,
                ..
            } => self.held.entry(stage).or_insert([now; 2])[1] = now,
            Event::Answered { .. } | Event::Dispatched { .. } | Event::Ended { .. } => {}
        }
    }

    /// How many tasks were isolated that the incident doesn't strike.
    pub fn isolated_healthy(&self, tasks: &[Task]) -> usize {
        let healthy = self
            .isolated
            .iter()
            .filter(|(_, task)| !tasks[*task].is_affected);
        healthy.count()
    }

    /// When each tenant's task was isolated for the first and the last time.
    pub fn by_tenant(&self, tasks: &[Task]) -> BTreeMap<u32, [Duration; 2]> {
        let mut tenants = BTreeMap::new();
        for (at, task) in &self.isolated {
            let times = tenants.entry(tasks[*task].tenant).or_insert([*at; 2]);
            times[1] = *at;
        }
        tenants
    }
}
