//! How long a task takes to its end if every attempt fails.

use std::fmt;
use std::time::Duration;

use cloudtasks::Queue;

use crate::model::ChainView;

/// An outage of this length should fail no task.
const SHORT_OUTAGE: Duration = Duration::from_mins(1);

/// How long a task takes to its end if every attempt fails. Routes, isolation, holds, verdicts,
/// `Retry-After`, rate limits, pauses and pushes without an answer are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LadderTime {
    /// If each attempt fails at once.
    pub least: Duration,
    /// If each attempt takes its whole timeout.
    pub most: Duration,
}

/// The time of the whole chain; `None` while one of its queues doesn't exist.
pub fn ladder_time(view: ChainView<'_>) -> Option<LadderTime> {
    let mut time = LadderTime {
        least: Duration::ZERO,
        most: Duration::ZERO,
    };
    for stage in &view.desired.stages {
        let attempts = stage.max_attempts.get();
        let waits = waits(view.observed.queues.get(&stage.queue)?, attempts - 1);
        let waits = waits.saturating_add(stage.delay.unwrap_or_default());
        time.least = time.least.saturating_add(waits);
        let runs = stage.timeout.saturating_mul(attempts);
        time.most = time.most.saturating_add(waits).saturating_add(runs);
    }
    Some(time)
}

/// The sum of the first waits. After attempt n Cloud Tasks waits for `min(max, min * 2^d * (n - d))`, with d
/// the smaller of n - 1 and the queue's doublings.
fn waits(queue: &Queue, count: u32) -> Duration {
    let max = queue.max_backoff;
    let doublings = u32::try_from(queue.max_doublings).unwrap_or_default();
    let mut sum = Duration::ZERO;
    let mut wait = queue.min_backoff;
    let mut left = count;
    // 24 h, the longest wait, is reached from 1 ns after 47 doublings.
    for _ in 0..=doublings.min(47) {
        if left == 0 || wait >= max {
            break;
        }
        sum = sum.saturating_add(wait);
        left -= 1;
        wait = wait.saturating_mul(2);
    }
    // `wait` is two steps of the linear part now. One by one while it grows, which is a sum of its own.
    let step = wait / 2;
    if left > 0 && wait < max && !step.is_zero() {
        let growing = (max.as_nanos() - 1) / step.as_nanos() - 1;
        let growing = u32::try_from(growing).unwrap_or(u32::MAX).min(left);
        let steps = u64::from(growing) * (u64::from(growing) + 3) / 2;
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        sum = sum.saturating_add(step.saturating_mul(steps));
        left -= growing;
    }
    sum.saturating_add(max.saturating_mul(left))
}

impl fmt::Display for LadderTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, most } = self;
        write!(f, "{} to {}", crds::Duration(*least), crds::Duration(*most))?;
        if *least < SHORT_OUTAGE {
            f.write_str("; an outage of a minute can fail tasks")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cloudtasks::QueueState;

    use super::*;

    fn queue(min: f64, max: u64, max_doublings: i32) -> Queue {
        Queue {
            path: "projects/p/locations/l/queues/q".parse().unwrap(),
            state: QueueState::Running,
            max_dispatches_per_second: 1.0,
            max_concurrent_dispatches: 1,
            max_attempts: -1,
            max_retry_duration: None,
            min_backoff: Duration::from_secs_f64(min),
            max_backoff: Duration::from_secs(max),
            max_doublings,
            http_target: None,
        }
    }

    #[test]
    fn waits_grow_as_cloud_tasks_makes_them_grow() {
        for (queue, expected) in [
            // Both as Google's documentation and a recording have them.
            (
                queue(10.0, 300, 3),
                vec![10, 20, 40, 80, 160, 240, 300, 300],
            ),
            (queue(1.0, 7, 1), vec![1, 2, 4, 6, 7, 7]),
            (queue(5.0, 5, 16), vec![5, 5, 5]),
            (queue(1.0, 3600, 16), vec![1, 2, 4, 8, 16]),
            (queue(1.0, 6, 0), vec![1, 2, 3, 4, 5, 6, 6]),
        ] {
            let mut sum = 0;
            for (count, wait) in (1..).zip(expected) {
                sum += wait;
                assert_eq!(
                    waits(&queue, count),
                    Duration::from_secs(sum),
                    "{queue:?}: {count}"
                );
            }
        }
        assert_eq!(waits(&queue(0.1, 3600, 16), 0), Duration::ZERO);
        // Without a loop over 4,294,967,295 attempts.
        assert!(waits(&queue(0.001, 86_399, 1), u32::MAX) > Duration::from_hours(24));
        assert!(waits(&queue(0.1, 3600, i32::MAX), u32::MAX) > Duration::from_hours(24));
    }

    #[test]
    fn a_ladder_of_less_than_a_minute_is_called_short() {
        let time = |least, most| {
            let (least, most) = (Duration::from_millis(least), Duration::from_millis(most));
            LadderTime { least, most }.to_string()
        };
        assert_eq!(time(60_000, 90_000), "1m to 1m30s");
        assert_eq!(
            time(610, 300_610),
            "610ms to 5m610ms; an outage of a minute can fail tasks"
        );
    }
}
