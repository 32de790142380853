//! What keeps tasks from leaving: hand-overs, notifications, and the end of their time.

use std::time::Duration;

use super::commands;
use super::evidence::{Evidence, float, share};
use super::found::{Found, Place};
use crate::model::{Cause, LiveChain, WorkerNumbers};
use crate::units;

/// A worker tries three times before it answers so. So many are no accident.
const SOME: u64 = 3;
const NOT_HANDED_OVER: f64 = 0.2;
const NOT_NOTIFIED: f64 = 0.1;
/// Of all pushes: not all need a lookup, or end by a route or a verdict.
const NOT_DONE: f64 = 0.05;
/// Notifications are never scheduled for later: they are in flight, or wait.
const SOME_NOTIFICATIONS: u64 = 30;
/// So much of what has ended lately is still in the queue.
const NOT_SENT: f64 = 0.5;
/// A queue that other chains share is as deep as receivers are slow.
const SHARED_SECONDS: f64 = 2.0;
const NOT_SENT_FOR: Duration = Duration::from_secs(30);

/// What keeps tasks on a stage.
pub(super) fn of_stage(of: Evidence<'_>) -> Vec<Found> {
    let rules = [
        look_up_fails,
        hand_over_fails,
        exit_fails,
        notification_fails,
        expire,
    ];
    rules.into_iter().filter_map(|rule| rule(of)).collect()
}

/// Pushes that got 500 and no run. Lookups after a run fail too, and cost nothing.
fn look_up_fails(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let failed = without_reason(workers) - exits_failed(workers);
    let failed = failed.min(workers.look_ups_failed);
    is_much(failed, workers).then(|| {
        let message = format!(
            "workers can't look tasks up in Cloud Tasks: {} of {} pushes in {} got 500 without a run. The tasks stay on this stage",
            units::count(failed),
            units::count(workers.answers.all()),
            units::duration(workers.window),
        );
        let command = commands::worker_logs(of);
        Found::on_stage(of, Place::LookUp, Cause::LookUpFails, message, command)
    })
}

/// After a route, a verdict, or isolation the answer is 500 and not 596: the next push must run to learn it again.
fn exit_fails(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let failed = exits_failed(workers);
    is_much(failed, workers).then(|| {
        let message = format!(
            "tasks can't leave by a route, a verdict, or isolation: {} of {} pushes in {} got 500, because the next task or the notification can't be created. The tasks stay on this stage. If their handler has run, it runs again",
            units::count(failed),
            units::count(workers.answers.all()),
            units::duration(workers.window),
        );
        let command = commands::worker_logs(of);
        let cause = if of.is_last() {
            Cause::NotificationFails
        } else {
            Cause::HandOverFails
        };
        Found::on_stage(of, Place::Create, cause, message, command)
    })
}

/// Pushes that got 500, and not for their token.
fn without_reason(workers: &WorkerNumbers) -> u64 {
    let refused = workers.refused.values().sum();
    workers.answers.unknown.saturating_sub(refused)
}

/// Those of them whose next task or notification couldn't be created. After the others of these, the
/// answer is 596 or 597.
fn exits_failed(workers: &WorkerNumbers) -> u64 {
    let answers = &workers.answers;
    let others = answers.not_handed_on + answers.not_notified;
    let failed = workers.creates_failed.saturating_sub(others);
    failed.min(without_reason(workers))
}

fn is_much(pushes: u64, workers: &WorkerNumbers) -> bool {
    pushes >= SOME && share(pushes, workers.answers.all()) >= NOT_DONE
}

fn hand_over_fails(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let failed = workers.answers.not_handed_on;
    let all = workers.handed_on + failed;
    (failed >= SOME && share(failed, all) >= NOT_HANDED_OVER).then(|| {
        let message = format!(
            "hand-overs fail: {} of {} in {}. Their pushes got status 596: the tasks stay on this stage, and their handler doesn't run again",
            units::count(failed),
            units::count(all),
            units::duration(workers.window),
        );
        let command = commands::worker_logs(of);
        Found::on_stage(of, Place::Create, Cause::HandOverFails, message, command)
    })
}

fn notification_fails(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let failed = workers.answers.not_notified;
    let all = workers.answers.done + failed;
    (failed >= SOME && share(failed, all) >= NOT_NOTIFIED).then(|| {
        let message = format!(
            "notifications can't be created in queue {}: {} of {} in {}. Their pushes got status 597: the tasks stay, and their handler doesn't run again",
            of.chain.notifier.queue,
            units::count(failed),
            units::count(all),
            units::duration(workers.window),
        );
        let command = commands::worker_logs(of);
        let cause = Cause::NotificationFails;
        Found::on_stage(of, Place::Create, cause, message, command)
    })
}

fn expire(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    (workers.expiring > 0).then(|| {
        let message = format!(
            "tasks expire within a day: {} pushes of such tasks in {}. They then leave the stage with the reason expired",
            units::count(workers.expiring),
            units::duration(workers.window),
        );
        let command = commands::worker_logs(of);
        Found::on_stage(of, Place::Expiry, Cause::TasksExpire, message, command)
    })
}

/// Notifications that aren't delivered. Of a receiver that fails, they wait for their next attempt, so that
/// none is due.
pub(super) fn of_notifier(chain: &LiveChain) -> Option<Found> {
    let queue = chain.notifier.queue_numbers.value()?;
    if chain.notifier.paused || queue.tasks < SOME_NOTIFICATIONS {
        return None;
    }
    let lag = queue.lag.unwrap_or_default();
    let tasks = float(queue.tasks);
    let is_own = tasks >= float(queue.executed_last_minute) / 60.0 * SHARED_SECONDS;
    let ended = ended(chain).filter(|ended| *ended >= 1.0);
    let is_behind = is_own && ended.is_some_and(|ended| tasks >= NOT_SENT * ended);
    (is_behind || lag >= NOT_SENT_FOR).then(|| {
        let message = format!(
            "{} notifications wait in queue {}: the receiver fails or is slow, or the queue's limits are too low",
            units::count(queue.tasks),
            chain.notifier.queue,
        );
        let command = commands::notifier(chain);
        let cause = Cause::NotifierBacklog;
        Found::on_chain(Place::Notifications, cause, message, command)
    })
}

/// Tasks that have ended in the windows of all stages, and neither left nor come again. `None` if a stage's numbers are unknown.
fn ended(chain: &LiveChain) -> Option<f64> {
    let stages = chain.stages.iter().map(|stage| {
        let workers = stage.worker_numbers.value()?;
        Some(float(
            workers
                .answers
                .done
                .saturating_sub(workers.handed_on + workers.put_off),
        ))
    });
    stages.sum()
}
