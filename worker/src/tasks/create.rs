//! Creates the next task or the notification, with a few tries within a time limit. If Cloud Tasks still
//! does not confirm it, the answer says so, and Cloud Tasks pushes again.

use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, CreateOutcome, Error, NewTask, QueuePath};
use decide::{
    CreateResult, Creation, Delivery, Ledger, ParkedRecord, PendingCreate, StageRecord, TaskReason,
};
use jiff::{Timestamp, Unit};
use tracing::{info, warn};
use worker_contract::limits;

use super::event::EventSource;
use super::lookup::{Departure, look_up_first_push};
use super::notification::notification;
use super::task_copies::{later_task, next_task, parked_task};
use crate::handler::HandlerRun;
use crate::state::Worker;
use crate::transport::PushRequest;

const TRIES: u32 = 3;
/// The longest backoff before the second try. It doubles before each further try.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// What a task that leaves its stage is created from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending<'a> {
    pub push: &'a PushRequest,
    pub delivery: &'a Delivery,
    pub departure: Departure,
    /// The run of this dispatch, if there was one.
    pub run: Option<&'a HandlerRun>,
    /// The ledger of the parked task, if an earlier dispatch has parked it.
    pub parked: Option<&'a Ledger>,
}

/// Creates the pending task.
pub(crate) async fn create(
    worker: &Worker,
    ending: &Ending<'_>,
    pending: &PendingCreate,
    cloud: &CloudTasks,
) -> CreateResult {
    let Ending {
        push,
        delivery,
        departure,
        run,
        parked: _,
    } = *ending;
    let moves = matches!(pending.creation, Creation::NextTask(_) | Creation::Later(_));
    // A task that ended is parked all the same: no Failed without a parked task.
    if departure.deleted && moves {
        info!("the task was deleted meanwhile: not handed over");
        return CreateResult::Deleted;
    }
    let (config, policy) = (&worker.config, &worker.config.policy);
    let (queue, task) = match &pending.creation {
        Creation::NextTask(queue) => {
            let ledger = left(worker, ending, pending);
            let (deadline, delay) = (config.dispatch_deadline(queue), config.delay(queue));
            let task = next_task(push, ledger, queue, pending.folded, deadline, delay);
            (queue, task)
        }
        Creation::Later(delay) => {
            let path = policy.queue.task(delivery.ledger.later_task());
            let dispatches = delivery.dispatches().saturating_add(1);
            let since = match departure.first_pushed {
                Some(known) => known,
                None => look_up_first_push(worker, delivery, cloud)
                    .await
                    .unwrap_or(departure.since),
            };
            let since = to_milliseconds(since);
            let ledger = begun(delivery, departure);
            let ledger = ledger.put_off(pending.attempts, dispatches, since);
            let deadline = config.own_dispatch_deadline();
            let task = later_task(push, ledger, path, pending.folded, deadline, *delay);
            (&policy.queue, task)
        }
        Creation::Parked(cause) => {
            let Some(parking) = &policy.parking else {
                // Without a parking queue the rules park nothing.
                return CreateResult::Exists;
            };
            let ledger = left(worker, ending, pending);
            let record = ParkedRecord {
                task: ledger.task.clone(),
                queue: ledger.queue.clone(),
                stage: policy.stage.clone(),
                cause: *cause,
                reason: pending.reason.clone(),
                status: run.and_then(HandlerRun::status),
                at: to_milliseconds(Timestamp::now()),
                life: ledger.life.clone(),
            };
            let task = parked_task(push, ledger, &parking.queue, pending.folded, &record);
            (&parking.queue, task)
        }
        Creation::Notification(outcome) => {
            let ledger = match ending.parked {
                // The dispatch that parked it knew why.
                Some(parked) => parked.clone(),
                None => left(worker, ending, pending),
            };
            let Some(notifier) = &policy.notifier else {
                // Without a notifier the rules create no notification.
                return CreateResult::Exists;
            };
            let source = EventSource {
                push,
                policy,
                ledger: &ledger,
                reason: reason(&ledger, pending),
                folded: pending.folded,
                run,
            };
            let token = worker.config.notifier_oidc.clone();
            let task = notification(&source, *outcome, notifier, token);
            (&notifier.queue, task)
        }
    };
    // The accident that the order of create and answer prevents. `make chaos` must catch it.
    #[cfg(feature = "broken-hand-over")]
    if matches!(pending.creation, Creation::NextTask(_)) {
        let (queue, cloud) = (queue.clone(), cloud.clone());
        tokio::spawn(async move { cloud.create_task(&queue, &task).await });
        return CreateResult::Exists;
    }
    let begin = Instant::now();
    let time = departure.deadline.saturating_duration_since(begin);
    let result = create_with_retries(queue, &task, time.min(limits::CREATE), cloud).await;
    let seconds = begin.elapsed().as_secs_f64();
    worker.metrics.create_seconds.observe(seconds);
    record(worker, pending, result);
    result
}

