//! The tasks that a stage has at the begin.

use std::time::Duration;

use super::measured::MeasuredStage;
use super::settings::StageSettings;
use super::task::{Fate, Task, pick};
use crate::world::{Entrant, Exit, Run, RunEnd};

/// After so many dispatches the backoff is about as long as it gets.
const MOST_REFUSED: u32 = 20;

/// Draws the tasks of a stage.
pub(super) struct Present<'a> {
    pub(super) measured: &'a MeasuredStage,
    /// Those under which the runs in progress began.
    pub(super) settings: &'a StageSettings,
    /// The most dispatches a second from now on.
    pub(super) rate: f64,
    /// Where tasks go that have used up their attempts.
    pub(super) next: Exit,
    pub(super) stage: usize,
    pub(super) horizon: Duration,
    pub(super) weight: u32,
    pub(super) random: &'a mut fastrand::Rng,
}

impl Present<'_> {
    /// Those in flight, those that are due, and those that wait, in the order in which they come.
    pub(super) fn tasks(&mut self) -> Vec<(Entrant, Task)> {
        let backlog = self.measured.backlog;
        // No more than could be dispatched by then.
        let most = self.rate.max(1.0) * self.horizon.as_secs_f64();
        let most = self.whole(most * 2.0 + 1000.0);
        let due = self.whole(backlog.due);
        let mut tasks = Vec::new();
        for _ in 0..self.whole(backlog.in_flight) {
            tasks.push(self.running());
        }
        for place in 0..due.min(most) {
            tasks.push(self.due(1.0 - f64::from(place) / f64::from(due)));
        }
        for _ in 0..self.whole(backlog.later).min(most) {
            tasks.push(self.later());
        }
        tasks
    }

    /// How many simulated tasks stand for so many.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast saturates, and counts are not negative"
    )]
    fn whole(&self, tasks: f64) -> u32 {
        (tasks / f64::from(self.weight)).round() as u32
    }

    fn any(&mut self) -> (Entrant, Task) {
        let entrant = Entrant {
            at: Duration::ZERO,
            stage: self.stage,
            due: Duration::ZERO,
            attempts: 0,
            refused: 0,
            running: None,
        };
        let is_new = self.random.f64() < self.measured.backlog.by_producers;
        (entrant, Task::new(Duration::ZERO, is_new))
    }

    /// One that runs.
    fn running(&mut self) -> (Entrant, Task) {
        let (mut entrant, mut task) = self.any();
        let (timeout, runs) = (self.settings.timeout, self.measured.runs.as_ref());
        let is_hanging = self.random.f64() < self.measured.backlog.hanging;
        let ways = runs.iter().flat_map(|runs| &runs.ways);
        let hangs = ways.enumerate().find(|(_, way)| way.is_timeout());
        let (fate, takes, how) = match hangs {
            Some((place, way)) if is_hanging => {
                // It hangs in each of its attempts.
                entrant.attempts = self.random.u32(0..self.settings.attempts.get());
                let exit = self.settings.route(&way.reason, way.status);
                let is_last = entrant.attempts + 1 >= self.settings.attempts.get();
                let exit = exit.or_else(|| is_last.then_some(self.next));
                let how = exit.map_or(RunEnd::Failed, RunEnd::Left);
                (Fate::Failing(place), timeout, how)
            }
            _ => {
                let durations = runs.and_then(|runs| runs.durations);
                let takes = durations.map(|it| it.draw(self.random));
                let takes = takes.unwrap_or_default().min(timeout);
                (Fate::Healthy, takes, RunEnd::Succeeded)
            }
        };
        task.fares(self.stage, fate);
        entrant.running = Some(Run {
            takes: takes.mul_f64(self.random.f64()),
            how,
        });
        (entrant, task)
    }

    /// One that has been due for this part of the lag.
    fn due(&mut self, part: f64) -> (Entrant, Task) {
        let backlog = self.measured.backlog;
        let (entrant, mut task) = self.any();
        task.late = backlog.lag.value.mul_f64(part);
        self.first_or_retry(entrant, task)
    }

    /// One that is not due yet.
    fn later(&mut self) -> (Entrant, Task) {
        let backlog = self.measured.backlog;
        let (mut entrant, task) = self.any();
        let backoff = self.settings.limits.backoff;
        let is_refused = self.random.f64() < backlog.refused;
        let part = self.random.f64();
        if is_refused {
            let is_as_long = |it: &u32| backoff.after(*it) >= backlog.refused_for;
            let refused = (1..MOST_REFUSED).find(is_as_long);
            entrant.refused = refused.unwrap_or(MOST_REFUSED);
            entrant.due = backlog.refused_for.mul_f64(part);
            return self.first_or_retry(entrant, task);
        }
        if backlog.are_retries {
            let (mut entrant, task) = self.retry(entrant, task);
            entrant.due = backoff.after(entrant.attempts).mul_f64(part);
            return (entrant, task);
        }
        // Nothing says when.
        entrant.due = self.horizon.mul_f64(part);
        (entrant, task)
    }

    fn first_or_retry(&mut self, entrant: Entrant, task: Task) -> (Entrant, Task) {
        if self.random.f64() < self.measured.backlog.first {
            (entrant, task)
        } else {
            self.retry(entrant, task)
        }
    }

    /// As one that has failed before.
    fn retry(&mut self, mut entrant: Entrant, mut task: Task) -> (Entrant, Task) {
        let Some(runs) = &self.measured.runs else {
            return (entrant, task);
        };
        let is_failing = self.random.f64() < runs.fates.failing_of_retries();
        let at = self.random.f64() * runs.fates.all_failing();
        let way = pick(&runs.fates.failing, at).filter(|_| is_failing);
        let fate = way.map_or(Fate::Healthy, Fate::Failing);
        entrant.attempts = match fate {
            Fate::Healthy => 1,
            Fate::Failing(_) => self.random.u32(1..self.settings.attempts.get().max(2)),
        };
        task.fares(self.stage, fate);
        (entrant, task)
    }
}
