//! What is wrong with the handler: it fails, or is slow.

use std::time::Duration;

use worker_contract::metrics::OTHER;

use super::commands;
use super::evidence::{Evidence, float, share};
use super::found::{Found, Place};
use crate::model::{Cause, FailureCount, Runs, WorkerNumbers};
use crate::units;

/// Shares of fewer runs say little.
const SOME_RUNS: u64 = 10;
const ENOUGH_RUNS: u64 = 20;
/// The share of runs that fails in one way, before it is no longer the usual. Chance adds to it.
const FAILING: f64 = 0.1;
/// The same where each failure ends its task's time on the stage, or puts it off: the handler or a route has
/// decided so.
const DECIDED: f64 = 0.5;
/// Of a handler that always fails, some runs of the window may have succeeded before.
const ALL: f64 = 0.95;
/// Tasks that fail, of those that arrive. A few that fail at each attempt look like many runs.
const FAILING_TASKS: f64 = 0.05;
/// The same without what chance may have added.
const SURELY_FAILING_TASKS: f64 = 0.025;
const SOME_TASKS: f64 = 3.0;
/// The same on a later stage, of all tasks of the chain: it has those that fail everywhere.
const REMNANT: f64 = 0.1;
/// Histograms know durations to a factor of two.
const SLOWER: u32 = 3;
const SLOWER_BY: Duration = Duration::from_millis(250);
const ENOUGH_BEFORE: u64 = 100;

/// What is wrong with the handler of a stage: at most one thing. If its workers hold, that says it.
pub(super) fn of_stage(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers.filter(|_| !of.is_held())?;
    if is_failing(of, workers) {
        let found = times_out(of, workers);
        let found = found.or_else(|| all_fail(of, workers));
        let found = found.or_else(|| one_failure(of, workers));
        if found.is_some() {
            return found;
        }
    }
    slow(of, workers)
}

/// Whether enough tasks fail to say anything of the handler.
fn is_failing(of: Evidence<'_>, workers: &WorkerNumbers) -> bool {
    let runs = &workers.runs;
    let none_succeeds = runs.succeeded == 0 && runs.attempts() >= SOME_RUNS;
    let tasks = failing_tasks(of, workers);
    (none_succeeds || runs.attempts() >= ENOUGH_RUNS)
        && tasks >= SOME_TASKS
        && tasks >= FAILING_TASKS * float(of.arrived())
        && surely(tasks, float(of.arrived())) >= SURELY_FAILING_TASKS
        && !is_remnant(of, workers, tasks)
}

/// At least so many tasks have failed runs in the window. One task has few: its attempts are limited, and
/// so is their pace by the backoff.
pub(super) fn failing_tasks(of: Evidence<'_>, workers: &WorkerNumbers) -> f64 {
    let runs = &workers.runs;
    let failed = runs.all_failed();
    let by_backoff = 10 + workers.window.as_secs() / 10;
    let of_one = u64::from(of.stage.settings.max_attempts).clamp(1, by_backoff);
    let has_left = runs.succeeded + workers.runs_in_progress;
    let not_succeeded = of.arrived().saturating_sub(has_left).min(failed);
    (float(failed) / float(of_one)).max(float(not_succeeded))
}

/// Whether the tasks that fail on a later stage are so few of the chain's that they may be those that no
/// stage can run. Where all runs fail, and tasks wait for them, more are to come.
fn is_remnant(of: Evidence<'_>, workers: &WorkerNumbers, failing: f64) -> bool {
    if of.index == 0 || workers.arrivals.producer > workers.arrivals.hand_over {
        return false;
    }
    let runs = &workers.runs;
    let failing_runs = share(runs.all_failed(), runs.attempts());
    if failing_runs >= ALL && of.behind().is_some() {
        return false;
    }
    let first = Evidence::of(of.chain, 0).and_then(|first| Some((first, first.workers?)));
    let Some((first, its_workers)) = first else {
        return true;
    };
    // What is handed over now may have arrived when there was more.
    let usual = its_workers.before.map_or(0.0, |it| it.producer_per_second);
    let all = its_workers.per_second(first.arrived()).max(usual);
    let comes = of.previous().and_then(|it| it.workers);
    let comes = comes.map_or(0.0, |it| it.per_second(it.handed_on));
    let fail = (failing / workers.window.as_secs_f64()).max(comes * failing_runs);
    all == 0.0 || fail < REMNANT * all
}

fn times_out(of: Evidence<'_>, workers: &WorkerNumbers) -> Option<Found> {
    let runs = &workers.runs;
    let is_most = runs.timed_out * 2 >= runs.all_failed();
    (is_most && is_more_than(FAILING, runs.timed_out, runs.attempts())).then(|| {
        let message = format!(
            "the handler runs into its time-out of {}: {}",
            units::duration(of.stage.settings.timeout),
            of_runs(runs.timed_out, workers),
        );
        let command = commands::all_logs(of);
        let cause = Cause::HandlerTimesOut;
        Found::on_stage(of, Place::TimeOut, cause, message, command)
    })
}

