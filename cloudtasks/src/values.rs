//! The fields of targets and tasks that this project reads or sets.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::names::TaskPath;

/// The queue-level target: scheme, host and port replace the task's own, path and query stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpTarget {
    /// The address; `None` leaves each task its own.
    pub address: Option<Address>,
    /// Headers that the queue adds to every push, keys in lower case. Ownership is recorded here,
    /// since queues have no labels.
    pub headers: BTreeMap<String, String>,
    /// The token that each push carries. It replaces the task's own `Authorization`.
    pub token: Option<OidcToken>,
    /// The target's other fields. Each update sends them back, since it replaces the whole target.
    pub unmanaged: UnmanagedTarget,
}

/// The fields of a target that this project neither reads nor sets, such as the method, encoded as
/// they were received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnmanagedTarget(
    #[cfg_attr(
        not(feature = "client"),
        allow(dead_code, reason = "only the client reads it")
    )]
    pub(crate) Vec<u8>,
);

/// An OIDC token that Cloud Tasks gets from Google for each push.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OidcToken {
    /// Its service account, in the queue's project. Setting it takes the permission to act as it.
    pub service_account_email: String,
    /// Its audience.
    pub audience: String,
}

/// Scheme, host and port of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// HTTP or HTTPS.
    pub scheme: Scheme,
    /// A host name or address, without a port.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The schemes that Cloud Tasks pushes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An HTTP task to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Its name; with `None` Cloud Tasks generates one, without deduplication.
    pub path: Option<TaskPath>,
    /// Absolute, at most 2,083 characters.
    pub url: String,
    /// One of the methods that Cloud Tasks knows.
    pub method: Method,
    /// Sent with every push, one value for each name.
    pub headers: BTreeMap<String, String>,
    /// Sent byte for byte. Only POST, PUT and PATCH may have one.
    pub body: Vec<u8>,
    /// How long Cloud Tasks waits for a response, 15 s to 30 min; `None` is 10 min.
    pub dispatch_deadline: Option<Duration>,
    /// When it is due, at most 30 days from now; `None` is at once.
    pub schedule_time: Option<Timestamp>,
    /// The token that pushes of this task carry.
    pub oidc_token: Option<OidcToken>,
}

/// The methods that Cloud Tasks can push with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the method of its name")]
pub enum Method {
    Post,
    Get,
    Head,
    Put,
    Delete,
    Patch,
    Options,
}

impl Method {
    /// Its name in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Patch => "PATCH",
            Self::Options => "OPTIONS",
        }
    }

    /// The method with this name, if Cloud Tasks can push with it.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Post,
            Self::Get,
            Self::Head,
            Self::Put,
            Self::Delete,
            Self::Patch,
            Self::Options,
        ]
        .into_iter()
        .find(|method| method.as_str() == text)
    }
}

/// A task in a queue, as Cloud Tasks reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskInfo {
    /// Its full path.
    pub path: TaskPath,
    /// When it was created in this queue.
    pub created: Timestamp,
    /// When it is due.
    pub scheduled: Timestamp,
    /// When it was first dispatched; `None` before.
    pub first_dispatched: Option<Timestamp>,
    /// Dispatches so far, including those that never reached the target.
    pub dispatch_count: i32,
    /// Dispatches that got a response.
    pub response_count: i32,
    /// How long Cloud Tasks waits for a response; `None` is its default.
    pub dispatch_deadline: Option<Duration>,
    /// Its URL; empty if it is not an HTTP task.
    pub url: String,
    /// Its method; `None` if it is not an HTTP task, or has one that this project doesn't know.
    pub method: Option<Method>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

/// A page of a list of tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskPage {
    /// The tasks, in no order.
    pub tasks: Vec<TaskInfo>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<PageToken>,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(
    #[cfg_attr(
        not(feature = "client"),
        allow(dead_code, reason = "only the client reads it")
    )]
    pub(crate) String,
);

/// A task with its body.
#[derive(Debug, Clone, PartialEq)]
pub struct WholeTask {
    /// What is known without the body.
    pub info: TaskInfo,
    /// The body.
    pub body: Vec<u8>,
}

/// The live numbers of a queue, as Cloud Tasks estimates them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueStats {
    /// Its tasks, those included that are scheduled for later.
    pub tasks: u64,
    /// The nearest time for which a task is scheduled, perhaps in the future; `None` without tasks.
    pub oldest: Option<Timestamp>,
    /// Dispatches in the last minute.
    pub executed_last_minute: u64,
    /// Dispatches that wait for a response.
    pub in_flight: u64,
    /// The rate at which Cloud Tasks dispatches at most, in dispatches a second. Errors lower it.
    pub effective_rate: f64,
}

impl QueueStats {
    /// For how long the first task has been due: zero if no task is, `None` if Cloud Tasks doesn't say.
    pub fn lag(&self, now: Timestamp) -> Option<Duration> {
        if self.tasks == 0 {
            return Some(Duration::ZERO);
        }
        let oldest = self.oldest?;
        // Negative if it is in the future.
        Some(now.duration_since(oldest).try_into().unwrap_or_default())
    }
}

/// What `GetTask` reports about a task name.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskState {
    /// The task waits or runs.
    Exists(Box<TaskInfo>),
    /// The task ended recently: its name can't be used again yet.
    Ended,
    /// No task of this name is known.
    Unknown,
}

/// The result of a create that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateOutcome {
    /// The task was created.
    Created,
    /// A task of this name exists, or existed recently: an earlier create whose answer was lost.
    AlreadyExists,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_the_time_since_the_first_task_is_due() {
        let now = Timestamp::from_second(1_000).unwrap();
        let lag = |tasks, oldest: Option<i64>| {
            let stats = QueueStats {
                tasks,
                oldest: oldest.map(|second| Timestamp::from_second(second).unwrap()),
                executed_last_minute: 0,
                in_flight: 0,
                effective_rate: 0.0,
            };
            stats.lag(now)
        };
        assert_eq!(lag(3, Some(940)), Some(Duration::from_mins(1)));
        let later = lag(3, Some(1_060));
        assert_eq!(later, Some(Duration::ZERO), "scheduled for later");
        assert_eq!(lag(0, None), Some(Duration::ZERO));
        assert_eq!(lag(0, Some(940)), Some(Duration::ZERO), "an old estimate");
        assert_eq!(lag(3, None), None, "Cloud Tasks doesn't say");
    }
}
