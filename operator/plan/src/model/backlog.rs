//! How much is left in a queue, roughly: a status must not change with each task.

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
    /// As many as have to be counted.
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
            // None among them: a sentence must not change with each task that comes and goes.
            Self::Empty | Self::Few => "fewer than 10 tasks",
            Self::Tens => "10 to 99 tasks",
            Self::Many => "100 tasks or more",
        })
    }
}