fn all_fail(of: Evidence<'_>, workers: &WorkerNumbers) -> Option<Found> {
    let runs = &workers.runs;
    let is_all = share(runs.all_failed(), runs.attempts()) >= ALL && !of.most_tasks_succeed();
    is_all.then(|| {
        let most = top(runs).map_or_else(String::new, |(failure, of_failed)| {
            let how = units::share(of_failed);
            format!(", {how} of them with {}", name(failure))
        });
        let message = format!(
            "the handler fails: {}{most}",
            of_runs(runs.all_failed(), workers)
        );
        let command = commands::all_logs(of);
        Found::on_stage(of, Place::Failures, Cause::HandlerFails, message, command)
    })
}

/// The most frequent failure, if it is frequent; or many, which workers count as others.
fn one_failure(of: Evidence<'_>, workers: &WorkerNumbers) -> Option<Found> {
    let runs = &workers.runs;
    let attempts = runs.attempts();
    let is_decided = ends_at_once(of, workers);
    let least = if is_decided { DECIDED } else { FAILING };
    let top = top(runs).map(|(top, _)| top);
    let frequent = top.filter(|top| is_more_than(least, top.count, attempts));
    let others = runs.failures.iter().filter(|it| it.reason == OTHER);
    let others: u64 = others.map(|it| it.count).sum();
    let are_many = is_more_than(least, others, attempts)
        || (!is_decided && is_more_than(DECIDED, runs.all_failed(), attempts));
    let percent = |count| units::share(share(count, attempts));
    let (place, message) = if let Some(top) = frequent {
        let (runs, how, percent) = (of_runs(top.count, workers), name(top), percent(top.count));
        let message = format!("runs fail with {how}: {runs}, {percent}");
        (Place::Failures, message)
    } else if are_many {
        let failed = runs.all_failed();
        let (runs, percent) = (of_runs(failed, workers), percent(failed));
        let top = top.filter(|top| top.count > others);
        let most = top.map_or_else(String::new, |top| {
            format!(", most often with {}", name(top))
        });
        let message = format!("runs fail in many ways: {runs}, {percent}{most}");
        (Place::ManyFailures, message)
    } else {
        return None;
    };
    let command = commands::all_logs(of);
    let cause = Cause::OneFailure;
    Some(Found::on_stage(of, place, cause, message, command))
}

fn is_more_than(least: f64, part: u64, all: u64) -> bool {
    surely(float(part), float(all)) >= least
}

/// A share, less two standard deviations: of a few, chance makes many.
fn surely(part: f64, all: f64) -> f64 {
    let all = all.max(part).max(1.0);
    let share = part / all;
    share - 2.0 * (share * (1.0 - share) / all).sqrt()
}

/// Whether tasks leave the stage at their first failure, although they have attempts left, or come again
/// when the handler says. Those that are isolated leave without a run.
fn ends_at_once(of: Evidence<'_>, workers: &WorkerNumbers) -> bool {
    let isolated = workers.isolated.share + workers.isolated.failures;
    let others = workers.runs.succeeded + isolated;
    let left = workers.answers.done.saturating_sub(others);
    of.stage.settings.max_attempts > 1 && share(left, workers.runs.all_failed()) >= 0.8
}

/// The most frequent failure, and its share of all.
pub(super) fn top(runs: &Runs) -> Option<(&FailureCount, f64)> {
    let named = runs.failures.iter().filter(|it| it.reason != OTHER);
    let top = named.max_by_key(|it| it.count)?;
    Some((top, share(top.count, runs.all_failed()).min(1.0)))
}

pub(super) fn name(failure: &FailureCount) -> String {
    let FailureCount { reason, status, .. } = failure;
    match status {
        Some(status) if reason == "status" => format!("status {status}"),
        Some(status) => format!("reason {reason}, status {status}"),
        None => format!("reason {reason}"),
    }
}

/// Most runs take longer than nearly all did. The tail alone moves with what the tasks are.
fn slow(of: Evidence<'_>, workers: &WorkerNumbers) -> Option<Found> {
    let runs = &workers.runs;
    let before = workers.before?;
    let (p50, p95, usual) = (runs.p50?, runs.p95?, before.p95?);
    let is_known = runs.attempts() >= ENOUGH_RUNS && before.runs >= ENOUGH_BEFORE;
    let is_slower = p50 >= usual && p95 >= usual * SLOWER && p95 >= usual + SLOWER_BY;
    (is_known && is_slower).then(|| {
        let message = format!(
            "the handler is slow: half of its runs take {} or longer; before, 95% took up to {}",
            units::duration(p50),
            units::duration(usual),
        );
        let command = commands::all_logs(of);
        Found::on_stage(of, Place::Slow, Cause::HandlerSlow, message, command)
    })
}

fn of_runs(count: u64, workers: &WorkerNumbers) -> String {
    format!(
        "{} of {} runs in {}",
        units::count(count),
        units::count(workers.runs.attempts()),
        units::duration(workers.window),
    )
}
