//! Settings of a queue, and whether they stay.

use std::time::{Duration, Instant};

use anyhow::bail;
use cloudtasks::{CloudTasks, Queue, QueuePath, QueueState};
use serde_json::{Value, json};

use crate::manifest::{CONCURRENCY, RATE};

/// Between two looks at a queue.
const PAUSE: Duration = Duration::from_millis(40);
/// A setting that isn't on the queue by then never will be.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Setting {
    /// What Git says.
    Git,
    /// Another rate.
    Rate(f64),
    /// Another concurrency.
    Concurrency(i32),
    /// A pause.
    Paused,
}

impl Setting {
    /// They take turns.
    pub fn of_round(round: usize) -> Self {
        match round % 3 {
            0 => Self::Rate(5.0),
            1 => Self::Paused,
            _ => Self::Concurrency(3),
        }
    }

    /// The fields of an override.
    pub fn fields(self) -> Value {
        match self {
            Self::Git => json!({}),
            Self::Rate(rate) => json!({"rateLimits": {"maxDispatchesPerSecond": rate}}),
            Self::Concurrency(count) => json!({"rateLimits": {"maxConcurrentDispatches": count}}),
            Self::Paused => json!({"paused": true}),
        }
    }

    /// Whether a queue has this, and of all else what Git says.
    fn is_on(self, queue: &Queue) -> bool {
        let (mut rate, mut concurrency) = (RATE, CONCURRENCY);
        match self {
            Self::Rate(other) => rate = other,
            Self::Concurrency(other) => concurrency = other,
            Self::Git | Self::Paused => {}
        }
        (queue.max_dispatches_per_second - rate).abs() < 1e-6
            && queue.max_concurrent_dispatches == concurrency
            && (queue.state == QueueState::Paused) == (self == Self::Paused)
    }
}

/// Looks at a queue again and again.
pub struct Watch {
    /// Cloud Tasks.
    pub cloud: CloudTasks,
    /// The queue.
    pub queue: QueuePath,
}

impl Watch {
    /// Waits until the queue has this.
    pub async fn becomes(&self, setting: Setting) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let found = self.cloud.get_queue(&self.queue).await?;
            if setting.is_on(&found) {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                bail!("{setting:?} is not on {found:?}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Looks for so long whether the queue has this at each look. Returns how many looks that were.
    pub async fn keeps(&self, setting: Setting, time: Duration) -> anyhow::Result<usize> {
        let begin = Instant::now();
        let mut looks = 0;
        while begin.elapsed() < time {
            let found = self.cloud.get_queue(&self.queue).await?;
            if !setting.is_on(&found) {
                bail!(
                    "{setting:?} was reverted after {:?}: {found:?}",
                    begin.elapsed()
                );
            }
            looks += 1;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(looks)
    }
}
