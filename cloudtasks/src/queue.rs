//! Queues and their settings. A new setting is a row of the table here; the compiler names what else
//! has to convert it.

use std::time::Duration;

use crate::names::QueuePath;
use crate::values::{Address, HttpTarget};

/// The dispatches per second of a queue for which nothing is set.
pub const DEFAULT_DISPATCHES_PER_SECOND: f64 = 500.0;

/// The dispatches in flight at once of a queue for which nothing is set.
pub const DEFAULT_CONCURRENT_DISPATCHES: i32 = 1000;

/// The shortest wait of a failed task on a queue for which nothing is set.
pub const DEFAULT_MIN_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait of a failed task on a queue for which nothing is set.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_hours(1);

/// How often that wait doubles on a queue for which nothing is set.
pub const DEFAULT_MAX_DOUBLINGS: i32 = 16;

/// Whether a queue dispatches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// It dispatches.
    Running,
    /// Paused: tasks are kept, none is dispatched.
    Paused,
    /// Disabled by Google.
    Disabled,
}

/// What a setting decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// How much the queue dispatches.
    Rate,
    /// How long a failed task waits.
    Backoff,
    /// Whether the queue deletes a task that was not handled.
    Deletion,
}

/// A row is a setting: its kind, its field, the path of an update mask, when two values are the same,
/// and its text.
macro_rules! queue_settings {
    ($($(#[$doc:meta])+ $kind:ident $field:ident: $type:ty, $path:literal, $same:expr, $text:expr;)+) => {
        /// A queue as Cloud Tasks reports it. A field that was never set has Cloud Tasks' default.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Queue {
            /// Its full path.
            pub path: QueuePath,
            /// Whether it dispatches.
            pub state: QueueState,
            $($(#[$doc])+ pub $field: $type,)+
            /// Where the queue sends every push, whatever the task's own URL says.
            pub http_target: Option<HttpTarget>,
        }

        /// The settings that a create or an update sends. `None` is never sent: that field is not managed.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct QueueSettings {
            $($(#[$doc])+ pub $field: Option<$type>,)+
            /// See [`Queue::http_target`]. It replaces the whole target: start from the queue's own.
            pub http_target: Option<HttpTarget>,
        }

        impl QueueSettings {
            /// The update mask: one path for each field that is set.
            pub fn mask(&self) -> Vec<&'static str> {
                let target = self.http_target.as_ref().map(|_| "http_target");
                let paths = [$(self.$field.map(|_| $path),)+ target];
                paths.into_iter().flatten().collect()
            }

            /// What is set and differs on the queue.
            #[must_use]
            pub fn difference(&self, queue: &Queue) -> Self {
                let target = queue.http_target.clone().unwrap_or_default();
                Self {
                    $($field: {
                        let same: fn(&$type, &$type) -> bool = $same;
                        self.$field.filter(|wanted| !same(wanted, &queue.$field))
                    },)+
                    http_target: self.http_target.clone().filter(|it| *it != target),
                }
            }

            /// What the queue has of what is set here.
            #[must_use]
            pub fn as_found(&self, queue: &Queue) -> Self {
                let target = queue.http_target.clone().unwrap_or_default();
                Self {
                    $($field: self.$field.map(|_| queue.$field),)+
                    http_target: self.http_target.as_ref().map(|_| target),
                }
            }

            /// What is set and lets the queue dispatch more than it does.
            #[must_use]
            pub fn raises(&self, queue: &Queue) -> Self {
                let is_rate = |kind| kind == SettingKind::Rate;
                Self {
                    $($field: self.$field.filter(|it| is_rate(SettingKind::$kind) && *it > queue.$field),)+
                    http_target: None,
                }
            }

            /// What is set here and not in `others`.
            #[must_use]
            pub fn without(self, others: &Self) -> Self {
                Self {
                    $($field: self.$field.filter(|_| others.$field.is_none()),)+
                    http_target: self.http_target.filter(|_| others.http_target.is_none()),
                }
            }

            /// The target, and the settings of one kind.
            #[must_use]
            pub fn only(self, kind: SettingKind) -> Self {
                Self {
                    $($field: self.$field.filter(|_| kind == SettingKind::$kind),)+
                    ..self
                }
            }

            /// The settings that are set, as text; without the target, whose headers may be secrets.
            pub fn texts(&self) -> Vec<String> {
                let texts = [$({
                    let text: fn($type) -> String = $text;
                    self.$field.map(text)
                },)+];
                texts.into_iter().flatten().collect()
            }
        }
    };
}

queue_settings! {
    /// Dispatches per second, above 0 and at most 500.
    // Over the wire as a double; a billionth is below anything that matters.
    Rate max_dispatches_per_second: f64, "rate_limits.max_dispatches_per_second",
        |one, other| (one - other).abs() < 1e-9, |rate| format!("rate {rate}/s");
    /// Dispatches in flight at once, 1 to 5000.
    Rate max_concurrent_dispatches: i32, "rate_limits.max_concurrent_dispatches",
        PartialEq::eq, |dispatches| format!("concurrent {dispatches}");
    /// Dispatches after which the queue deletes a task silently; -1 is unlimited.
    Deletion max_attempts: i32, "retry_config.max_attempts",
        PartialEq::eq, |attempts| match attempts {
            -1 => "unlimited attempts".to_owned(),
            attempts => format!("attempts {attempts}"),
        };
    /// How long it retries; `None` is unlimited. While it is set, `max_attempts` is a minimum.
    Deletion max_retry_duration: Option<Duration>, "retry_config.max_retry_duration",
        PartialEq::eq, |limit| match limit {
            None => "no retry limit".to_owned(),
            Some(limit) => format!("retry limit {limit:?}"),
        };
    /// The shortest wait between two attempts.
    Backoff min_backoff: Duration, "retry_config.min_backoff",
        PartialEq::eq, |time| format!("backoff from {time:?}");
    /// The longest wait between two attempts.
    Backoff max_backoff: Duration, "retry_config.max_backoff",
        PartialEq::eq, |time| format!("backoff to {time:?}");
    /// How often the wait doubles before it grows linearly.
    Backoff max_doublings: i32, "retry_config.max_doublings",
        PartialEq::eq, |doublings| format!("doublings {doublings}");
}

impl Queue {
    /// Where the queue pushes to, if not to each task's own address.
    pub fn address(&self) -> Option<&Address> {
        self.http_target.as_ref()?.address.as_ref()
    }
}

impl QueueSettings {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.mask().is_empty()
    }
}
