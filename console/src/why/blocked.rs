//! What keeps tasks from reaching the handler at all.

use std::time::Duration;

use crds::PausedBy;

use super::commands;
use super::evidence::{Evidence, share};
use super::found::{Found, Place};
use crate::model::{Cause, EditState, LiveChain, LiveOverride, StageState, WorkerNumbers};
use crate::units;

/// Numbers of Cloud Tasks may be a minute old, and those of the workers a period. A push in flight then has
/// arrived within this time.
const ARRIVED: Duration = Duration::from_secs(75);
/// The same for a push that was executed in the last minute.
const EXECUTED: Duration = Duration::from_secs(135);
/// So many failures are no accident.
const SOME: u64 = 3;

/// What is wrong with the chain as a whole.
pub(super) fn of_chain(chain: &LiveChain) -> Vec<Found> {
    let mut found = Vec::new();
    if let EditState::Waits {
        reason,
        message,
        since,
    } = &chain.edit
    {
        let message = format!("the spec is not in force, {reason}: {message}");
        found.push(edit_waits(chain, message).since(*since));
    }
    found.extend(unreachable(chain));
    if chain.notifier.paused {
        let queue = &chain.notifier.queue;
        let message = format!(
            "the notifier's queue {queue} is paused outside the operator: clients get no notification until you resume it"
        );
        let command = commands::describe(chain);
        let cause = Cause::PausedOutside;
        found.push(Found::on_chain(Place::Pause, cause, message, command));
    }
    found
}

fn edit_waits(chain: &LiveChain, message: String) -> Found {
    let command = commands::describe(chain);
    Found::on_chain(Place::Edit, Cause::EditWaits, message, command)
}

/// Cloud Tasks can't reach the workers by the address that the spec asks for.
fn unreachable(chain: &LiveChain) -> Option<Found> {
    let message = chain.unreachable.as_ref()?;
    if let EditState::Waits { message: said, .. } = &chain.edit
        && said == message
    {
        return None;
    }
    let arrive = |workers: &WorkerNumbers| workers.answers.all() > 0;
    let mut stages = chain.stages.iter();
    // Queues go on pushing to the former address until the new one works.
    if stages.all(|stage| stage.worker_numbers.value().is_some_and(arrive)) {
        let message = format!("pushes still go to the former address: {message}");
        return Some(edit_waits(chain, message));
    }
    let command = commands::describe(chain);
    let cause = Cause::PushesNotArriving;
    let found = Found::on_chain(Place::Pushes, cause, message.clone(), command);
    Some(found)
}

/// What keeps the tasks of one stage from its handler.
pub(super) fn of_stage(of: Evidence<'_>) -> Vec<Found> {
    let rules = [
        queue_state,
        no_ready_pod,
        not_arriving,
        refused,
        handler_unreachable,
    ];
    rules.into_iter().filter_map(|rule| rule(of)).collect()
}

fn queue_state(of: Evidence<'_>) -> Option<Found> {
    let chain = of.chain;
    let queue = &of.stage.queue;
    match &of.stage.state {
        StageState::Running | StageState::Unknown => None,
        StageState::Missing => {
            let message = format!("its queue {queue} doesn't exist: no task can be created in it");
            let command = commands::describe(chain);
            let (place, cause) = (Place::Queue, Cause::QueueMissing);
            Some(Found::on_stage(of, place, cause, message, command))
        }
        StageState::Disabled => {
            let message = format!(
                "Google has disabled its queue {queue}, which accepts tasks and dispatches none: resume it, and check the project's billing and its Cloud Tasks API"
            );
            let command = commands::describe(chain);
            let (place, cause) = (Place::Queue, Cause::QueueDisabled);
            Some(Found::on_stage(of, place, cause, message, command))
        }
        StageState::Paused { by, since, .. } => Some(paused(of, *by)?.since(*since)),
    }
}

fn paused(of: Evidence<'_>, by: PausedBy) -> Option<Found> {
    let held = match of.queue.map(|it| it.tasks) {
        Some(0) => "; it is empty".to_owned(),
        Some(1) => "; it has 1 task".to_owned(),
        Some(tasks) => format!("; it has {} tasks", units::count(tasks)),
        None => String::new(),
    };
    let (place, cause, message, command) = match by {
        PausedBy::Spec => (
            Place::Pause,
            Cause::PausedBySpec,
            "the spec pauses its queue",
            commands::unpause(of),
        ),
        PausedBy::Override => {
            let paused = of.stage.overridden("paused");
            let message = paused.map(|it| {
                let LiveOverride { name, until, .. } = it;
                format!("the override {name} pauses its queue until {until:.0}")
            });
            let command = paused.map_or_else(
                || commands::describe(of.chain),
                |it| commands::undo(of.chain, it),
            );
            let message = message.unwrap_or_else(|| "an override pauses its queue".to_owned());
            let message = format!("{message}{held}");
            let (place, cause) = (Place::Pause, Cause::PausedByOverride);
            return Some(Found::on_stage(of, place, cause, message, command));
        }
        PausedBy::Outside => (
            Place::Pause,
            Cause::PausedOutside,
            "its queue was paused outside the operator: find out why before you resume it",
            commands::describe(of.chain),
        ),
        PausedBy::Operator => {
            let pods = of.stage.pods;
            // An autoscaler may take away the last pod of an empty stage, and brings it back.
            if pods.desired == 0 && of.queue.is_none_or(|it| it.tasks == 0) {
                return None;
            }
            let command = if pods.ready == 0 {
                commands::describe_pods(of)
            } else {
                commands::describe(of.chain)
            };
            (
                Place::Gate,
                Cause::PausedByOperator,
                "the operator has paused its queue until a worker is ready and can be reached",
                command,
            )
        }
    };
    let message = format!("{message}{held}");
    Some(Found::on_stage(of, place, cause, message, command))
}

