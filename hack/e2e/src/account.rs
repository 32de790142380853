//! What becomes of each task, kept outside of the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

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
        match task % 10 {
            0 => Self::FailsOnce,
            1 => Self::Climbs,
            2 => Self::Fails,
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
}

#[derive(Debug, Clone, Default)]
struct Known {
    runs: u32,
    /// Failures that the handler was told to give, by stage.
    failures: BTreeMap<String, u32>,
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
    /// Runs beyond those that the fates ask for.
    pub runs_again: u64,
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
            let known = book.tasks.entry(run.task).or_default();
            known.runs += 1;
            let failures = known.failures.entry(run.stage.clone()).or_default();
            if run.attempt > *failures + 1 {
                book.spent += u64::from(run.attempt - *failures - 1);
                // Counted once.
                *failures = run.attempt - 1;
            }
            let succeeds = match Fate::of(run.task) {
                Fate::Succeeds => true,
                Fate::FailsOnce => known.runs > 1,
                Fate::Climbs => run.stage == "last",
                Fate::Fails => false,
            };
            if !succeeds {
                *failures += 1;
            }
            succeeds
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
            }
        });
    }

    /// Attempts that were counted though no run of the handler had failed.
    pub fn spent(&self) -> u64 {
        self.with(|book| book.spent)
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
                ..Sum::default()
            };
            let mut asked = 0;
            for task in &book.put {
                let known = book.tasks.get(task).cloned().unwrap_or_default();
                let fails = Fate::of(*task) == Fate::Fails;
                match (known.succeeded, known.failed) {
                    (false, false) => sum.lost.push(*task),
                    (true, false) if !fails => sum.succeeded += 1,
                    (false, true) if fails => sum.failed += 1,
                    _ => sum.contradictory.push(*task),
                }
                asked += match Fate::of(*task) {
                    Fate::Succeeds => 1,
                    Fate::FailsOnce => 2,
                    // Three, two and one attempt.
                    Fate::Climbs | Fate::Fails => 6,
                };
            }
            sum.runs_again = sum.runs.saturating_sub(asked);
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
        }
    }

    #[test]
    fn an_attempt_that_no_handler_saw_is_spent() {
        let account = Account::default();
        assert!(!account.run(&run(2, 1)));
        assert!(!account.run(&run(2, 2)));
        assert_eq!(account.spent(), 0);
        // A run whose end was not heard of comes again, and that is free.
        assert!(!account.run(&run(2, 2)));
        assert_eq!(account.spent(), 0);
        assert!(!account.run(&run(12, 1)));
        assert!(!account.run(&run(12, 3)));
        assert_eq!(account.spent(), 1);
    }

    #[test]
    fn what_has_no_end_is_lost_and_what_has_two_is_told_of() {
        let account = Account::default();
        for task in [2, 3, 4, 5] {
            account.put(task);
        }
        account.told(2, false);
        account.told(3, true);
        account.told(4, true);
        account.told(4, false);
        let sum = account.sum();
        assert_eq!((sum.succeeded, sum.failed), (1, 1));
        assert_eq!((sum.lost, sum.contradictory), (vec![5], vec![4]));
    }
}
