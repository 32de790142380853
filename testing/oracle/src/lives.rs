//! The lives of tasks that may be redriven after they were parked.

use std::collections::{BTreeMap, BTreeSet};

use crate::notifications::Notification;
use crate::task_result::TaskResult;

/// The events of a life: whether it succeeded, and the event's id. One that is sent again has the same.
type Events = BTreeSet<(bool, String)>;

/// What the client was notified of, by task and life.
#[derive(Debug, Default)]
pub struct Lives(BTreeMap<usize, BTreeMap<u64, Events>>);

impl Lives {
    /// Enters a notification.
    pub fn notified(&mut self, it: &Notification) {
        let lives = self.0.entry(it.task).or_default();
        let events = lives.entry(it.life).or_default();
        events.insert((it.succeeded, it.event.clone()));
    }

    /// The results on a task's lives, from the first to the last that the client knows of.
    pub fn of(&self, task: usize) -> Vec<TaskResult> {
        let Some(lives) = self.0.get(&task) else {
            return Vec::new();
        };
        let last = lives.last_key_value().map_or(0, |(life, _)| *life);
        let mut ids = BTreeSet::new();
        let mut result = |life: u64| {
            let mut events = lives.get(&life).into_iter().flatten();
            match (events.next(), events.next()) {
                (None, _) => TaskResult::Lost,
                // A client takes an id that it knows for a duplicate.
                (Some((_, id)), None) if !ids.insert(id) => TaskResult::Contradictory,
                (Some((true, _)), None) => TaskResult::Succeeded,
                (Some((false, _)), None) => TaskResult::Failed,
                (Some(_), Some(_)) => TaskResult::Contradictory,
            }
        };
        (1..=last).map(&mut result).collect()
    }

    /// The tasks of which the client was notified.
    pub fn tasks(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskResult::{Contradictory, Failed, Lost, Succeeded};

    fn lives(notifications: &[(u64, &str, bool)]) -> Vec<TaskResult> {
        let mut lives = Lives::default();
        for (life, event, succeeded) in notifications {
            lives.notified(&Notification {
                task: 3,
                event: (*event).to_owned(),
                life: *life,
                succeeded: *succeeded,
                retries: 0,
            });
        }
        assert_eq!(lives.tasks().collect::<Vec<_>>(), [3]);
        assert!(lives.of(4).is_empty());
        lives.of(3)
    }

    #[test]
    fn each_life_has_one_event() {
        let (failed, succeeded) = ((1, "a", false), (2, "b", true));
        assert_eq!(lives(&[failed, succeeded]), [Failed, Succeeded]);
        // Each was sent again.
        let again = lives(&[failed, succeeded, failed, succeeded]);
        assert_eq!(again, [Failed, Succeeded]);
        assert_eq!(lives(&[succeeded]), [Lost, Succeeded]);
        assert_eq!(lives(&[failed, (1, "b", false)]), [Contradictory]);
        assert_eq!(lives(&[failed, (1, "a", true)]), [Contradictory]);
        // A client drops the second one.
        assert_eq!(lives(&[failed, (2, "a", true)]), [Failed, Contradictory]);
    }
}
