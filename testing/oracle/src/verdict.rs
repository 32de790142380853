//! The verdict on a task, and the count of all.

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

/// The verdict on a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
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
    /// The verdict.
    pub fn verdict(self) -> Verdict {
        let Self { notified, allowed } = self;
        match (notified.succeeded, notified.failed) {
            (false, false) => Verdict::Lost,
            (true, false) if allowed.succeeded => Verdict::Succeeded,
            (false, true) if allowed.failed => Verdict::Failed,
            (true, _) | (false, true) => Verdict::Contradictory,
        }
    }
}

/// Tasks by verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// How many succeeded.
    pub succeeded: usize,
    /// How many failed.
    pub failed: usize,
    /// Those that are lost.
    pub lost: Vec<usize>,
    /// Those whose ends contradict each other, or the handlers.
    pub contradictory: Vec<usize>,
}

impl Verdicts {
    /// Counts one task more, by its number.
    pub fn add(&mut self, task: usize, verdict: Verdict) {
        match verdict {
            Verdict::Lost => self.lost.push(task),
            Verdict::Contradictory => self.contradictory.push(task),
            Verdict::Succeeded => self.succeeded += 1,
            Verdict::Failed => self.failed += 1,
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

impl FromIterator<(usize, Verdict)> for Verdicts {
    fn from_iter<T: IntoIterator<Item = (usize, Verdict)>>(tasks: T) -> Self {
        let mut verdicts = Self::default();
        for (task, verdict) in tasks {
            verdicts.add(task, verdict);
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Contradictory, Failed, Lost, Succeeded};
    use super::*;

    #[test]
    fn a_task_has_one_end_and_one_that_its_runs_allow() {
        let ends = |succeeded, failed| Ends { succeeded, failed };
        let verdict = |notified, allowed| Evidence { notified, allowed }.verdict();
        let (none, success, failure, both) = (
            ends(false, false),
            ends(true, false),
            ends(false, true),
            ends(true, true),
        );
        assert_eq!(verdict(none, both), Lost);
        assert_eq!(verdict(both, both), Contradictory);
        assert_eq!(verdict(success, success), Succeeded);
        assert_eq!(verdict(success, failure), Contradictory);
        assert_eq!(verdict(failure, failure), Failed);
        assert_eq!(verdict(failure, success), Contradictory);
        assert_eq!(verdict(success, none), Contradictory);
    }

    #[test]
    fn wrong_tasks_are_counted_and_named() {
        let verdicts = [Succeeded, Lost, Failed, Contradictory, Lost];
        let verdicts: Verdicts = verdicts.into_iter().enumerate().collect();
        assert_eq!((verdicts.succeeded, verdicts.failed), (1, 1));
        assert!(!verdicts.is_clean());
        let wrong = verdicts.wrong(|task| format!("t-{task}"));
        assert_eq!(wrong, ["  lost: t-1 t-4 …", "  contradictory: t-3 …"]);
        assert!(Verdicts::default().is_clean());
    }
}
