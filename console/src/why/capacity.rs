//! What makes a stage slower than its tasks arrive.

use std::time::Duration;

use super::commands;
use super::evidence::{Behind, Evidence, float, share};
use super::found::{Found, Place};
use super::handler::failing_tasks;
use crate::model::{Cause, WorkerNumbers};
use crate::units;

const RATE: &str = "maxDispatchesPerSecond";
const CONCURRENCY: &str = "maxConcurrentDispatches";
/// A queue at its limit is seen a little below it.
const AT_LIMIT: f64 = 0.9;
/// Workers that count more than this are newer than the queue's numbers.
const NEWER: f64 = 1.5;
/// A queue that is slower than this has another limit. Its rate is that of a window, which may have begun
/// before.
const OTHER_LIMIT: f64 = 0.5;
/// Of fewer dispatches, chance decides how many a window has.
const EXPECTED: f64 = 10.0;
/// So much busier than usual.
const SURGE: f64 = 2.0;
/// Who is later than this is late for what was before: a pause, or an incident.
const SURGE_IS_YOUNGER: Duration = Duration::from_mins(10);
const ENOUGH: u64 = 20;
const NO_ROOM: f64 = 0.05;
const SOME_NO_ROOM: u64 = 10;
const MOST: f64 = 0.5;
const FEW_TASKS: f64 = 0.25;
/// More comes than goes.
const FILLS: f64 = 1.2;

/// What a stage lacks.
pub(super) fn of_stage(of: Evidence<'_>) -> Vec<Found> {
    let mut found: Vec<Found> = no_run_slots(of).into_iter().collect();
    let Some(behind) = of.behind() else {
        return found;
    };
    let throttled = throttled(of, behind);
    if of.is_held() {
        // More dispatches would be held too, and 503 throttles.
        found.extend(throttled.into_iter().chain(surge(of, behind)));
        return found;
    }
    let at_rate = at_rate(of, behind).filter(|_| throttled.is_none());
    let is_at_rate = at_rate.is_some() || throttled.is_some();
    let rest = [
        throttled,
        surge(of, behind),
        fills(of, behind),
        retries(of, behind).filter(|_| is_at_rate),
        at_rate,
        at_concurrency(of, behind),
    ];
    found.extend(rest.into_iter().flatten());
    found
}

/// A handler that isn't reached is answered 503 too.
fn no_run_slots(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let pushes = workers.answers.all();
    let unreachable = workers.runs.unreachable;
    let no_room = workers.answers.no_room.saturating_sub(unreachable);
    (no_room >= SOME_NO_ROOM && share(no_room, pushes) >= NO_ROOM).then(|| {
        let at_once = of.stage.settings.max_concurrent_dispatches;
        let at_once = at_once.map_or_else(String::new, |it| {
            format!(" for up to {it} concurrent dispatches")
        });
        let message = format!(
            "workers have no free run slot: {} of {} pushes in {} got 503, which makes Cloud Tasks throttle; {} slots{at_once}. Add replicas, raise concurrency, or lower maxConcurrentDispatches",
            units::count(no_room),
            units::count(pushes),
            units::duration(workers.window),
            units::count(workers.run_slots),
        );
        let command = commands::edit(of.chain);
        Found::on_stage(of, Place::Slots, Cause::NoRunSlots, message, command)
    })
}

/// Cloud Tasks also allows less of a queue that is idle, or was paused until now: only a queue that makes
/// all of it, and has more to do, is throttled. After an edit of the limit its number is old for a while;
/// what the workers count then shows it.
fn throttled(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let allowed = of.queue?.effective_rate;
    let limit = of.stage.settings.max_dispatches_per_second?;
    let rate = of.rate()?;
    let seen = of.workers.map(WorkerNumbers::dispatches_per_second);
    let is_old = seen.is_some_and(|seen| seen > NEWER * allowed || seen >= AT_LIMIT * limit);
    // 0 is also what a number that isn't set looks like.
    let is_less = allowed > 0.0 && allowed < AT_LIMIT * limit;
    let window = of.workers.map_or(60.0, |it| it.window.as_secs_f64());
    let is_limit = rate >= OTHER_LIMIT * allowed || allowed * window < EXPECTED;
    (is_less && !is_old && is_limit).then(|| {
        let message = format!(
            "Cloud Tasks allows {} of {}: it throttles a queue after errors and 503, and then raises the rate slowly, as after a pause; {}",
            units::rate(allowed),
            units::rate(limit),
            how_late(behind),
        );
        let command = commands::describe(of.chain);
        Found::on_stage(of, Place::Throttle, Cause::Throttled, message, command)
    })
}

/// A window that begins before the limit was reached shows less; then it is the limit if there is no other.
fn at_rate(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let limit = of.stage.settings.max_dispatches_per_second?;
    let rate = of.rate()?;
    let is_only = is_allowed(of, limit) && is_full(of) == Some(false);
    (rate >= AT_LIMIT * limit || (is_only && rate >= OTHER_LIMIT * limit)).then(|| {
        let message = format!(
            "dispatches at its own limit: {} of {}{}; {}{}",
            units::rate(rate),
            units::rate(limit),
            overridden(of, RATE),
            how_late(behind),
            inflow(of, rate),
        );
        let command = commands::lift(of, RATE);
        Found::on_stage(of, Place::OwnLimit, Cause::AtRate, message, command)
    })
}

