//! What the operator writes on a queue: Cloud Tasks has no labels, so it uses headers that the queue
//! adds to its pushes.

use cloudtasks::Queue;
use crds::RateLimits;
use jiff::Timestamp;

/// The chain that manages a queue.
pub const OWNER_HEADER: &str = "executor-owner";

/// Why the operator paused a queue. A paused queue without it was paused outside the operator.
pub const PAUSE_HEADER: &str = "executor-pause";

/// On a queue that carries or has carried notifications: the chain that sets its limits, or that none
/// does.
pub const NOTIFIER_HEADER: &str = "executor-notifier";

/// Beside it, the limits that this chain has set, as JSON. When another chain follows, those that the
/// queue still has go; limits that were set outside the operator stay.
pub const LIMITS_HEADER: &str = "executor-notifier-limits";

pub(crate) const NOBODY: &str = "shared";

/// When a removed stage's queue was paused because it was empty, as RFC 3339 says.
pub const DRAINED_HEADER: &str = "executor-drained";

/// On a queue whose token the operator has set; another token stays. Workers see it on each push, and
/// know whose `Authorization` they got.
pub const TOKEN_HEADER: &str = worker_contract::headers::TOKEN;

/// On a stage's queue: what it had where an override has set what the spec doesn't, as JSON. It comes back
/// when the override ends.
pub const REPLACED_HEADER: &str = "executor-replaced";

/// On a queue that keeps parked tasks: it is paused for ever, and no worker may run what is in it.
pub const PARKING_HEADER: &str = "executor-parking";

/// All headers that the operator writes on queues. It leaves others alone.
pub const OUR_HEADERS: [&str; 8] = [
    OWNER_HEADER,
    PARKING_HEADER,
    PAUSE_HEADER,
    NOTIFIER_HEADER,
    LIMITS_HEADER,
    DRAINED_HEADER,
    TOKEN_HEADER,
    REPLACED_HEADER,
];

/// Why the operator paused a queue.
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
    /// It keeps parked tasks, and never pushes.
    Parking,
}

impl PauseReason {
    /// As it is written on the queue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spec => "spec",
            Self::Retain => "retain",
            Self::Gate => "gate",
            Self::Drained => "drained",
            Self::Parking => "parking",
        }
    }
}

/// Who manages a queue, if it is managed.
pub fn owner(queue: &Queue) -> Option<&str> {
    header(queue, OWNER_HEADER)
}

/// Why the operator paused a queue, if it did: then it may resume it. An unknown reason is one of a
/// later version.
pub fn pause_reason(queue: &Queue) -> Option<PauseReason> {
    header(queue, PAUSE_HEADER).map(|reason| match reason {
        "retain" => PauseReason::Retain,
        "gate" => PauseReason::Gate,
        "drained" => PauseReason::Drained,
        "parking" => PauseReason::Parking,
        _ => PauseReason::Spec,
    })
}

/// Since when a removed stage's queue has been paused because it was empty.
pub fn drained_since(queue: &Queue) -> Option<Timestamp> {
    header(queue, DRAINED_HEADER)?.parse().ok()
}

/// Whether a queue may have notifications, which no worker may run as tasks.
pub fn is_notifiers(queue: &Queue) -> bool {
    header(queue, NOTIFIER_HEADER).is_some()
}

/// Whether a queue keeps parked tasks, now or since before.
pub fn is_parking(queue: &Queue) -> bool {
    header(queue, PARKING_HEADER).is_some()
}

/// The chain that sets the limits of a notifier's queue, if one does.
pub fn limits_holder(queue: &Queue) -> Option<&str> {
    header(queue, NOTIFIER_HEADER).filter(|holder| *holder != NOBODY)
}

/// The limits that a chain has set on a notifier's queue.
pub fn limits_set(queue: &Queue) -> RateLimits {
    let text = header(queue, LIMITS_HEADER);
    let limits = text.and_then(|text| serde_json::from_str(text).ok());
    limits.unwrap_or_default()
}

/// What a queue had before an override, as it is written there.
pub fn replaced_settings(queue: &Queue) -> Option<&str> {
    header(queue, REPLACED_HEADER)
}

fn header<'a>(queue: &'a Queue, name: &str) -> Option<&'a str> {
    queue
        .http_target
        .as_ref()?
        .headers
        .get(name)
        .map(String::as_str)
}
