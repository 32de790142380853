//! What came of one direction of a row.

use std::fmt;
use std::time::Duration;

use oracle::TaskResults;

use crate::handler::task_id;

/// What came of one direction of a row.
#[derive(Debug)]
pub struct Outcome {
    /// The row.
    pub row: &'static str,
    /// There, back, or both at once.
    pub direction: &'static str,
    /// What went wrong meanwhile.
    pub variant: &'static str,
    /// How often the operator was started.
    pub starts: usize,
    /// The steps of its plans.
    pub steps: Vec<String>,
    /// From the edit to the last task's end.
    pub took: Duration,
    /// Whether tasks are held until the way back, and counted then.
    pub holds: bool,
    /// What was missing when patience ended.
    pub failure: Option<String>,
    /// What became of the tasks.
    pub results: TaskResults,
}

impl Outcome {
    /// Whether each task has its one end, and the plan is empty.
    pub fn is_clean(&self) -> bool {
        self.failure.is_none() && self.results.is_clean()
    }
}

/// The heads of the columns.
pub const HEAD: &str = "row                                        way    variant starts  steps  seconds  lost  contradictory";

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |tasks: &[usize]| {
            if self.holds {
                "-".to_owned()
            } else {
                tasks.len().to_string()
            }
        };
        write!(
            f,
            "{:<42} {:<6} {:<7} {:>6} {:>6} {:>8.1} {:>5} {:>14}",
            self.row,
            self.direction,
            self.variant,
            self.starts,
            self.steps.len(),
            self.took.as_secs_f64(),
            count(&self.results.lost),
            count(&self.results.contradictory),
        )?;
        for line in self.results.wrong(task_id) {
            write!(f, "\n{line}")?;
        }
        match &self.failure {
            Some(failure) => write!(f, "\n  NOT ENDED: {failure}"),
            None => Ok(()),
        }
    }
}
