//! What has come of the tasks between two moments.

use std::fmt;

use crate::account::Sum;
use crate::dispatches::Count;

/// So far, or since another moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    dispatches: Count,
    runs: u64,
    again: u64,
    spent: u64,
    late: u64,
}

impl Seen {
    pub fn of(dispatches: Count, sum: &Sum) -> Self {
        Self {
            dispatches,
            runs: sum.runs,
            again: sum.again,
            spent: sum.spent,
            late: sum.late,
        }
    }

    pub fn since(self, before: Self) -> Self {
        let Self {
            dispatches,
            runs,
            again,
            spent,
            late,
        } = before;
        Self {
            dispatches: Count {
                all: self.dispatches.all - dispatches.all,
                turned_away: self.dispatches.turned_away - dispatches.turned_away,
                unanswered: self.dispatches.unanswered - dispatches.unanswered,
            },
            runs: self.runs - runs,
            again: self.again - again,
            spent: self.spent - spent,
            late: self.late - late,
        }
    }

    /// Pods that are told to stop cost no task anything: no attempt without a run, no run twice, and
    /// none that a handler begins after it was told.
    pub fn cost_nothing(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            (self.spent, self.again, self.late) == (0, 0, 0),
            "{self}; {} runs begun by handlers that had been told to stop",
            self.late
        );
        Ok(())
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            all,
            turned_away,
            unanswered,
        } = self.dispatches;
        let Self {
            runs, again, spent, ..
        } = self;
        write!(
            f,
            "{all} dispatches, {unanswered} unanswered, {turned_away} turned away; {runs} runs, \
             {again} of them again; {spent} attempts without a run"
        )
    }
}
