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
/// The longest time that a task can wait before its first attempt on a stage.
pub const DELAY_MAX: Duration = Duration::from_hours(24);
/// How long a worker may hold whose handler fails for nearly all tasks. Shorter, and no probe would come.
pub const HOLD: RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_hours(24);
/// The longest URL of an HTTP task, in characters.
pub const URL_LENGTH: usize = 2083;
/// The largest task, in bytes.
pub const TASK_BYTES: usize = 1024 * 1024;

/// The most headers of a push. Cloud Tasks takes 80 KB of headers, in which 22,000 of the shortest fit; the
/// type that holds them takes 24,576.
pub const PUSH_HEADERS: usize = 24_000;
/// The headers that a worker is prepared for: at first the fewest, and more once a push has more. Each push takes
/// memory for as many as it may have, and for [`PUSH_HEADERS`] that costs more than the rest of it. The fewest
/// are 100 of a producer, Cloud Tasks' own, and what proxies add.
pub const PUSH_HEADER_STEPS: [usize; 3] = [150, 500, PUSH_HEADERS];
/// The longest head of a push: 80 KB of headers, four more bytes for each, a URL, and what proxies add.
pub const PUSH_HEAD_BYTES: usize = 256 * 1024;
/// The same over HTTP/2, where each header counts 32 bytes more. Less, because few bytes on the wire can
/// become many headers in memory: 1,500 headers fit beside 80 KB.
pub const PUSH_HEADER_LIST_BYTES: u32 = 128 * 1024;
/// The most headers of a handler's answer. With more, the attempt has failed. Each answer takes memory for as
/// many; Envoy takes 100.
pub const ANSWER_HEADERS: usize = 250;

/// How long a worker waits for the head of a push, and then for its body.
pub const READ_PUSH: Duration = Duration::from_secs(30);
/// How long the worker tries to create a task, retries included.
pub const CREATE: Duration = Duration::from_secs(10);
/// How long the creates of one push take together. More than one is needed if Cloud Tasks refuses the first.
pub const CREATES: Duration = Duration::from_secs(30);
/// How long a push takes at most, besides its run. A test of the worker adds its steps up.
pub const AROUND_A_RUN: Duration = Duration::from_secs(90);