/// A stage that the operator hasn't reported has no pods either, and one may be meant to have none.
fn no_ready_pod(of: Evidence<'_>) -> Option<Found> {
    let pods = of.stage.pods;
    let is_reported = of.stage.state != StageState::Unknown;
    (is_reported && pods.ready == 0 && pods.desired > 0).then(|| {
        let message = format!("no pod is ready: 0 of {}", pods.desired);
        let command = commands::describe_pods(of);
        Found::on_stage(of, Place::Pods, Cause::NoReadyPod, message, command)
    })
}

/// Cloud Tasks dispatches, and the workers have seen nothing for longer than its numbers can be late. Pods
/// that weren't asked may have seen it.
fn not_arriving(of: Evidence<'_>) -> Option<Found> {
    let (queue, workers) = (of.queue?, of.workers?);
    let all_asked = workers.pods_asked >= of.stage.pods.ready;
    let dispatched = if queue.in_flight > 0 {
        Some(ARRIVED)
    } else if queue.executed_last_minute > 0 {
        Some(EXECUTED)
    } else {
        None
    };
    let is_silent = workers.runs_in_progress == 0
        && dispatched.is_some_and(|arrived| workers.silent_for >= arrived);
    let is_told = of.chain.unreachable.is_some();
    if !of.is_running() || !all_asked || !is_silent || is_told {
        return None;
    }
    let message = format!(
        "Cloud Tasks dispatches, but no push arrives: {} dispatches in the last minute, {} in flight, and no push at {} workers in {}",
        units::count(queue.executed_last_minute),
        units::count(queue.in_flight),
        workers.pods_asked,
        units::duration(workers.silent_for),
    );
    let command = commands::describe(of.chain);
    let cause = Cause::PushesNotArriving;
    Some(Found::on_stage(of, Place::Pushes, cause, message, command))
}

/// Anyone who reaches a worker can push a wrong token: a few such pushes are nothing of the chain's.
fn refused(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let reasons = workers.refused.iter();
    let reasons = reasons.filter(|(reason, _)| reason.as_str() != "not_a_push");
    let refused: u64 = reasons.clone().map(|(_, count)| *count).sum();
    let pushes = workers.answers.all().max(refused);
    if refused < SOME || share(refused, pushes) < 0.1 {
        return None;
    }
    let (reason, _) = reasons.max_by_key(|(_, count)| **count)?;
    let message = format!(
        "workers refuse pushes because of their token: {} of {} in {}, most for the reason {reason}",
        units::count(refused),
        units::count(pushes),
        units::duration(workers.window),
    );
    let command = commands::worker_logs(of);
    let cause = Cause::PushesRefused;
    Some(Found::on_stage(of, Place::Pushes, cause, message, command))
}

/// A handler that restarts accepts no connection for a moment, and its worker gets no more pushes then.
fn handler_unreachable(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let failed = workers.runs.unreachable;
    let runs = workers.runs.attempts() + failed;
    (failed >= 5 && share(failed, runs) >= 1.0 / 3.0).then(|| {
        let message = format!(
            "the handler accepts no connection: {} of {} runs in {} could not start",
            units::count(failed),
            units::count(runs),
            units::duration(workers.window),
        );
        let command = commands::describe_pods(of);
        let (place, cause) = (Place::Connection, Cause::HandlerUnreachable);
        Found::on_stage(of, place, cause, message, command)
    })
}

/// Where it has changed the limit that a stage has reached, it is why.
pub(super) fn drift(chain: &LiveChain, found: &[Found]) -> Option<Found> {
    let drift = chain.drift.as_ref()?;
    let names = |queue: &str| {
        let says = format!("{queue} has ");
        drift.split("; ").any(|part| part.starts_with(&says))
    };
    let is_limit = |it: &Found| matches!(it.finding.cause, Cause::AtRate | Cause::AtConcurrency);
    let mut limited = found.iter().filter(|it| is_limit(it));
    let is_why = limited.any(|it| {
        let mut stages = chain.stages.iter();
        let stage = stages.find(|stage| Some(&stage.name) == it.finding.stage.as_ref());
        stage.is_some_and(|stage| names(&stage.queue))
    });
    let place = if is_why {
        Place::ChangedLimit
    } else {
        Place::Drift
    };
    let message = format!("changed outside the operator: {drift}");
    let command = commands::describe(chain);
    Some(Found::on_chain(place, Cause::Drifted, message, command))
}
