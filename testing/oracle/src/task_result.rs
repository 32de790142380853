//! The result on a task, and the count of all.

use std::iter;

/// The two ends of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    /// Succeeded.
    pub succeeded: bool,
    /// Failed.
    pub failed: bool,
}

/// What is known of a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The ends that the client was notified of.
    pub notified: Ends,
    /// The ends that the handlers' runs allow.
    pub allowed: Ends,
}

/// The result on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskResult {
    /// The client was notified of no end.
    Lost,
    /// Of two ends, or of one that the handlers' runs don't allow.
    Contradictory,
    /// Of success, rightly.
    Succeeded,
    /// Of failure, rightly.
    Failed,
}

impl Evidence {
    /// The result.
    pub fn result(self) -> TaskResult {
        let Self { notified, allowed } = self;
        match (notified.succeeded, notified.failed) {
            (false, false) => TaskResult::Lost,
            (true, false) if allowed.succeeded => TaskResult::Succeeded,
            (false, true) if allowed.failed => TaskResult::Failed,
            (true, _) | (false, true) => TaskResult::Contradictory,
        }
    }
}

/// Tasks by result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskResults {
    /// How many succeeded.
    pub succeeded: usize,
    /// How many failed.
    pub failed: usize,
    /// Those that are lost.
    pub lost: Vec<usize>,
    /// Those whose ends contradict each other, or the handlers.
    pub contradictory: Vec<usize>,
}

impl TaskResults {
    /// Counts one task more, by its number.
    pub fn add(&mut self, task: usize, result: TaskResult) {
        match result {
            TaskResult::Lost => self.lost.push(task),
            TaskResult::Contradictory => self.contradictory.push(task),
            TaskResult::Succeeded => self.succeeded += 1,
            TaskResult::Failed => self.failed += 1,
        }
    }

    /// Whether each task has one end, and the right one.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.contradictory.is_empty()
    }

    /// A line for each kind of wrong tasks, with the first of them.
    pub fn wrong(&self, id: impl Fn(usize) -> String) -> Vec<String> {
        let lost = iter::once(("lost", &self.lost));
        let kinds = lost.chain([("contradictory", &self.contradictory)]);
        let kinds = kinds.filter(|(_, tasks)| !tasks.is_empty());
        let line = |(kind, tasks): (&str, &Vec<usize>)| {
            let first: Vec<String> = tasks.iter().take(10).map(|task| id(*task)).collect();
            format!("  {kind}: {} …", first.join(" "))
        };
        kinds.map(line).collect()
    }
}

impl FromIterator<(usize, TaskResult)> for TaskResults {
    fn from_iter<T: IntoIterator<Item = (usize, TaskResult)>>(tasks: T) -> Self {
        let mut results = Self::default();
        for (task, result) in tasks {
            results.add(task, result);
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::TaskResult::{Contradictory, Failed, Lost, Succeeded};
    use super::*;

    #[test]
    fn a_task_has_one_end_and_one_that_its_runs_allow() {
        let ends = |succeeded, failed| Ends { succeeded, failed };
        let result = |notified, allowed| Evidence { notified, allowed }.result();
        let (none, success, failure, both) = (
            ends(false, false),
            ends(true, false),
            ends(false, true),
            ends(true, true),
        );
        assert_eq!(result(none, both), Lost);
        assert_eq!(result(both, both), Contradictory);
        assert_eq!(result(success, success), Succeeded);
        assert_eq!(result(success, failure), Contradictory);
        assert_eq!(result(failure, failure), Failed);
        assert_eq!(result(failure, success), Contradictory);
        assert_eq!(result(success, none), Contradictory);
    }

    #[test]
    fn wrong_tasks_are_counted_and_named() {
        let results = [Succeeded, Lost, Failed, Contradictory, Lost];
        let results: TaskResults = results.into_iter().enumerate().collect();
        assert_eq!((results.succeeded, results.failed), (1, 1));
        assert!(!results.is_clean());
        let wrong = results.wrong(|task| format!("t-{task}"));
        assert_eq!(wrong, ["  lost: t-1 t-4 …", "  contradictory: t-3 …"]);
        assert!(TaskResults::default().is_clean());
    }
}
