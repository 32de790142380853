//! What a queue and a task consist of, as far as this project reads or sets it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::names::{QueuePath, TaskPath};

/// A queue as Cloud Tasks reports it: every field has a value, its own or the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Queue {
    /// Its full path.
    pub path: QueuePath,
    /// Running, paused or disabled.
    pub state: QueueState,
    /// Dispatches a second, in (0, 500].
    pub max_dispatches_per_second: f64,
    /// Dispatches under way at once, 1 to 5000.
    pub max_concurrent_dispatches: i32,
    /// Dispatches before the queue deletes a task unsaid; -1 is never.
    pub max_attempts: i32,
    /// How long it retries; `None` is without limit. While it is set, `max_attempts` is not exact.
    pub max_retry_duration: Option<Duration>,
    /// The shortest wait between two attempts.
    pub min_backoff: Duration,
    /// The longest wait between two attempts.
    pub max_backoff: Duration,
    /// How often the wait doubles before it grows by addition.
    pub max_doublings: i32,
    /// Where the queue sends every push, whatever the task's own URL says.
    pub http_target: Option<HttpTarget>,
}

/// Whether a queue dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// It dispatches.
    Running,
    /// Somebody paused it: tasks are kept, none is dispatched.
    Paused,
    /// Google disabled it.
    Disabled,
}

/// The queue-level target: scheme, host and port replace the task's own, path and query stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpTarget {
    /// The address; `None` leaves each task its own.
    pub address: Option<Address>,
    /// Headers that the queue adds to every push. What belongs to the queue is written here,
    /// since Cloud Tasks has no labels. Keys in lower case.
    pub headers: BTreeMap<String, String>,
    /// The token that each push carries, in place of the task's own `Authorization`.
    pub token: Option<OidcToken>,
    /// What else the target says, to be sent back with what is changed: an update replaces a
    /// target as a whole.
    pub rest: TargetRest,
}

/// The parts of a target that this project neither reads nor sets, such as a method or an access token, in
/// the form in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TargetRest(
    #[cfg_attr(
        not(feature = "client"),
        allow(dead_code, reason = "only the client writes it")
    )]
    pub(crate) Vec<u8>,
);

/// An identity token, which Cloud Tasks gets from Google for each push.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OidcToken {
    /// Whose it is. The account is of the queue's project, and whoever sets it must be allowed to act
    /// as it.
    pub service_account_email: String,
    /// For whom it is meant.
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

/// What one create or update of a queue sets. `None` is not ours: it is never sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueSettings {
    /// See [`Queue::max_dispatches_per_second`].
    pub max_dispatches_per_second: Option<f64>,
    /// See [`Queue::max_concurrent_dispatches`].
    pub max_concurrent_dispatches: Option<i32>,
    /// See [`Queue::max_attempts`].
    pub max_attempts: Option<i32>,
    /// See [`Queue::max_retry_duration`]; `Some(None)` takes the limit away.
    pub max_retry_duration: Option<Option<Duration>>,
    /// See [`Queue::min_backoff`].
    pub min_backoff: Option<Duration>,
    /// See [`Queue::max_backoff`].
    pub max_backoff: Option<Duration>,
    /// See [`Queue::max_doublings`].
    pub max_doublings: Option<i32>,
    /// See [`Queue::http_target`]; replaced as a whole, so take the queue's own and change that.
    pub http_target: Option<HttpTarget>,
}

impl QueueSettings {
    /// The update mask: one path for each field that is set, and no other.
    pub fn mask(&self) -> Vec<&'static str> {
        let Self {
            max_dispatches_per_second,
            max_concurrent_dispatches,
            max_attempts,
            max_retry_duration,
            min_backoff,
            max_backoff,
            max_doublings,
            http_target,
        } = self;
        [
            (
                "rate_limits.max_dispatches_per_second",
                max_dispatches_per_second.is_some(),
            ),
            (
                "rate_limits.max_concurrent_dispatches",
                max_concurrent_dispatches.is_some(),
            ),
            ("retry_config.max_attempts", max_attempts.is_some()),
            (
                "retry_config.max_retry_duration",
                max_retry_duration.is_some(),
            ),
            ("retry_config.min_backoff", min_backoff.is_some()),
            ("retry_config.max_backoff", max_backoff.is_some()),
            ("retry_config.max_doublings", max_doublings.is_some()),
            ("http_target", http_target.is_some()),
        ]
        .into_iter()
        .filter_map(|(path, set)| set.then_some(path))
        .collect()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.mask().is_empty()
    }
}

/// An HTTP task to create.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// Its name; `None` lets Cloud Tasks choose one, which is never de-duplicated.
    pub path: Option<TaskPath>,
    /// Absolute, at most 2,083 characters.
    pub url: String,
    /// One of the methods that Cloud Tasks knows.
    pub method: Method,
    /// Sent with every push. One value a name: the API has a map.
    pub headers: BTreeMap<String, String>,
    /// Sent byte for byte. Only POST, PUT and PATCH may carry one.
    pub body: Vec<u8>,
    /// How long Cloud Tasks waits for an answer, 15 s to 30 min; `None` is 10 min.
    pub dispatch_deadline: Option<Duration>,
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
    /// As it stands in a request line.
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

    /// The method of a request line, where Cloud Tasks can push with it.
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

/// What a task that waits in a queue tells about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskInfo {
    /// Its full path.
    pub path: TaskPath,
    /// When it came to this queue.
    pub created: Timestamp,
    /// When it is due.
    pub scheduled: Timestamp,
    /// Dispatches so far, those that never arrived included.
    pub dispatch_count: i32,
    /// Dispatches that were answered.
    pub response_count: i32,
    /// How long Cloud Tasks waits for an answer; `None` is its default.
    pub dispatch_deadline: Option<Duration>,
}

/// What `GetTask` knows of a name.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// The task waits or runs.
    Live(TaskInfo),
    /// No task now, but a task of this name ended recently: the name can't be taken again yet.
    Ended,
    /// Nothing is known of the name.
    Never,
}

/// How a create ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The task is new.
    New,
    /// A task of this name is there, or was: the work of an earlier, unanswered create.
    Already,
}
