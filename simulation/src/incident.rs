//! An incident through a design: a [`Scenario`]'s tasks, and what becomes of each.

use std::time::Duration;

use crate::design::{Design, Edit, Entry};
use crate::results::{Completion, Results};
use crate::scenario::{Scenario, Task};
use crate::simulate::run;
use crate::world::{Entrant, Event, Run, RunEnd, World};

struct Incident<'a, O> {
    scenario: &'a Scenario,
    tasks: &'a [Task],
    entry: Entry,
    last: usize,
    came: usize,
    ends: Vec<Option<Completion>>,
    observe: O,
}

/// The results of the tasks through a design.
pub fn simulate(scenario: &Scenario, tasks: &[Task], design: &Design, edits: &[Edit]) -> Results {
    simulate_observed(scenario, tasks, design, edits, |_, _| ())
}

/// As [`simulate`], telling each dispatch, answer and end.
pub fn simulate_observed(
    scenario: &Scenario,
    tasks: &[Task],
    design: &Design,
    edits: &[Edit],
    observe: impl FnMut(Duration, Event),
) -> Results {
    let mut incident = Incident {
        scenario,
        tasks,
        entry: design.entry,
        last: design.stages.len().saturating_sub(1),
        came: 0,
        ends: vec![None; tasks.len()],
        observe,
    };
    run(&mut incident, &design.stages, edits, 1, Duration::MAX);
    let tasks = tasks.iter().copied();
    Results {
        tasks: tasks.zip(incident.ends).collect(),
    }
}

impl<O: FnMut(Duration, Event)> World for Incident<'_, O> {
    fn next(&mut self) -> Option<Entrant> {
        let task = self.tasks.get(self.came)?;
        self.came += 1;
        let is_foreseen = task.is_affected && self.scenario.incident.has(task.arrives);
        let stage = match self.entry {
            Entry::Oracle if is_foreseen => self.last,
            Entry::First | Entry::Oracle => 0,
        };
        Some(Entrant {
            at: task.arrives,
            stage,
            due: task.arrives,
            attempts: 0,
            refused: 0,
            running: None,
        })
    }

    fn run(&mut self, now: Duration, stage: usize, task: usize, timeout: Duration) -> Run {
        let run = self.scenario.run(&self.tasks[task], stage, now, timeout);
        let how = if run.succeeds {
            RunEnd::Succeeded
        } else {
            RunEnd::Failed
        };
        Run {
            takes: run.takes,
            how,
        }
    }

    fn is_rerouted(&self, task: usize) -> bool {
        self.tasks[task].is_affected
    }

    fn category(&self, task: usize) -> Option<u64> {
        Some(u64::from(self.tasks[task].tenant))
    }

    fn observe(&mut self, now: Duration, event: Event) {
        if let Event::Ended { task, how } = event {
            self.ends[task] = Some(Completion { at: now, how });
        }
        (self.observe)(now, event);
    }
}
