//! The account: which tasks were sent, and how each has ended.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;

use cloudtasks::TaskId;

/// How a task has ended, by its notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// A handler succeeded.
    Succeeded,
    /// No stage was left, or a route ended the task.
    Failed,
}

/// The tasks that `dev` has sent, and all notifications.
#[derive(Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    sent: Vec<TaskId>,
    /// The first notification of each task counts.
    ended: HashMap<String, Ending>,
    contradictory: HashSet<String>,
}

impl Ledger {
    /// These tasks are about to be sent. They are recorded first: one may end at once.
    pub fn send(&self, ids: &[TaskId]) {
        self.entries().sent.extend(ids.iter().cloned());
    }

    /// A notification has arrived. A duplicate is fine; one with another outcome is a contradiction.
    pub fn ended(&self, task: &str, ending: Ending) {
        let mut entries = self.entries();
        let first = *entries.ended.entry(task.to_owned()).or_insert(ending);
        if first != ending {
            entries.contradictory.insert(task.to_owned());
        }
    }

    /// How many tasks have ended, also those that `dev` has not sent.
    pub fn count_ended(&self) -> usize {
        self.entries().ended.len()
    }

    /// The account of the tasks that `dev` has sent, or of all that have ended if it has sent none. While
    /// all queues are empty, a task that has not ended is lost.
    pub fn account(&self, handed_over: Vec<(String, u64)>) -> Account {
        let entries = self.entries();
        let mut endings: BTreeMap<&str, Ending> = BTreeMap::new();
        for (task, ending) in &entries.ended {
            endings.insert(task, *ending);
        }
        let all: Vec<Option<Ending>> = if entries.sent.is_empty() {
            endings.values().copied().map(Some).collect()
        } else {
            entries
                .sent
                .iter()
                .map(|id| endings.get(id.as_str()).copied())
                .collect()
        };
        let count = |wanted| all.iter().filter(|ending| **ending == wanted).count();
        Account {
            sent: all.len(),
            succeeded: count(Some(Ending::Succeeded)),
            failed: count(Some(Ending::Failed)),
            without_end: count(None),
            contradictory: entries.contradictory.len(),
            handed_over,
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// How many tasks have ended, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
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

impl Account {
    /// Whether every task has ended, without a contradiction.
    pub fn is_clean(&self) -> bool {
        self.without_end == 0 && self.contradictory == 0
    }
}

impl fmt::Display for Account {
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
        let ledger = Ledger::default();
        ledger.send(&ids(&["a", "b", "c"]));
        ledger.ended("a", Ending::Succeeded);
        ledger.ended("b", Ending::Failed);
        ledger.ended("of-another-client", Ending::Failed);
        let account = ledger.account(Vec::new());
        assert_eq!(
            (
                account.sent,
                account.succeeded,
                account.failed,
                account.without_end
            ),
            (3, 1, 1, 1)
        );
        assert!(!account.is_clean());
    }

    #[test]
    fn a_duplicate_notification_is_fine_and_a_contradictory_one_is_not() {
        let ledger = Ledger::default();
        ledger.send(&ids(&["a"]));
        ledger.ended("a", Ending::Succeeded);
        ledger.ended("a", Ending::Succeeded);
        assert!(ledger.account(Vec::new()).is_clean());
        ledger.ended("a", Ending::Failed);
        let account = ledger.account(Vec::new());
        assert_eq!((account.succeeded, account.contradictory), (1, 1));
        assert!(!account.is_clean());
    }
}
