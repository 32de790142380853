//! Creating what is owed: the next task or the notification, with a few tries inside a small
//! budget of time. What then still isn't confirmed is told to Cloud Tasks, which pushes again.

use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, Created, Error, NewTask, QueuePath};
use decide::{CreateResult, Creation, Delivery, Ledger, PendingCreate, StageRecord};
use jiff::{Timestamp, Unit};
use tracing::{info, warn};

use crate::push::Push;
use crate::run::Ran;
use crate::work::Worker;

/// For all tries together. It has to fit between the handler's time-out and the 30 minutes that
/// Cloud Tasks waits at most.
const BUDGET: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;
/// The longest wait before the second try; it doubles before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(200);

impl Worker {
    /// Creates what is owed, or says that it could not.
    pub(crate) async fn create(
        &self,
        push: &Push,
        delivery: &Delivery,
        pending: &PendingCreate,
        ran: Option<&Ran>,
        cloud: &CloudTasks,
    ) -> CreateResult {
        let ledger = self.ledger(push, delivery, pending, ran, cloud).await;
        let policy = &self.config.policy;
        let (queue, task) = match &pending.creation {
            Creation::NextTask(queue) => (
                queue,
                crate::hand_over::next_task(
                    push,
                    ledger,
                    queue,
                    pending.folded,
                    self.config.deadline_on(queue),
                ),
            ),
            Creation::Notification(outcome) => {
                let Some(notifier) = &policy.notifier else {
                    // The rules owe no notification where there is no notifier.
                    return CreateResult::Exists;
                };
                let told = crate::event::Told {
                    push,
                    policy,
                    ledger: &ledger,
                    pending,
                    ran,
                };
                (
                    &notifier.queue,
                    crate::notify::notification(&told, *outcome, notifier),
                )
            }
        };
        // The accident that the order of create and answer prevents, for `make chaos` to catch.
        #[cfg(feature = "broken-hand-over")]
        if matches!(pending.creation, Creation::NextTask(_)) {
            let (queue, cloud) = (queue.clone(), cloud.clone());
            tokio::spawn(async move { cloud.create_task(&queue, &task).await });
            return CreateResult::Exists;
        }
        let begin = Instant::now();
        let end = self.try_to_create(queue, &task, cloud).await;
        self.stats
            .create_seconds
            .observe(begin.elapsed().as_secs_f64());
        self.count(pending, end);
        end
    }

    async fn try_to_create(
        &self,
        queue: &QueuePath,
        task: &NewTask,
        cloud: &CloudTasks,
    ) -> CreateResult {
        let tries = async {
            let mut longest_wait = FIRST_WAIT;
            for left in (0..TRIES).rev() {
                match cloud.create_task(queue, task).await {
                    Ok(Created::New | Created::Already) => return CreateResult::Exists,
                    Err(Error::Refused { message, .. }) => {
                        warn!(queue = %queue, %message, "Cloud Tasks refuses the task");
                        return CreateResult::Refused;
                    }
                    Err(error) if error.is_transient() && left > 0 => {
                        warn!(queue = %queue, %error, "create failed, trying again");
                    }
                    Err(error) => {
                        warn!(queue = %queue, %error, "create failed");
                        return CreateResult::Unknown;
                    }
                }
                // Jitter: all tasks of a worker meet the same outage at the same moment.
                tokio::time::sleep(longest_wait.mul_f64(fastrand::f64())).await;
                longest_wait *= 2;
            }
            CreateResult::Unknown
        };
        tokio::time::timeout(BUDGET, tries)
            .await
            .unwrap_or_else(|_| {
                warn!(queue = %queue, budget = ?BUDGET, "create not confirmed in time");
                CreateResult::Unknown
            })
    }

    /// The task's ledger with this stage behind it.
    async fn ledger(
        &self,
        push: &Push,
        delivery: &Delivery,
        pending: &PendingCreate,
        ran: Option<&Ran>,
        cloud: &CloudTasks,
    ) -> Ledger {
        let since = self.came_at(delivery, push.at, cloud).await;
        let mut ledger = delivery.ledger.clone();
        if ledger.hop == 0 {
            ledger.first_seen = to_milliseconds(since);
        }
        ledger.with(StageRecord {
            stage: self.config.policy.stage.clone(),
            attempts: pending.attempts,
            dispatches: delivery.retry_count.saturating_add(1),
            since: to_milliseconds(since),
            until: to_milliseconds(Timestamp::now()),
            status: ran.and_then(Ran::status),
            reason: pending.reason.clone(),
        })
    }

    fn count(&self, pending: &PendingCreate, end: CreateResult) {
        let reason = pending.reason.as_str();
        match (end, &pending.creation) {
            (CreateResult::Exists, Creation::NextTask(queue)) => {
                self.stats.handed_on.inc();
                info!(reason, to = %queue, "handed on");
            }
            (CreateResult::Exists, Creation::Notification(outcome)) => {
                self.stats.notified(*outcome);
                info!(reason, outcome = outcome.as_str(), "ended");
            }
            (CreateResult::Refused | CreateResult::Unknown, _) => {
                self.stats.creates_failed.inc();
            }
        }
    }
}

/// Nanoseconds would only make the ledger longer.
fn to_milliseconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Millisecond).unwrap_or(time)
}
