//! What we write on a queue. Cloud Tasks has no labels; the headers that a queue adds to its pushes
//! keep what we write there.

use cloudtasks::Queue;
use jiff::Timestamp;

/// The chain that manages a queue. Cloud Tasks has no labels; the headers that a queue adds to its
/// pushes keep what we write there.
pub const OWNER_HEADER: &str = "executor-owner";

/// Why we paused a queue. A paused queue without it was paused by somebody else.
pub const PAUSE_HEADER: &str = "executor-pause";

/// On a queue that carries notifications, or has carried them: the chain that sets its limits, or
/// that nobody does.
pub const NOTIFIER_HEADER: &str = "executor-notifier";

pub(crate) const NOBODY: &str = "shared";

/// When a removed stage's queue was paused because it was empty, as RFC 3339 says.
pub const DRAINED_HEADER: &str = "executor-drained";

/// On a queue whose token we have set: without it, it is somebody else's and stays. Workers see it on
/// each push, and know whose `Authorization` is there.
pub const TOKEN_HEADER: &str = worker_contract::headers::TOKEN;

/// What we write on queues. Other headers are somebody else's.
pub const OUR_HEADERS: [&str; 5] = [
    OWNER_HEADER,
    PAUSE_HEADER,
    NOTIFIER_HEADER,
    DRAINED_HEADER,
    TOKEN_HEADER,
];

/// Why we paused a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// The spec says so.
    Spec,
    /// Its chain was deleted and its tasks are kept.
    Retain,
    /// No worker of its stage is ready.
    Gate,
    /// Its stage was removed, and it is empty.
    Drained,
}

impl PauseReason {
    /// As it stands on the queue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Retain => "retain",
            Self::Gate => "gate",
            Self::Drained => "drained",
        }
    }
}

/// Who manages a queue, if it is managed.
pub fn owner(queue: &Queue) -> Option<&str> {
    header(queue, OWNER_HEADER)
}

/// Why we paused a queue, if it was us: then we may resume it. A word that we don't know is a later
/// version's, and ours all the same.
pub fn pause_reason(queue: &Queue) -> Option<PauseReason> {
    header(queue, PAUSE_HEADER).map(|reason| match reason {
        "retain" => PauseReason::Retain,
        "gate" => PauseReason::Gate,
        "drained" => PauseReason::Drained,
        _ => PauseReason::Spec,
    })
}

/// Since when a removed stage's queue has been paused because it was empty.
pub fn drained_since(queue: &Queue) -> Option<Timestamp> {
    header(queue, DRAINED_HEADER)?.parse().ok()
}

/// Whether events may wait in a queue, which no worker must take for tasks.
pub fn is_notifiers(queue: &Queue) -> bool {
    header(queue, NOTIFIER_HEADER).is_some()
}

/// The chain that sets the limits of a notifier's queue, if one does.
pub fn limits_holder(queue: &Queue) -> Option<&str> {
    header(queue, NOTIFIER_HEADER).filter(|holder| *holder != NOBODY)
}

fn header<'a>(queue: &'a Queue, name: &str) -> Option<&'a str> {
    queue
        .http_target
        .as_ref()?
        .headers
        .get(name)
        .map(String::as_str)
}
