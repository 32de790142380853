//! A pod of a stage, as far as plans depend on it.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;

use super::required_token::RequiredToken;

/// A pod of a stage, as far as it matters to whom it hands tasks and which pushes it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The stage that it was made for.
    pub stage: String,
    /// The queue whose pushes it takes.
    pub queue: QueuePath,
    /// The queues that it may hand tasks to.
    pub targets: BTreeSet<QueuePath>,
    /// The token that it demands of a push.
    pub required_token: Option<RequiredToken>,
}
