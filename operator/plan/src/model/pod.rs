//! A pod of a stage, as far as plans depend on it.

use std::collections::BTreeSet;
use std::fmt;

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
    /// Its containers that can't run.
    pub blocked: BTreeSet<BlockedContainer>,
}

/// A container that can't run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockedContainer {
    /// Its name.
    pub container: String,
    /// The kubelet's reason, such as `CreateContainerConfigError`.
    pub reason: String,
    /// What the kubelet says, if that is the same for all pods and at each try.
    pub message: Option<String>,
}

impl fmt::Display for BlockedContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            container,
            reason,
            message,
        } = self;
        write!(f, "container {container}: {reason}")?;
        message.iter().try_for_each(|it| write!(f, " ({it})"))
    }
}
