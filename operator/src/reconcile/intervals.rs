//! When a chain is reconciled again.

use std::time::Duration;

/// Where nothing has changed. Objects are watched and queues are polled, so this is a safety net.
pub const RESYNC: Duration = Duration::from_mins(5);
/// Where more can be done as soon as the caches show what was just done.
pub const SOON: Duration = Duration::from_millis(500);
/// Where a step had no visible effect: another program may undo it. A change is noticed earlier.
pub const NO_EFFECT: Duration = Duration::from_secs(10);
/// Where the tasks of a deleted chain with the policy Drain are counted.
pub const DRAIN_COUNT: Duration = Duration::from_secs(5);
/// Where tasks may be parked: the status has their number.
pub const PARKED_COUNT: Duration = Duration::from_mins(1);
/// The longest wait after a failure of such a chain: the obstacle may be gone, or its patience over.
pub const DRAIN_RETRY: Duration = Duration::from_secs(10);
