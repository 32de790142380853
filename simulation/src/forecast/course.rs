//! One course of the next minutes.

use std::time::Duration;

use super::durations::normal;
use super::measured::{Backlog, Measured, Runs, TIMEOUT};
use super::settings::{Phase, StageSettings, edits};
use crate::simulate::{Left, run};
use crate::world::{Entrant, Event, Exit, Outcome, Run, RunEnd, World};

/// A push is late that comes later than this.
const LATE: Duration = Duration::from_secs(1);
/// In how many parts of the horizon is counted how many pushes are late.
const PARTS: u32 = 180;
/// More are drawn as a normal distribution.
const MOST_DRAWN: u32 = 32;
/// After so many dispatches the backoff is about as long as it gets.
const MOST_REFUSED: u32 = 20;
/// One task of so many may run where nothing is known of runs: it is left out.
const LITTLE: usize = 100;

/// What was counted in a course. Times that don't come are infinite.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) healthy_per_second: f64,
    pub(super) healthy_p99: f64,
    pub(super) backlog_gone: Vec<f64>,
    pub(super) dispatches_per_second: Vec<f64>,
    pub(super) failed: f64,
}

/// How a task fares on the stage on which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its runs succeed, unless by bad luck.
    Healthy,
    /// Each of its runs fails in this way.
    Failing(usize),
}

#[derive(Debug, Clone, Copy)]
struct Task {
    /// On which stage its fate is drawn; no stage so far, if it is none.
    fate: Option<(usize, Fate)>,
    came: Duration,
    /// For how long it had been due at the begin.
    late: Duration,
    is_dispatched: bool,
    /// Whether its first stage is this chain's for it, and nothing is known of it but what is drawn.
    begins_here: bool,
    is_healthy: bool,
}

/// What a phase's settings mean for a stage.
struct InForce {
    /// Where a task goes at once that has failed, by the way.
    routes: Vec<Option<Exit>>,
    /// The same of one that is too slow for a shorter time-out.
    timeout_route: Option<Exit>,
    /// By how much runs take longer: slots that simulated tasks share unevenly are fewer than they take.
    stretch: f64,
}

pub(super) struct Course<'a> {
    measured: &'a Measured,
    phases: Vec<(Duration, Vec<InForce>)>,
    phase: usize,
    horizon: Duration,
    weight: u32,
    random: fastrand::Rng,
    /// What is there at the begin, last first.
    present: Vec<(Entrant, Task)>,
    /// When a producer's next task comes, of each stage.
    next: Vec<Option<Duration>>,
    tasks: Vec<Task>,
    waits: Vec<Duration>,
    dispatches: Vec<u32>,
    /// Of each part of the horizon, by stage: pushes, and those that were late.
    pushes: Vec<Vec<[u32; 2]>>,
    failed: u32,
    /// Runs on stages of whose runs nothing is known.
    unknown: Vec<usize>,
}

impl<'a> Course<'a> {
    /// Runs it. A stage, by its place, if more than a few tasks run there and nothing is known of runs.
    pub(super) fn run(
        measured: &'a Measured,
        phases: &'a [Phase],
        horizon: Duration,
        weight: u32,
        seed: u64,
    ) -> Result<Counted, usize> {
        let in_force = phases.iter().map(|phase| {
            let stages = phase.stages.iter().zip(&measured.stages);
            let stages = stages.map(|(settings, measured)| {
                let ways = measured.runs.iter().flat_map(|runs| &runs.ways);
                let routes = ways.map(|way| settings.route(&way.reason, way.status));
                let slots = settings.limits.concurrency.min(settings.run_slots);
                InForce {
                    routes: routes.collect(),
                    timeout_route: settings.route(TIMEOUT, None),
                    stretch: stretch(slots, weight),
                }
            });
            (phase.from, stages.collect())
        });
        let stages = measured.stages.len();
        let mut course = Self {
            measured,
            phases: in_force.collect(),
            phase: 0,
            horizon,
            weight,
            random: fastrand::Rng::with_seed(seed),
            present: Vec::new(),
            next: Vec::new(),
            tasks: Vec::new(),
            waits: Vec::new(),
            dispatches: vec![0; stages],
            pushes: vec![vec![[0; 2]; PARTS as usize]; stages],
            failed: 0,
            unknown: vec![0; stages],
        };
        let Some(first) = phases.first() else {
            return Ok(course.counted(&[]));
        };
        course.begin(first);
        let stages: Vec<_> = first.stages.iter().map(StageSettings::stage).collect();
        let left = run(&mut course, &stages, &edits(phases), weight, horizon);
        let tasks = course.tasks.len();
        let is_more = |runs: &usize| *runs > tasks / LITTLE;
        match course.unknown.iter().position(is_more) {
            Some(stage) => Err(stage),
            None => Ok(course.counted(&left)),
        }
    }

