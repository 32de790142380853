//! The reconciles that are under way, and the moments in which there is none: what can wait is done then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How long no reconcile begins in a lull. At a start with many chains, moments without one are shorter.
const LULL: Duration = Duration::from_millis(500);
/// How long something waits for a lull. Until then the API server's time is for reconciles.
const PATIENCE: Duration = Duration::from_mins(2);
/// No reconcile has this number.
const NEVER: u64 = u64::MAX;

/// Counts reconciles.
#[derive(Debug)]
pub struct ReconcilesUnderWay {
    /// It is closed, so that one can wait until it is empty.
    tracker: TaskTracker,
    begun: AtomicU64,
    /// How many had begun at the last lull.
    begun_at_lull: AtomicU64,
}

impl Default for ReconcilesUnderWay {
    fn default() -> Self {
        let tracker = TaskTracker::new();
        tracker.close();
        Self {
            tracker,
            begun: AtomicU64::new(0),
            begun_at_lull: AtomicU64::new(NEVER),
        }
    }
}

impl ReconcilesUnderWay {
    /// A reconcile begins. It is under way until the returned value is dropped.
    pub fn begin(&self) -> TaskTrackerToken {
        let token = self.tracker.token();
        self.begun.fetch_add(1, Ordering::SeqCst);
        token
    }

    /// Waits for a lull, for what has waited since a time: two minutes in all at most. Returns immediately if no
    /// reconcile has begun since the last lull.
    pub async fn lull(&self, since: Instant) {
        self.lull_within(PATIENCE.saturating_sub(since.elapsed()))
            .await;
    }

    async fn lull_within(&self, patience: Duration) {
        // Which of the two ends the wait makes no difference.
        let _ = timeout(patience, self.next_lull()).await;
    }

    async fn next_lull(&self) {
        loop {
            self.tracker.wait().await;
            let begun = self.begun.load(Ordering::SeqCst);
            if begun == self.begun_at_lull.load(Ordering::SeqCst) && self.tracker.is_empty() {
                return;
            }
            sleep(LULL).await;
            // The first wait also ends if it was empty for a moment only.
            if begun == self.begun.load(Ordering::SeqCst) && self.tracker.is_empty() {
                self.begun_at_lull.store(begun, Ordering::SeqCst);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tokio::time::{Instant, advance};

    use super::{Duration, PATIENCE, ReconcilesUnderWay, sleep};

    #[tokio::test(start_paused = true)]
    async fn a_lull_begins_half_a_second_after_the_last_reconcile_and_lasts_until_the_next_one() {
        let reconciles = ReconcilesUnderWay::default();
        let begin = Instant::now();
        let first = reconciles.begin();
        let mut lull = Box::pin(reconciles.lull_within(PATIENCE));
        advance(Duration::from_secs(2)).await;
        assert!((&mut lull).now_or_never().is_none());
        drop(first);
        lull.await;
        assert_eq!(begin.elapsed().as_millis(), 2_500);
        reconciles.lull_within(PATIENCE).await;
        assert_eq!(begin.elapsed().as_millis(), 2_500);
        drop(reconciles.begin());
        reconciles.lull_within(PATIENCE).await;
        assert_eq!(begin.elapsed().as_millis(), 3_000);
    }

    #[tokio::test(start_paused = true)]
    async fn short_reconciles_one_after_the_other_leave_no_lull() {
        let reconciles = ReconcilesUnderWay::default();
        let begin = Instant::now();
        let busy = async {
            loop {
                drop(reconciles.begin());
                sleep(Duration::from_millis(300)).await;
            }
        };
        tokio::select! {
            () = busy => {}
            () = reconciles.lull_within(PATIENCE) => {}
        }
        assert_eq!(begin.elapsed(), PATIENCE);
    }
}
