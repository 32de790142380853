//! A pod of a stage, as far as plans depend on it.

use std::collections::BTreeSet;

use cloudtasks::QueuePath;

use super::required_token::RequiredToken;

/// Where it hands tasks over to, and which pushes it accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The stage that it was made for.
    pub stage: String,
    /// The queue that it serves.
    pub queue: QueuePath,
    /// The queues that it may hand tasks over to.
    pub targets: BTreeSet<QueuePath>,
    /// The token that it requires of a push.
    pub required_token: Option<RequiredToken>,
}
