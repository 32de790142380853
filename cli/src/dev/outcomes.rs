//! The outcomes of tasks: which were sent, and how each has ended.

use std::collections::{HashMap, HashSet};
use std::fmt;

use cloudtasks::TaskId;
use crds::Outcome;
use parking_lot::Mutex;

/// The tasks that `dev` has sent, and all notifications.
#[derive(Default)]
pub struct TaskOutcomes(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    sent: Vec<TaskId>,
    /// The first notification of each task counts.
    ended: HashMap<String, Outcome>,
    contradictory: HashSet<String>,
}

impl TaskOutcomes {
    /// These tasks are about to be sent. They are recorded first: one may end at once.
    pub fn send(&self, ids: &[TaskId]) {
        self.0.lock().sent.extend(ids.iter().cloned());
    }

    /// A notification has arrived. A duplicate is fine; one with another outcome is a contradiction.
    pub fn ended(&self, task: &str, outcome: Outcome) {
        let mut entries = self.0.lock();
        let first = *entries.ended.entry(task.to_owned()).or_insert(outcome);
        if first != outcome {
            entries.contradictory.insert(task.to_owned());
        }
    }

    /// How many tasks have ended, also those that `dev` has not sent.
    pub fn count_ended(&self) -> usize {
        self.0.lock().ended.len()
    }

    /// The summary of the tasks that `dev` has sent, or of all that have ended if it has sent none. While
    /// all queues are empty, a task that has not ended is lost.
    pub fn summary(&self, handed_over: Vec<(String, u64)>) -> Summary {
        let entries = self.0.lock();
        let ended = &entries.ended;
        let all: Vec<Option<Outcome>> = if entries.sent.is_empty() {
            ended.values().copied().map(Some).collect()
        } else {
            let sent = entries.sent.iter();
            sent.map(|id| ended.get(id.as_str()).copied()).collect()
        };
        let count = |wanted| all.iter().filter(|outcome| **outcome == wanted).count();
        Summary {
            sent: all.len(),
            succeeded: count(Some(Outcome::Succeeded)),
            failed: count(Some(Outcome::Failed)),
            without_end: count(None),
            contradictory: entries.contradictory.len(),
            handed_over,
        }
    }
}

/// How many tasks have ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Tasks sent.
    pub sent: usize,
    /// Tasks that succeeded.
    pub succeeded: usize,
    /// Tasks that failed.
    pub failed: usize,
    /// Tasks without a notification.
    pub without_end: usize,
    /// Tasks with two contradictory notifications.
    pub contradictory: usize,
    /// Hand-overs, by stage.
    pub handed_over: Vec<(String, u64)>,
}

impl Summary {
    /// Whether every task has ended, without a contradiction.
    pub fn is_clean(&self) -> bool {
        self.without_end == 0 && self.contradictory == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sent        {}", self.sent)?;
        writeln!(f, "succeeded   {}", self.succeeded)?;
        writeln!(f, "failed      {}", self.failed)?;
        for (stage, count) in &self.handed_over {
            writeln!(f, "handed over {count} by {stage}")?;
        }
        if self.contradictory > 0 {
            writeln!(f, "contradictory {}", self.contradictory)?;
        }
        write!(f, "lost        {}", self.without_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(names: &[&str]) -> Vec<TaskId> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_task_without_a_notification_is_lost() {
        let outcomes = TaskOutcomes::default();
        outcomes.send(&ids(&["a", "b", "c"]));
        outcomes.ended("a", Outcome::Succeeded);
        outcomes.ended("b", Outcome::Failed);
        outcomes.ended("of-another-client", Outcome::Failed);
        let summary = outcomes.summary(Vec::new());
        assert_eq!(
            (
                summary.sent,
                summary.succeeded,
                summary.failed,
                summary.without_end
            ),
            (3, 1, 1, 1)
        );
        assert!(!summary.is_clean());
    }

    #[test]
    fn a_duplicate_notification_is_fine_and_a_contradictory_one_is_not() {
        let outcomes = TaskOutcomes::default();
        outcomes.send(&ids(&["a"]));
        outcomes.ended("a", Outcome::Succeeded);
        outcomes.ended("a", Outcome::Succeeded);
        assert!(outcomes.summary(Vec::new()).is_clean());
        outcomes.ended("a", Outcome::Failed);
        let summary = outcomes.summary(Vec::new());
        assert_eq!((summary.succeeded, summary.contradictory), (1, 1));
        assert!(!summary.is_clean());
    }
}
