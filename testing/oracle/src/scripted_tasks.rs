//! Tasks whose runs end by a script, and the results that are seen of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::task_result::{Ends, Evidence, TaskResults};

/// How a task's runs end, whatever becomes of the chain meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// All of them succeed.
    Succeeds,
    /// All but the first one succeed, on whichever stage.
    FailsOnce,
    /// Those on this stage succeed.
    SucceedsOn(&'static str),
    /// None succeeds.
    Fails,
}

impl Script {
    /// Whether a task's run succeeds: its number, from 1, and its stage.
    fn succeeds(self, run: usize, stage: &str) -> bool {
        match self {
            Self::Succeeds => true,
            Self::FailsOnce => run > 1,
            Self::SucceedsOn(name) => stage == name,
            Self::Fails => false,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Task {
    is_created: bool,
    runs: usize,
    notified: Ends,
}

impl Task {
    fn evidence(self, script: Script) -> Evidence {
        let (has_run, fails) = (self.runs > 0, script == Script::Fails);
        Evidence {
            notified: self.notified,
            allowed: Ends {
                succeeded: has_run && !fails,
                failed: has_run && fails,
            },
        }
    }
}

/// All tasks, by number.
pub struct Tracker {
    script: Box<dyn Fn(usize) -> Script + Send + Sync>,
    tasks: Mutex<BTreeMap<usize, Task>>,
}

impl Tracker {
    /// A tracker of no tasks yet.
    pub fn new(script: impl Fn(usize) -> Script + Send + Sync + 'static) -> Self {
        Self {
            script: Box::new(script),
            tasks: Mutex::default(),
        }
    }

    /// Creates a task, and returns its number.
    pub fn create(&self) -> usize {
        self.with(|tasks| {
            let number = tasks.last_key_value().map_or(0, |(last, _)| last + 1);
            tasks.entry(number).or_default().is_created = true;
            number
        })
    }

    /// Enters a task that was created. It may have run by now.
    pub fn created(&self, task: usize) {
        self.with(|tasks| tasks.entry(task).or_default().is_created = true);
    }

    /// Enters a run, and says whether it succeeds.
    pub fn run(&self, task: usize, stage: &str) -> bool {
        let runs = self.with(|tasks| {
            let task = tasks.entry(task).or_default();
            task.runs += 1;
            task.runs
        });
        (self.script)(task).succeeds(runs, stage)
    }

    /// Enters an end that the client was notified of.
    pub fn notified(&self, task: usize, succeeded: bool) {
        self.with(|tasks| {
            let notified = &mut tasks.entry(task).or_default().notified;
            notified.succeeded |= succeeded;
            notified.failed |= !succeeded;
        });
    }

    /// How many tasks were created.
    pub fn count(&self) -> usize {
        self.with(|tasks| tasks.values().filter(|task| task.is_created).count())
    }

    /// Grows with each run and each task's first notification.
    pub fn movement(&self) -> usize {
        self.with(|tasks| {
            let ends = |ends: Ends| usize::from(ends.succeeded) + usize::from(ends.failed);
            let of_each = tasks.values().map(|task| task.runs + ends(task.notified));
            of_each.sum()
        })
    }

    /// The results on the tasks that were created, as if no more came.
    pub fn results(&self) -> TaskResults {
        self.with(|tasks| {
            let created = tasks.iter().filter(|(_, task)| task.is_created);
            let result = |number: usize, task: &Task| {
                (number, task.evidence((self.script)(number)).result())
            };
            created
                .map(|(number, task)| result(*number, task))
                .collect()
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<usize, Task>) -> T) -> T {
        // A test that panicked with it in hand has failed anyway.
        act(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker")
            .field("tasks", &self.tasks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(task: usize) -> Script {
        [
            Script::Succeeds,
            Script::FailsOnce,
            Script::Fails,
            Script::Fails,
        ][task % 4]
    }

    #[test]
    fn each_task_has_one_end_and_the_right_one() {
        let tracker = Tracker::new(script);
        for _ in 0..8 {
            tracker.create();
        }
        for task in 0..7 {
            tracker.run(task, "fast");
        }
        for (task, succeeded) in [
            (0, true),
            (1, false),
            (2, false),
            (3, false),
            (3, true),
            (4, true),
            (7, false),
        ] {
            tracker.notified(task, succeeded);
        }
        let results = tracker.results();
        assert_eq!((results.succeeded, results.failed), (2, 1));
        assert_eq!(results.lost, [5, 6]);
        // Failed against its script, ended twice, and ended without a run.
        assert_eq!(results.contradictory, [1, 3, 7]);
        assert_eq!(tracker.movement(), 7 + 7);
    }

    #[test]
    fn runs_end_by_their_script() {
        let tracker = Tracker::new(|_| Script::SucceedsOn("last"));
        assert!(!tracker.run(0, "fast"));
        assert!(tracker.run(0, "last"));
        let tracker = Tracker::new(|_| Script::FailsOnce);
        assert!(!tracker.run(0, "fast"));
        assert!(tracker.run(0, "fast"));
    }

    #[test]
    fn a_task_may_run_before_its_producer_knows_that_it_is_created() {
        let tracker = Tracker::new(script);
        assert!(tracker.run(4, "fast"));
        assert_eq!((tracker.count(), tracker.results().lost.len()), (0, 0));
        tracker.created(4);
        assert_eq!((tracker.count(), tracker.results().lost), (1, vec![4]));
    }
}
