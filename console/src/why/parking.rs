//! Tasks that ended without a success: those that are parked, and those that should be.

use std::time::Duration;

use parking::task::RETENTION;

use super::commands;
use super::evidence::Evidence;
use super::found::{Found, Place};
use crate::model::{Cause, LiveChain};
use crate::units;

/// So long before the end of the first one: a weekend, and a day to fix what failed.
const SOON: Duration = Duration::from_hours(3 * 24);

/// What workers could not park. Each of them counts: nothing but its notification is left of it.
pub(super) fn of_stage(of: Evidence<'_>) -> Option<Found> {
    let workers = of.workers?;
    let queue = match &of.chain.parking {
        Some(parking) => format!("queue {}", parking.queue),
        // Its workers have not restarted since it was removed.
        None => "their parking queue".to_owned(),
    };
    (workers.not_parked > 0).then(|| {
        let message = format!(
            "tasks that ended are not parked: {} in {}, because {queue} doesn't exist or refuses them. Only their Failed notifications remain",
            units::count(workers.not_parked),
            units::duration(workers.window),
        );
        let command = commands::describe(of.chain);
        Found::on_stage(of, Place::NotParked, Cause::NotParked, message, command)
    })
}

/// What is parked. Why the tasks ended is in their list alone, which is read for those who ask.
pub(super) fn of_chain(chain: &LiveChain) -> Option<Found> {
    let parking = chain.parking.as_ref()?;
    let numbers = parking.parked()?;
    let queue = &parking.queue;
    let is_one = numbers.tasks == 1;
    let tasks = units::count(numbers.tasks);
    let command = commands::parked(chain);
    let left = numbers.lag.map(|age| RETENTION.saturating_sub(age));
    let end = numbers
        .first_due
        .filter(|_| left.is_some_and(|it| it <= SOON));
    if let Some(end) = end.and_then(|first| first.checked_add(RETENTION).ok()) {
        let (are, oldest, them) = if is_one {
            ("task is", "it", "it")
        } else {
            ("tasks are", "the oldest", "them")
        };
        let message = format!(
            "{tasks} {are} parked in queue {queue}, and Cloud Tasks deletes {oldest} at {end:.0}, 31 days after it was parked. Run {them} again, or discard {them}",
        );
        let cause = Cause::ParkedExpire;
        return Some(Found::on_chain(Place::Parked, cause, message, command));
    }
    let age = numbers.lag.map(units::duration);
    let message = if is_one {
        let age = age.map_or_else(String::new, |age| format!(" for {age}"));
        format!(
            "1 task is parked in queue {queue}{age}: fix what failed and run it again, or discard it"
        )
    } else {
        let age = age.map_or_else(String::new, |age| format!(", the oldest for {age}"));
        format!(
            "{tasks} tasks are parked in queue {queue}{age}: fix what failed and run them again, or discard them"
        )
    };
    let cause = Cause::Parked;
    Some(Found::on_chain(Place::Parked, cause, message, command))
}