    fn begin(&mut self, first: &Phase) {
        let measured = self.measured;
        for (stage, of_stage) in measured.stages.iter().enumerate() {
            let next = self.gap(of_stage.arrivals);
            self.next.push(next);
            let settings = &first.stages[stage];
            let Backlog {
                in_flight,
                due,
                later,
                ..
            } = of_stage.backlog;
            let attempts = settings.attempts.get();
            // No more than could be dispatched by then.
            let limit = settings.limits.rate.max(1.0) * self.horizon.as_secs_f64();
            let most = self.whole(due).min(self.whole(limit * 2.0 + 1000.0));
            for _ in 0..self.whole(in_flight) {
                let running = self.running(stage, settings.timeout);
                self.present.push(running);
            }
            for place in 0..most {
                let before = f64::from(place) / f64::from(self.whole(due));
                let waiting = self.waiting(stage, attempts, before);
                self.present.push(waiting);
            }
            for _ in 0..self.whole(later).min(most.max(self.whole(limit))) {
                let after = |attempts: u32| settings.limits.backoff.after(attempts);
                let waiting = self.in_backoff(stage, attempts, after);
                self.present.push(waiting);
            }
        }
        self.present.reverse();
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

    /// A task that runs at the begin.
    fn running(&mut self, stage: usize, timeout: Duration) -> (Entrant, Task) {
        let measured = self.measured;
        let of_stage = &measured.stages[stage];
        let is_hanging = self.random.f64() < of_stage.backlog.hanging;
        let ways = of_stage.runs.iter().flat_map(|runs| &runs.ways);
        let hangs = ways.enumerate().find(|(_, way)| way.is_timeout());
        let (fate, run) = match hangs {
            Some((way, _)) if is_hanging => {
                let takes = timeout.mul_f64(self.random.f64());
                let exit = self.phases[0].1[stage].routes[way];
                let how = exit.map_or(RunEnd::Failed, RunEnd::Left);
                (Fate::Failing(way), Run { takes, how })
            }
            _ => {
                let durations = of_stage.runs.as_ref().and_then(|runs| runs.durations);
                let takes = durations.map(|it| it.draw(&mut self.random));
                let takes = takes.unwrap_or_default().min(timeout);
                let how = RunEnd::Succeeded;
                let takes = takes.mul_f64(self.random.f64());
                (Fate::Healthy, Run { takes, how })
            }
        };
        let (mut entrant, mut task) = self.at_the_begin(stage, Duration::ZERO);
        task.fate = Some((stage, fate));
        task.is_healthy = fate == Fate::Healthy && task.begins_here;
        task.begins_here = false;
        entrant.running = Some(run);
        (entrant, task)
    }

    /// A task that is due at the begin, of which so many have been due for longer.
    fn waiting(&mut self, stage: usize, attempts: u32, before: f64) -> (Entrant, Task) {
        let backlog = self.measured.stages[stage].backlog;
        let late = backlog.lag.mul_f64((1.0 - before).max(0.0));
        let (entrant, task) = self.at_the_begin(stage, late);
        if self.random.f64() < backlog.first {
            (entrant, task)
        } else {
            self.as_retry(stage, attempts, (entrant, task))
        }
    }

    /// A task that is not due yet.
    fn in_backoff(
        &mut self,
        stage: usize,
        attempts: u32,
        after: impl Fn(u32) -> Duration,
    ) -> (Entrant, Task) {
        let waits = self.at_the_begin(stage, Duration::ZERO);
        let Backlog {
            first, refused_for, ..
        } = self.measured.stages[stage].backlog;
        let (kind, part) = (self.random.f64(), self.random.f64());
        let is_refused = self.random.f64() < self.measured.stages[stage].backlog.refused;
        if is_refused {
            let (mut entrant, task) = if kind < first {
                waits
            } else {
                self.as_retry(stage, attempts, waits)
            };
            let is_as_long = |it: &u32| after(*it) >= refused_for;
            entrant.refused = (1..MOST_REFUSED).find(is_as_long).unwrap_or(MOST_REFUSED);
            entrant.due = refused_for.mul_f64(part);
            return (entrant, task);
        }
        if !self.measured.stages[stage].backlog.are_retries {
            let (mut entrant, task) = waits;
            // Nothing says when.
            entrant.due = self.horizon.mul_f64(part);
            return (entrant, task);
        }
        let (mut entrant, task) = self.as_retry(stage, attempts, waits);
        entrant.due = after(entrant.attempts).mul_f64(part);
        (entrant, task)
    }

    fn as_retry(
        &mut self,
        stage: usize,
        attempts: u32,
        (mut entrant, mut task): (Entrant, Task),
    ) -> (Entrant, Task) {
        let Some(runs) = &self.measured.stages[stage].runs else {
            return (entrant, task);
        };
        let is_failing = self.random.f64() < runs.fates.failing_of_retries();
        let fate = if is_failing {
            let all = runs.fates.all_failing();
            let way = pick(&runs.fates.failing, self.random.f64() * all);
            way.map_or(Fate::Healthy, Fate::Failing)
        } else {
            Fate::Healthy
        };
        entrant.attempts = match fate {
            Fate::Healthy => 1,
            Fate::Failing(_) => self.random.u32(1..attempts.max(2)),
        };
        task.fate = Some((stage, fate));
        task.is_healthy = fate == Fate::Healthy && task.begins_here;
        task.begins_here = false;
        (entrant, task)
    }

    fn at_the_begin(&mut self, stage: usize, late: Duration) -> (Entrant, Task) {
        let by_producers = self.measured.stages[stage].backlog.by_producers;
        let entrant = Entrant {
            at: Duration::ZERO,
            stage,
            due: Duration::ZERO,
            attempts: 0,
            refused: 0,
            running: None,
        };
        let task = Task {
            fate: None,
            came: Duration::ZERO,
            late,
            is_dispatched: false,
            begins_here: self.random.f64() < by_producers,
            is_healthy: false,
        };
        (entrant, task)
    }

    /// Until the next task comes that stands for as many as one does: the last of so many independent
    /// ones.
    fn gap(&mut self, per_second: f64) -> Option<Duration> {
        if per_second <= 0.0 {
            return None;
        }
        let gaps = if self.weight <= MOST_DRAWN {
            let gap = |_| -(1.0 - self.random.f64()).ln();
            (0..self.weight).map(gap).sum()
        } else {
            let weight = f64::from(self.weight);
            (weight + weight.sqrt() * normal(&mut self.random)).max(0.0)
        };
        // What comes after a year doesn't come.
        let seconds = (gaps / per_second).min(3.2e7);
        Some(Duration::from_secs_f64(seconds))
    }

    fn draw_fate(&mut self, runs: &Runs) -> Fate {
        let way = pick(&runs.fates.failing, self.random.f64());
        way.map_or(Fate::Healthy, Fate::Failing)
    }

    fn part(&self, now: Duration) -> usize {
        let part = now.as_secs_f64() / self.horizon.as_secs_f64() * f64::from(PARTS);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "up to the number of parts"
        )]
        let part = part as usize;
        part.min(PARTS as usize - 1)
    }

    #[expect(clippy::cast_precision_loss, reason = "at most millions of tasks")]
    fn counted(mut self, left: &[Left]) -> Counted {
        let weight = f64::from(self.weight);
        let seconds = self.horizon.as_secs_f64();
        self.waits.sort_unstable();
        let rank = (self.waits.len() * 99).div_ceil(100);
        let p99 = self.waits.get(rank.saturating_sub(1));
        let dispatches = self.dispatches.iter();
        let both = self.pushes.iter().zip(left);
        let backlog_gone = both
            .map(|(pushes, left)| self.backlog_gone(pushes, left))
            .collect();
        Counted {
            healthy_per_second: self.waits.len() as f64 * weight / seconds,
            healthy_p99: p99.map_or(f64::INFINITY, Duration::as_secs_f64),
            backlog_gone,
            dispatches_per_second: dispatches
                .map(|it| f64::from(*it) * weight / seconds)
                .collect(),
            failed: f64::from(self.failed) * weight,
        }
    }

    /// The end of the last part of the horizon in which most pushes of a stage were late.
    fn backlog_gone(&self, pushes: &[[u32; 2]], left: &Left) -> f64 {
        let part = self.horizon.as_secs_f64() / f64::from(PARTS);
        let is_late = |[pushes, late]: &[u32; 2]| late * 2 > *pushes;
        let last = pushes.iter().rposition(is_late).map_or(0, |last| last + 1);
        let due = left.first_due.unwrap_or(self.horizon);
        let still = self.horizon.saturating_sub(due).as_secs_f64() > LATE.as_secs_f64() + part;
        // At the very end it may not be for good.
        if still || last + 2 > PARTS as usize {
            return f64::INFINITY;
        }
        #[expect(clippy::cast_precision_loss, reason = "up to the number of parts")]
        let parts = last as f64;
        parts * part
    }
}

