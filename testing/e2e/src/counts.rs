//! What has become of the tasks between two moments.

use std::fmt;

use crate::attempts;
use crate::dispatches;

/// So far, or since another moment.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    pub dispatches: dispatches::Counts,
    pub attempts: attempts::Counts,
}

impl Counts {
    pub fn since(self, before: Self) -> Self {
        let Self {
            dispatches,
            attempts,
        } = before;
        Self {
            dispatches: dispatches::Counts {
                all: self.dispatches.all - dispatches.all,
                turned_away: self.dispatches.turned_away - dispatches.turned_away,
                unanswered: self.dispatches.unanswered - dispatches.unanswered,
            },
            attempts: attempts::Counts {
                runs: self.attempts.runs - attempts.runs,
                repeated: self.attempts.repeated - attempts.repeated,
                without_run: self.attempts.without_run - attempts.without_run,
                late: self.attempts.late - attempts.late,
            },
        }
    }

    /// Pods that are told to stop cost no task anything: no attempt without a run, no run twice, and
    /// none that a handler begins after it was told.
    pub fn cost_nothing(self) -> anyhow::Result<()> {
        let attempts::Counts {
            runs: _,
            repeated,
            without_run,
            late,
        } = self.attempts;
        anyhow::ensure!(
            (without_run, repeated, late) == (0, 0, 0),
            "{self}; {late} runs begun by handlers that had been told to stop",
        );
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dispatches::Counts {
            all,
            turned_away,
            unanswered,
        } = self.dispatches;
        let attempts::Counts {
            runs,
            repeated,
            without_run,
            late: _,
        } = self.attempts;
        write!(
            f,
            "{all} dispatches, {unanswered} unanswered, {turned_away} turned away; {runs} runs, \
             {repeated} repeated; {without_run} attempts without a run"
        )
    }
}