/// That a limit is an override's.
fn overridden(of: Evidence<'_>, field: &str) -> String {
    let overridden = of.stage.overridden(field);
    overridden.map_or_else(String::new, |it| {
        format!(", set by the override {} until {:.0}", it.name, it.until)
    })
}

/// Whether Cloud Tasks is known to allow all of the limit.
fn is_allowed(of: Evidence<'_>, limit: f64) -> bool {
    of.queue
        .is_some_and(|it| it.effective_rate >= AT_LIMIT * limit)
}

fn at_concurrency(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let limit = of.stage.settings.max_concurrent_dispatches?;
    let in_flight = of.in_flight().filter(|_| is_full(of) == Some(true))?;
    let message = format!(
        "has reached its queue's limit of dispatches in flight: {in_flight} of {limit}{}; {}",
        overridden(of, CONCURRENCY),
        how_late(behind)
    );
    let command = commands::lift(of, CONCURRENCY);
    let cause = Cause::AtConcurrency;
    Some(Found::on_stage(
        of,
        Place::OwnLimit,
        cause,
        message,
        command,
    ))
}

/// Whether as many dispatches are in flight as may be, if that is known.
fn is_full(of: Evidence<'_>) -> Option<bool> {
    let limit = of.stage.settings.max_concurrent_dispatches?;
    // Between two dispatches a slot is free for a moment.
    let full = (u64::from(limit) * 9 / 10).max(1);
    Some(of.in_flight()? >= full)
}

/// Where most tasks succeed in the end; otherwise retries follow from what the handler does. They may be
/// those of a few tasks, that fail again and again.
fn retries(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let workers = of.workers.filter(|_| of.most_tasks_succeed())?;
    let pushes = workers.answers.all();
    let retries = pushes.saturating_sub(of.arrived());
    let are_few = failing_tasks(of, workers) <= FEW_TASKS * float(of.arrived());
    let place = if are_few {
        Place::FewTasks
    } else {
        Place::Retries
    };
    (pushes >= ENOUGH && share(retries, pushes) >= MOST).then(|| {
        let message = format!(
            "retries use {} of its rate: {} of {} pushes in {}; {}. Fewer attempts, a longer backoff, or a route to a later stage leave more of the rate to other tasks",
            units::share(share(retries, pushes)),
            units::count(retries),
            units::count(pushes),
            units::duration(workers.window),
            how_late(behind),
        );
        let command = commands::edit(of.chain);
        Found::on_stage(of, place, Cause::RetriesUseRate, message, command)
    })
}

/// Tasks that were held back arrive all at once too, when they are let go: what waits then wasn't created
/// faster than usual.
fn surge(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let workers = of.workers?;
    let usual = workers.before?.producer_per_second;
    let arrive = workers.per_second(workers.arrivals.producer);
    let since = of.queue?.lag?.as_secs_f64();
    let created = float(behind.waiting?) / since.max(1.0);
    let is_surge = workers.arrivals.producer >= ENOUGH
        && arrive >= SURGE * usual
        && created >= SURGE * usual
        && behind.late < SURGE_IS_YOUNGER;
    is_surge.then(|| {
        let message = format!(
            "producers create more tasks: {} arrive, {} before; {}",
            units::rate(arrive),
            units::rate(usual),
            how_late(behind),
        );
        let command = commands::edit(of.chain);
        Found::on_stage(of, Place::Producers, Cause::ProducerSurge, message, command)
    })
}

/// More is handed over to it than it takes.
fn fills(of: Evidence<'_>, behind: Behind) -> Option<Found> {
    let workers = of.workers?;
    let previous = of.previous()?;
    let before = previous.workers?;
    let comes = before.per_second(before.handed_on);
    let takes = workers.per_second(of.arrived());
    let is_handed_over = workers.arrivals.producer * 4 <= workers.arrivals.hand_over;
    (before.handed_on >= ENOUGH && is_handed_over && comes >= FILLS * takes).then(|| {
        let message = format!(
            "{} hands over {}, but this stage takes only {}; {}",
            previous.stage.name,
            units::rate(comes),
            units::rate(takes),
            how_late(behind),
        );
        let command = commands::edit(of.chain);
        Found::on_stage(
            of,
            Place::HandOvers,
            Cause::NextStageFills,
            message,
            command,
        )
    })
}

fn how_late(behind: Behind) -> String {
    let late = units::duration(behind.late);
    match behind.waiting {
        Some(waiting) => format!("{} tasks wait, {late} late", units::count(waiting)),
        None => format!("tasks are {late} late"),
    }
}

/// What the stage before hands over, where it is more than goes.
fn inflow(of: Evidence<'_>, rate: f64) -> String {
    let previous = of.previous().and_then(|it| it.workers);
    let comes = previous.map(|it| it.per_second(it.handed_on));
    match comes.filter(|comes| *comes > rate) {
        Some(comes) => format!("; {} arrive: it doesn't catch up", units::rate(comes)),
        None => String::new(),
    }
}