async fn create_with_retries(
    queue: &QueuePath,
    task: &NewTask,
    time: Duration,
    cloud: &CloudTasks,
) -> CreateResult {
    // A call that hangs must leave time for the other tries.
    let time_of_a_try = time / TRIES;
    let tries = async {
        let mut longest_backoff = FIRST_BACKOFF;
        let mut may_exist = false;
        for left in (0..TRIES).rev() {
            let call = cloud.create_task(queue, task);
            let created = tokio::time::timeout(time_of_a_try, call).await;
            match created.unwrap_or_else(|_| {
                Err(Error::TimedOut {
                    resource: queue.to_string(),
                    after: time_of_a_try,
                })
            }) {
                Ok(CreateOutcome::Created | CreateOutcome::AlreadyExists) => {
                    return CreateResult::Exists;
                }
                Err(Error::Refused { message, .. }) => {
                    warn!(queue = %queue, %message, "Cloud Tasks refuses the task");
                    return CreateResult::Refused;
                }
                Err(
                    error
                    @ (Error::Missing { .. } | Error::Forbidden { .. } | Error::NotNow { .. }),
                ) if !may_exist => {
                    warn!(queue = %queue, %error, "create failed");
                    return CreateResult::NoQueue;
                }
                Err(error) => {
                    may_exist |= matches!(error, Error::Away { .. } | Error::TimedOut { .. });
                    if !error.is_transient() || left == 0 {
                        warn!(queue = %queue, %error, "create failed");
                        break;
                    }
                    warn!(queue = %queue, %error, "create failed, retrying");
                }
            }
            // Jitter: in an outage all tasks of a worker fail at the same moment.
            tokio::time::sleep(longest_backoff.mul_f64(fastrand::f64())).await;
            longest_backoff *= 2;
        }
        if may_exist {
            CreateResult::Unknown
        } else {
            CreateResult::NotCreated
        }
    };
    tokio::time::timeout(time, tries).await.unwrap_or_else(|_| {
        warn!(queue = %queue, timeout = ?time, "create not confirmed in time");
        CreateResult::Unknown
    })
}

/// The task's ledger, as it came to this stage.
fn begun(delivery: &Delivery, departure: Departure) -> Ledger {
    let mut ledger = delivery.ledger.clone();
    if ledger.hop == 0 && ledger.stay.is_none() {
        ledger.first_seen = to_milliseconds(departure.since);
    }
    ledger
}

/// The task's ledger with this stage's record.
fn left(worker: &Worker, ending: &Ending<'_>, pending: &PendingCreate) -> Ledger {
    let Ending {
        delivery,
        departure,
        run,
        ..
    } = *ending;
    begun(delivery, departure).with(StageRecord {
        stage: worker.config.policy.stage.clone(),
        attempts: pending.attempts,
        dispatches: delivery.dispatches().saturating_add(1),
        since: to_milliseconds(departure.since),
        until: to_milliseconds(Timestamp::now()),
        status: run.and_then(HandlerRun::status),
        reason: pending.reason.clone(),
    })
}

/// Why the task ended: as its last record says, which an earlier dispatch may have written.
fn reason<'a>(ledger: &'a Ledger, pending: &'a PendingCreate) -> &'a TaskReason {
    let last = ledger.stages.last();
    last.map_or(&pending.reason, |record| &record.reason)
}

fn record(worker: &Worker, pending: &PendingCreate, result: CreateResult) {
    let reason = pending.reason.as_str();
    match (result, &pending.creation) {
        (CreateResult::Exists, Creation::NextTask(queue)) => {
            worker.metrics.handed_on.inc();
            info!(reason, to = %queue, "handed over");
        }
        (CreateResult::Exists, Creation::Later(delay)) => {
            worker.metrics.put_off();
            info!(reason, ?delay, "put off");
        }
        (CreateResult::Exists, Creation::Parked(cause)) => {
            worker.metrics.parked(*cause);
            info!(reason, cause = cause.label(), "parked");
        }
        (CreateResult::Refused | CreateResult::NoQueue, Creation::Parked(cause))
            if pending.folded || result == CreateResult::NoQueue =>
        {
            worker.metrics.not_parked();
            warn!(
                reason,
                cause = cause.label(),
                "not parked: the parking queue doesn't exist or refuses the task"
            );
        }
        (CreateResult::Exists, Creation::Notification(outcome)) => {
            worker.metrics.notified(*outcome);
            info!(reason, outcome = outcome.as_str(), "ended");
        }
        (
            CreateResult::Refused
            | CreateResult::Unknown
            | CreateResult::NotCreated
            | CreateResult::NoQueue,
            _,
        ) => {
            worker.metrics.creates_failed.inc();
        }
        (CreateResult::Deleted, _) => {}
    }
}

/// Nanoseconds would only make the ledger longer.
fn to_milliseconds(time: Timestamp) -> Timestamp {
    time.round(Unit::Millisecond).unwrap_or(time)
}
