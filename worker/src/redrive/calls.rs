//! What all steps of a redrive share: its order, Cloud Tasks, its progress, and how long they insist.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{CloudTasks, Error};
use parking::{RedriveOrder, RedrivePhase, RedriveProgress};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Between two tries, while a person has to do something.
const PERSONS_BACKOFF: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// How often in a row the parking queue must be missing: a queue that nobody used for a month may seem to be.
const MISSING: u32 = 3;
const MISSING_BACKOFF: Duration = Duration::from_secs(1);

/// One redrive at work.
#[derive(Debug, Clone)]
pub(super) struct Mover {
    pub order: Arc<RedriveOrder>,
    pub cloud: CloudTasks,
    pub progress: watch::Sender<RedriveProgress>,
    /// Cancelled when no other move may begin.
    pub stop: CancellationToken,
}

/// Why a redrive doesn't go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The mover was asked to stop.
    Stopping,
    /// The parking queue doesn't exist.
    ParkingGone,
}

/// How long to wait after an error, the `tries`th in a row.
pub(super) fn backoff(error: &Error, tries: u32) -> Duration {
    if error.is_transient() {
        let longest = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(tries));
        // Jitter, because others have the same trouble at the same time.
        longest.min(LONGEST_BACKOFF).mul_f64(fastrand::f64())
    } else {
        PERSONS_BACKOFF
    }
}

impl Mover {
    /// Calls Cloud Tasks until it answers. Meanwhile the progress says what the problem is.
    pub(super) async fn insist<T, C>(&self, call: impl Fn() -> C) -> Result<T, Halt>
    where
        C: Future<Output = Result<T, Error>>,
    {
        let (mut tries, mut missing) = (0, 0);
        loop {
            let wait = match self.unless_stopping(Box::pin(call())).await? {
                Ok(answer) => {
                    self.solved();
                    return Ok(answer);
                }
                Err(error @ Error::Missing { .. }) => {
                    missing += 1;
                    if missing == MISSING {
                        return Err(Halt::ParkingGone);
                    }
                    self.problem(&error, MISSING_BACKOFF);
                    MISSING_BACKOFF
                }
                Err(error) => {
                    let wait = backoff(&error, tries);
                    self.problem(&error, wait);
                    wait
                }
            };
            tries += 1;
            self.sleep(wait).await?;
        }
    }

    /// Waits.
    pub(super) async fn sleep(&self, time: Duration) -> Result<(), Halt> {
        self.unless_stopping(tokio::time::sleep(time)).await
    }

    /// Waits for something that may be left undone.
    pub(super) async fn unless_stopping<T>(&self, it: impl Future<Output = T>) -> Result<T, Halt> {
        self.stop
            .run_until_cancelled(it)
            .await
            .ok_or(Halt::Stopping)
    }

    /// Something keeps the redrive from going on.
    pub(super) fn problem(&self, problem: &dyn ToString, retry_in: Duration) {
        let problem = problem.to_string();
        warn!(%problem, ?retry_in, "the redrive is blocked");
        self.progress
            .send_modify(|progress| progress.problem = Some(problem));
    }

    /// Nothing does any more.
    pub(super) fn solved(&self) {
        self.progress
            .send_if_modified(|progress| progress.problem.take().is_some());
    }

    /// The redrive does this now.
    pub(super) fn enter(&self, phase: RedrivePhase) {
        let before = self.progress.borrow().phase;
        if before != phase {
            info!(?before, ?phase, "the redrive's phase");
        }
        self.progress.send_modify(|progress| progress.phase = phase);
    }
}
