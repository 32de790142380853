//! Roughly how many tasks a queue has: a status must not change with each task.

use std::fmt;

/// The tasks that a queue still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backlog {
    /// None.
    Empty,
    /// 1 to 9.
    Few,
    /// 10 to 99.
    Tens,
    /// 100 or more.
    Many,
}

impl Backlog {
    /// Counting stops here.
    pub const ENOUGH: usize = 100;

    /// Of so many tasks.
    pub fn of(tasks: usize) -> Self {
        match tasks {
            0 => Self::Empty,
            1..=9 => Self::Few,
            10..=99 => Self::Tens,
            _ => Self::Many,
        }
    }
}

impl fmt::Display for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // Including none: a message must not change with each task.
            Self::Empty | Self::Few => "fewer than 10 tasks",
            Self::Tens => "10 to 99 tasks",
            Self::Many => "100 tasks or more",
        })
    }
}
