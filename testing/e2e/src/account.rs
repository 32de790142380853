//! What becomes of each task, kept outside of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The example's stages and their attempts.
const LADDER: [(&str, u32); 3] = [("fast", 3), ("slow", 2), ("last", 1)];

/// How a task's runs end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Succeeds,
    /// In its first run.
    FailsOnce,
    /// On each stage but the last.
    Climbs,
    /// In every run.
    Fails,
}

impl Fate {
    pub fn of(task: usize) -> Self {
        // A tenth climbs: 4 a second of 40, of the 5 that the last stage takes.
        match task % 20 {
            0 | 1 => Self::FailsOnce,
            2 => Self::Climbs,
            3 => Self::Fails,
            _ => Self::Succeeds,
        }
    }
}

/// One run, as the handler tells it.
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

#[derive(Debug, Clone, Default)]
struct Known {
    runs: u32,
    /// By stage, the attempts that a handler was asked for, and those that count all the same.
    attempts: BTreeMap<String, BTreeSet<u32>>,
    succeeded: bool,
    failed: bool,
}

#[derive(Debug, Default)]
struct Book {
    tasks: BTreeMap<usize, Known>,
    put: BTreeSet<usize>,
    runs: u64,
    versions: BTreeSet<String>,
    /// Attempts that were counted and that no handler was asked for.
    spent: u64,
    /// Runs of an attempt that had been run before.
    again: u64,
    /// Runs that were begun by handlers that had been told to stop.
    late: u64,
}

impl Known {
    /// The task has left the stages before this one, or all; what it has not had of their attempts.
    fn has_left(&mut self, stage: Option<&str>) -> u64 {
        let left = LADDER.iter().take_while(|(name, _)| Some(*name) != stage);
        left.map(|(name, attempts)| self.has_had(name, *attempts))
            .sum()
    }

    /// The task has had so many attempts on a stage; how many of them no handler was asked for.
    fn has_had(&mut self, stage: &str, attempts: u32) -> u64 {
        let asked = self.attempts.entry(stage.to_owned()).or_default();
        let missing = (1..=attempts).filter(|attempt| asked.insert(*attempt));
        missing.map(|_| 1).sum()
    }
}

/// All tasks.
#[derive(Debug, Default)]
pub struct Account(Mutex<Book>);

/// How they have fared.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    pub put: usize,
    pub succeeded: usize,
    pub failed: usize,
    /// Without an end.
    pub lost: Vec<usize>,
    /// With two ends, or with another than the handler gave.
    pub contradictory: Vec<usize>,
    pub runs: u64,
    /// Runs of an attempt that had been run before.
    pub again: u64,
    /// Attempts that were counted and that no handler was asked for.
    pub spent: u64,
    /// Runs that were begun by handlers that had been told to stop.
    pub late: u64,
}

impl Account {
    /// Enters a task that Cloud Tasks has taken.
    pub fn put(&self, task: usize) {
        self.with(|book| book.put.insert(task));
    }

    /// Enters a run, and says whether it succeeds.
    pub fn run(&self, run: &Run) -> bool {
        self.with(|book| {
            book.runs += 1;
            book.versions.insert(run.version.clone());
            book.late += u64::from(run.stopping);
            let known = book.tasks.entry(run.task).or_default();
            known.runs += 1;
            book.spent += known.has_left(Some(&run.stage));
            book.spent += known.has_had(&run.stage, run.attempt.saturating_sub(1));
            let asked = known.attempts.entry(run.stage.clone()).or_default();
            book.again += u64::from(!asked.insert(run.attempt));
            match Fate::of(run.task) {
                Fate::Succeeds => true,
                Fate::FailsOnce => known.runs > 1,
                Fate::Climbs => run.stage == "last",
                Fate::Fails => false,
            }
        })
    }

    /// Enters an end that the client was told.
    pub fn told(&self, task: usize, succeeded: bool) {
        self.with(|book| {
            let known = book.tasks.entry(task).or_default();
            if succeeded {
                known.succeeded = true;
            } else {
                known.failed = true;
                book.spent += known.has_left(None);
            }
        });
    }

    /// How many tasks were put so far.
    pub fn count(&self) -> usize {
        self.with(|book| book.put.len())
    }

    pub fn has_seen(&self, version: &str) -> bool {
        self.with(|book| book.versions.contains(version))
    }

    pub fn sum(&self) -> Sum {
        self.with(|book| {
            let mut sum = Sum {
                put: book.put.len(),
                runs: book.runs,
                again: book.again,
                spent: book.spent,
                late: book.late,
                ..Sum::default()
            };
            for task in &book.put {
                let known = book.tasks.get(task).cloned().unwrap_or_default();
                let fails = Fate::of(*task) == Fate::Fails;
                match (known.succeeded, known.failed) {
                    (false, false) => sum.lost.push(*task),
                    (true, false) if !fails => sum.succeeded += 1,
                    (false, true) if fails => sum.failed += 1,
                    _ => sum.contradictory.push(*task),
                }
            }
            sum
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Book) -> T) -> T {
        // A test that panicked with it in hand has failed anyway.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Run};

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
    fn an_attempt_that_no_handler_saw_is_spent() {
        let account = Account::default();
        let counted = || {
            let sum = account.sum();
            (sum.spent, sum.again, sum.late)
        };
        assert!(!account.run(&run(3, 1)));
        assert!(!account.run(&run(3, 2)));
        assert_eq!(counted(), (0, 0, 0));
        // A run whose end was not heard of comes again.
        assert!(!account.run(&run(3, 2)));
        assert_eq!(counted(), (0, 1, 0));
        assert!(!account.run(&run(23, 1)));
        assert!(!account.run(&run(23, 3)));
        assert_eq!(counted(), (1, 1, 0));
        // Two of three attempts were had when the task went on.
        account.run(&Run {
            stage: "slow".to_owned(),
            stopping: true,
            ..run(3, 1)
        });
        assert_eq!(counted(), (2, 1, 1));
        // Without two attempts on one stage, and one on the last.
        account.told(23, false);
        assert_eq!(counted(), (5, 1, 1));
    }

    #[test]
    fn what_has_no_end_is_lost_and_what_has_two_is_told_of() {
        let account = Account::default();
        for task in [3, 4, 5, 6] {
            account.put(task);
        }
        account.told(3, false);
        account.told(4, true);
        account.told(5, true);
        account.told(5, false);
        let sum = account.sum();
        assert_eq!((sum.succeeded, sum.failed), (1, 1));
        assert_eq!((sum.lost, sum.contradictory), (vec![6], vec![5]));
    }
}
