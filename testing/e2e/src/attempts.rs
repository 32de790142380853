//! Which attempts of each task a handler was asked for, noted outside of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

const STAGES: [(&str, u32); 3] = [("fast", 3), ("slow", 2), ("last", 1)];

#[derive(Debug, Clone)]
pub struct Run {
    pub task: usize,
    pub stage: String,
    /// Which attempt the worker takes it for, from 1.
    pub attempt: u32,
    pub version: String,
    /// Whether the handler had been told to stop before it was asked for this run.
    pub stopping: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub runs: u64,
    /// Runs of an attempt that had been run before.
    pub repeated: u64,
    /// Attempts that were counted and that no handler was asked for.
    pub without_run: u64,
    /// Runs that were begun by handlers that had been told to stop.
    pub late: u64,
}

/// By stage, the attempts that a handler was asked for, and those that count all the same.
#[derive(Debug, Default)]
struct Task(BTreeMap<String, BTreeSet<u32>>);

impl Task {
    /// The task has left the stages before this one, or all; what it has not had of their attempts.
    fn has_left(&mut self, stage: Option<&str>) -> u64 {
        let left = STAGES.iter().take_while(|(name, _)| Some(*name) != stage);
        left.map(|(name, attempts)| self.has_had(name, *attempts))
            .sum()
    }

    /// The task has had so many attempts on a stage; how many of them no handler was asked for.
    fn has_had(&mut self, stage: &str, attempts: u32) -> u64 {
        let asked = self.0.entry(stage.to_owned()).or_default();
        let missing = (1..=attempts).filter(|attempt| asked.insert(*attempt));
        missing.map(|_| 1).sum()
    }
}

#[derive(Debug, Default)]
struct Log {
    tasks: BTreeMap<usize, Task>,
    versions: BTreeSet<String>,
    counts: Counts,
}

#[derive(Debug, Default)]
pub struct Attempts(Mutex<Log>);

impl Attempts {
    pub fn run(&self, run: &Run) {
        self.with(|log| {
            let Log {
                tasks,
                versions,
                counts,
            } = log;
            versions.insert(run.version.clone());
            counts.runs += 1;
            counts.late += u64::from(run.stopping);
            let task = tasks.entry(run.task).or_default();
            counts.without_run += task.has_left(Some(&run.stage));
            counts.without_run += task.has_had(&run.stage, run.attempt.saturating_sub(1));
            let asked = task.0.entry(run.stage.clone()).or_default();
            counts.repeated += u64::from(!asked.insert(run.attempt));
        });
    }

    /// The client was notified that the task has failed: it has had all attempts.
    pub fn failed(&self, task: usize) {
        self.with(|log| {
            log.counts.without_run += log.tasks.entry(task).or_default().has_left(None);
        });
    }

    pub fn has_seen(&self, version: &str) -> bool {
        self.with(|log| log.versions.contains(version))
    }

    pub fn counts(&self) -> Counts {
        self.with(|log| log.counts)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Log) -> T) -> T {
        // A test that panicked with it in hand has failed anyway.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempts, Run};

    fn run(task: usize, attempt: u32) -> Run {
        Run {
            task,
            stage: "fast".to_owned(),
            attempt,
            version: "1".to_owned(),
            stopping: false,
        }
    }

    #[test]
    fn an_attempt_that_no_handler_saw_is_without_a_run() {
        let attempts = Attempts::default();
        let counted = || {
            let counts = attempts.counts();
            (counts.without_run, counts.repeated, counts.late)
        };
        attempts.run(&run(3, 1));
        attempts.run(&run(3, 2));
        assert_eq!(counted(), (0, 0, 0));
        // A run whose end was not heard of comes again.
        attempts.run(&run(3, 2));
        assert_eq!(counted(), (0, 1, 0));
        attempts.run(&run(23, 1));
        attempts.run(&run(23, 3));
        assert_eq!(counted(), (1, 1, 0));
        // Two of three attempts were had when the task went on.
        attempts.run(&Run {
            stage: "slow".to_owned(),
            stopping: true,
            ..run(3, 1)
        });
        assert_eq!(counted(), (2, 1, 1));
        // Without two attempts on one stage, and one on the last.
        attempts.failed(23);
        assert_eq!(counted(), (5, 1, 1));
    }
}