/// The first place at which the shares up to it exceed this.
fn pick(shares: &[f64], at: f64) -> Option<usize> {
    let mut sum = 0.0;
    shares.iter().position(|share| {
        sum += share;
        at < sum
    })
}

/// Of slots that are full, by how much more is run than there are slots.
fn stretch(slots: u32, weight: u32) -> f64 {
    if slots == 0 {
        return 1.0;
    }
    f64::from(slots.div_ceil(weight)) * f64::from(weight) / f64::from(slots)
}

impl World for Course<'_> {
    fn next(&mut self) -> Option<Entrant> {
        if let Some((entrant, task)) = self.present.pop() {
            self.tasks.push(task);
            return Some(entrant);
        }
        let coming = self.next.iter().enumerate();
        let coming = coming.filter_map(|(stage, at)| Some(((*at)?, stage)));
        let (at, stage) = coming.min()?;
        if at >= self.horizon {
            return None;
        }
        let gap = self.gap(self.measured.stages[stage].arrivals);
        self.next[stage] = gap.map(|gap| at + gap);
        self.tasks.push(Task {
            fate: None,
            came: at,
            late: Duration::ZERO,
            is_dispatched: false,
            begins_here: true,
            is_healthy: false,
        });
        Some(Entrant {
            at,
            stage,
            due: at,
            attempts: 0,
            refused: 0,
            running: None,
        })
    }

    fn run(&mut self, now: Duration, stage: usize, task: usize, timeout: Duration) -> Run {
        while self
            .phases
            .get(self.phase + 1)
            .is_some_and(|it| it.0 <= now)
        {
            self.phase += 1;
        }
        let measured = self.measured;
        let Some(runs) = &measured.stages[stage].runs else {
            self.unknown[stage] += 1;
            let task = &mut self.tasks[task];
            (task.begins_here, task.is_healthy) = (false, false);
            return Run {
                takes: Duration::ZERO,
                how: RunEnd::Succeeded,
            };
        };
        let fate = match self.tasks[task].fate {
            Some((of, fate)) if of == stage => fate,
            _ => {
                let fate = self.draw_fate(runs);
                let task = &mut self.tasks[task];
                if task.begins_here {
                    task.is_healthy = fate == Fate::Healthy;
                    task.begins_here = false;
                }
                task.fate = Some((stage, fate));
                fate
            }
        };
        let way = match fate {
            Fate::Failing(way) => Some(way),
            Fate::Healthy if self.random.f64() < runs.fates.unlucky => {
                pick(&runs.fates.unlucky_ways, self.random.f64())
            }
            Fate::Healthy => None,
        };
        let hangs = way.is_some_and(|way| runs.ways[way].is_timeout());
        let drawn = runs.durations.map(|it| it.draw(&mut self.random));
        let drawn = drawn.unwrap_or_default();
        // Those that are measured ended within the time-out of then.
        let is_too_slow = drawn >= timeout && timeout < runs.timeout;
        let takes = if hangs { timeout } else { drawn.min(timeout) };
        let leaves = fate != Fate::Healthy && self.random.f64() < runs.fates.leaving;
        let in_force = &self.phases[self.phase].1[stage];
        let route = match way {
            Some(way) => in_force.routes[way],
            None => in_force.timeout_route,
        };
        let how = match (way, route) {
            (None, _) if !is_too_slow => RunEnd::Succeeded,
            (_, Some(exit)) => RunEnd::Left(exit),
            (Some(_), None) if leaves => RunEnd::Left(self.next_stage(stage)),
            (_, None) => RunEnd::Failed,
        };
        Run {
            takes: takes.mul_f64(in_force.stretch),
            how,
        }
    }

    fn is_rerouted(&self, _: usize) -> bool {
        false
    }

    fn observe(&mut self, now: Duration, event: Event) {
        match event {
            Event::Dispatched { stage, task, late } => {
                self.dispatches[stage] += 1;
                let part = self.part(now);
                let task = &mut self.tasks[task];
                // It is due anew after each attempt.
                let before = if task.is_dispatched {
                    Duration::ZERO
                } else {
                    task.late
                };
                task.is_dispatched = true;
                let pushes = &mut self.pushes[stage][part];
                pushes[0] += 1;
                pushes[1] += u32::from(late + before > LATE);
            }
            Event::Ended { task, how } => {
                let Task {
                    came,
                    late,
                    is_healthy,
                    ..
                } = self.tasks[task];
                match how {
                    Outcome::Succeeded if is_healthy => {
                        self.waits.push(now.saturating_sub(came) + late);
                    }
                    Outcome::Succeeded => {}
                    Outcome::Failed => self.failed += 1,
                }
            }
            Event::Answered { .. } => {}
        }
    }
}

impl Course<'_> {
    fn next_stage(&self, stage: usize) -> Exit {
        if stage + 1 < self.measured.stages.len() {
            Exit::Stage(stage + 1)
        } else {
            Exit::Failed
        }
    }
}
