//! What becomes of each task, kept outside of all that is under test.

use std::sync::{Mutex, PoisonError};

/// How a task's runs end, whatever the ladder: no edit takes a chance away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// From the first run on.
    Succeeds,
    /// From the second run on, on whichever stage.
    SucceedsLater,
    /// In every run.
    Fails,
}

impl Fate {
    /// Half of the tasks fail.
    pub fn of(task: usize, seed: u64) -> Self {
        match (task as u64).wrapping_add(seed) % 4 {
            0 => Self::Succeeds,
            1 => Self::SucceedsLater,
            _ => Self::Fails,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    runs: u32,
    succeeded: bool,
    failed: bool,
}

/// All tasks of a row, by number.
#[derive(Debug)]
pub struct Account {
    seed: u64,
    tasks: Mutex<Vec<Known>>,
}

/// How the tasks have fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// Without an end.
    pub lost: Vec<usize>,
    /// With two ends, or with another than the handlers gave.
    pub contradictory: Vec<usize>,
}

impl Account {
    /// Of no task.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            tasks: Mutex::default(),
        }
    }

    /// Enters a task, and gives its number.
    pub fn enter(&self) -> usize {
        self.with(|tasks| {
            tasks.push(Known::default());
            tasks.len() - 1
        })
    }

    /// Counts a run, and says whether it succeeds.
    pub fn run(&self, task: usize) -> bool {
        let fate = Fate::of(task, self.seed);
        self.with(|tasks| {
            let Some(known) = tasks.get_mut(task) else {
                return false;
            };
            known.runs += 1;
            match fate {
                Fate::Succeeds => true,
                Fate::SucceedsLater => known.runs > 1,
                Fate::Fails => false,
            }
        })
    }

    /// Counts an end.
    pub fn end(&self, task: usize, succeeded: bool) {
        self.with(|tasks| {
            if let Some(known) = tasks.get_mut(task) {
                known.succeeded |= succeeded;
                known.failed |= !succeeded;
            }
        });
    }

    /// Grows with each run and each first end.
    pub fn movement(&self) -> usize {
        let count = |known: &Known| {
            usize::try_from(known.runs).unwrap_or(0)
                + usize::from(known.succeeded)
                + usize::from(known.failed)
        };
        self.with(|tasks| tasks.iter().map(count).sum())
    }

    /// The sum so far.
    pub fn sum(&self) -> Sum {
        let seed = self.seed;
        self.with(|tasks| {
            let mut sum = Sum::default();
            for (task, known) in tasks.iter().enumerate() {
                let succeeds = Fate::of(task, seed) != Fate::Fails;
                match (known.succeeded, known.failed) {
                    (false, false) => sum.lost.push(task),
                    (true, false) if succeeds && known.runs > 0 => {}
                    (false, true) if !succeeds && known.runs > 0 => {}
                    _ => sum.contradictory.push(task),
                }
            }
            sum
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Vec<Known>) -> T) -> T {
        act(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_has_one_end_and_the_right_one() {
        let account = Account::new(0);
        for _ in 0..8 {
            account.enter();
        }
        for task in 0..7 {
            account.run(task);
        }
        account.end(0, true);
        account.end(1, false);
        account.end(2, false);
        account.end(3, false);
        account.end(3, true);
        account.end(4, true);
        account.end(7, false);
        let Sum {
            lost,
            contradictory,
        } = account.sum();
        assert_eq!(lost, [5, 6]);
        // Failed against its fate, ended twice, and ended without a run.
        assert_eq!(contradictory, [1, 3, 7]);
    }
}
