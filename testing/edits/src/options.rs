//! How rows are run.

use crate::operator::Crash;

/// How rows are run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Their name.
    pub name: &'static str,
    /// When the operator crashes.
    pub crash: Crash,
    /// Whether a worker is killed at every second step, too.
    pub kills_workers: bool,
    /// In how many lists of queues, from the begin of a direction, some are missing, repeated, or as they
    /// were before. Meanwhile calls fail by chance.
    pub faulty_lists: u32,
    /// Whether the steps are compared with those that the operator has planned before the edit.
    pub compares_plans: bool,
    /// Tasks for each direction.
    pub tasks: usize,
    /// What scripts of tasks and victims are drawn from.
    pub seed: u64,
}
