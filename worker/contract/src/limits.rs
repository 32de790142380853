//! Limits, Cloud Tasks' own among them, and the time budget of a push.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The runs at once that a worker can be configured with.
pub const CONCURRENCY: RangeInclusive<u32> = 1..=10_000;
/// A run's time-out must be below this: Cloud Tasks waits for an answer no longer.
pub const HANDLER_TIMEOUT_BELOW: Duration = DISPATCH_DEADLINE_MAX;
/// The shortest dispatch deadline of an HTTP task.
pub const DISPATCH_DEADLINE_MIN: Duration = Duration::from_secs(15);
/// The longest dispatch deadline of an HTTP task.
pub const DISPATCH_DEADLINE_MAX: Duration = Duration::from_mins(30);
/// The longest URL of an HTTP task, in characters.
pub const URL_LENGTH: usize = 2083;
/// The largest task, in bytes.
pub const TASK_BYTES: usize = 1024 * 1024;

/// How long a worker takes to read a push.
pub const READ_PUSH: Duration = Duration::from_secs(30);
/// How long the worker tries to create a task, retries included.
pub const CREATE: Duration = Duration::from_secs(10);
/// How long a push takes at most, besides its run: reading it (30 s), two lookups (10 s each), the record of when
/// it came (2 s), and up to three creates (10 s each).
pub const AROUND_A_RUN: Duration = Duration::from_secs(90);
