//! What workers do by themselves on a bad day: they hold, or isolate categories of tasks.

use worker_contract::admin_paths::ISOLATED;

use super::commands::{self, FORWARDED};
use super::evidence::Evidence;
use super::found::{Found, Place};
use super::handler::{name, top};
use crate::model::{Cause, Isolated, WorkerNumbers};
use crate::units;

/// Of fewer tasks, a category had its share of the run slots for a moment.
const SOME_FOR_SHARE: u64 = 10;
/// Where so many runs fail, the rest isn't well either.
const MOST: f64 = 0.5;

/// What the workers of a stage do.
pub(super) fn of_stage(of: Evidence<'_>) -> Vec<Found> {
    let found = [held(of), isolating(of)];
    found.into_iter().flatten().collect()
}

fn held(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let holding = workers.pods_holding;
    (holding > 0).then(|| {
        let how = top(&workers.runs).map_or_else(String::new, |(failure, share)| {
            format!(", {} of them with {}", units::share(share), name(failure))
        });
        let at_most = of.stage.settings.hold_on_outage;
        let at_most = at_most.map_or_else(String::new, |it| {
            format!(", or after {} at the latest", units::duration(it))
        });
        let message = format!(
            "{holding} of {} pods hold: nearly all runs of the handler fail{how}. {} of {} pushes in {} got 503; tasks wait in the queue and lose no attempt. Fix the handler (see its log): the hold ends automatically after three good probes{at_most}",
            of.stage.pods.ready.max(holding),
            units::count(workers.answers.held),
            units::count(workers.answers.all()),
            units::duration(workers.window),
        );
        let command = commands::all_logs(of);
        Found::on_stage(of, Place::Hold, Cause::Held, message, command)
    })
}

/// Where most runs fail, that isn't due to some categories. And which ones have long runs, nobody knows.
fn isolating(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let Isolated { share, failures } = workers.isolated;
    let is_rest_well = workers.runs.failing().is_none_or(|it| it < MOST);
    let left = |count| of_tasks(count, workers);
    let to = match &of.stage.isolates_to[..] {
        [] => "another stage".to_owned(),
        stages => stages.join(" or "),
    };
    let (place, message, command) = if let Some(categories) =
        units::rough(workers.isolated_categories)
    {
        let busy = if share > 0 {
            format!(
                ", and {} because their category holds its share of the run slots",
                units::count(share)
            )
        } else {
            String::new()
        };
        let message = format!(
            "isolates {categories} categories of tasks, which fail while others succeed: {} went to {to}{busy}. The command forwards a worker's port. Then http://127.0.0.1:{FORWARDED}{ISOLATED} lists the categories",
            left(failures),
        );
        let place = if is_rest_well {
            Place::Isolation
        } else {
            Place::IsolationToo
        };
        (place, message, commands::forward_admin(of))
    } else if share >= SOME_FOR_SHARE {
        let message = format!(
            "isolates categories of tasks that hold their share of the run slots: {} went to {to}. Their runs take long, or there are many of them",
            left(share),
        );
        (Place::IsolationToo, message, commands::describe(of.chain))
    } else {
        return None;
    };
    let cause = Cause::Isolating;
    Some(Found::on_stage(of, place, cause, message, command))
}

fn of_tasks(count: u64, workers: &WorkerNumbers) -> String {
    format!(
        "{} tasks in {}",
        units::count(count),
        units::duration(workers.window)
    )
}
