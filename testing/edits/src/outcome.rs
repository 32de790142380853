//! What came of one direction of a row.

use std::fmt;
use std::time::Duration;

use crate::account::Sum;
use crate::ends::task_id;

/// What came of one direction of a row.
#[derive(Debug)]
pub struct Outcome {
    /// The row.
    pub row: &'static str,
    /// There, back, or both at once.
    pub direction: &'static str,
    /// What went wrong meanwhile.
    pub variant: &'static str,
    /// Lives of the operator.
    pub lives: usize,
    /// The steps of its plans.
    pub steps: Vec<String>,
    /// From the edit to the last task's end.
    pub took: Duration,
    /// Whether tasks are held until the way back, and counted then.
    pub holds: bool,
    /// What was missing when patience ended.
    pub failure: Option<String>,
    /// What became of the tasks.
    pub sum: Sum,
}

impl Outcome {
    /// Whether each task has its one end, and the plan is empty.
    pub fn is_clean(&self) -> bool {
        self.failure.is_none() && self.sum == Sum::default()
    }
}

/// The heads of the columns.
pub const HEAD: &str = "row                                        way    variant  lives  steps  seconds  lost  contradictory";

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
            self.lives,
            self.steps.len(),
            self.took.as_secs_f64(),
            count(&self.sum.lost),
            count(&self.sum.contradictory),
        )?;
        for (what, tasks) in [
            ("lost", &self.sum.lost),
            ("contradictory", &self.sum.contradictory),
        ] {
            if !tasks.is_empty() {
                let first: Vec<String> = tasks.iter().take(10).copied().map(task_id).collect();
                write!(f, "\n  {what}: {} …", first.join(" "))?;
            }
        }
        match &self.failure {
            Some(failure) => write!(f, "\n  NOT ENDED: {failure}"),
            None => Ok(()),
        }
    }
}
