//! One course of the next minutes.

use std::time::Duration;

use super::durations::normal;
use super::measured::{Measured, TIMEOUT};
use super::settings::{Phase, StageSettings, edits};
use super::task::{Fate, Task, pick};
use super::tasks_at_start::Present;
use crate::simulate::{Left, run};
use crate::world::{Entrant, Event, Exit, Outcome, Run, RunEnd, World};

/// A push is late that comes later than this.
const LATE: Duration = Duration::from_secs(1);
/// In how many parts of the horizon is counted how many pushes are late.
const PARTS: u32 = 180;
/// More are drawn as a normal distribution.
const MOST_DRAWN: u32 = 32;
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
    /// Runs it, from the settings of now. A stage, by its place, if more than a few tasks run there and nothing is known of runs.
    pub(super) fn run(
        measured: &'a Measured,
        now: &[StageSettings],
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
        for (stage, measured) in measured.stages.iter().enumerate() {
            let next = course.gap(measured.arrivals.value);
            course.next.push(next);
            let mut present = Present {
                measured,
                settings: &now[stage],
                rate: phases
                    .iter()
                    .map(|phase| phase.stages[stage].limits.rate)
                    .fold(0.0, f64::max),
                next: course.next_stage(stage),
                stage,
                horizon,
                weight,
                random: &mut course.random,
            };
            course.present.extend(present.tasks());
        }
        course.present.reverse();
        let stages: Vec<_> = first.stages.iter().map(StageSettings::stage).collect();
        let left = run(&mut course, &stages, &edits(phases), weight, horizon);
        let tasks = course.tasks.len();
        let is_more = |runs: &usize| *runs > tasks / LITTLE;
        match course.unknown.iter().position(is_more) {
            Some(stage) => Err(stage),
            None => Ok(course.counted(&left)),
        }
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
        let gap = self.gap(self.measured.stages[stage].arrivals.value);
        self.next[stage] = gap.map(|gap| at + gap);
        self.tasks.push(Task::new(at, true));
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
            (task.is_new, task.is_healthy) = (false, false);
            return Run {
                takes: Duration::ZERO,
                how: RunEnd::Succeeded,
            };
        };
        let fate = match self.tasks[task].fate {
            Some((of, fate)) if of == stage => fate,
            _ => {
                let way = pick(&runs.fates.failing, self.random.f64());
                let fate = way.map_or(Fate::Healthy, Fate::Failing);
                self.tasks[task].fares(stage, fate);
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

    fn category(&self, _: usize) -> Option<u64> {
        None
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
            Event::Isolated { .. } | Event::AttemptFailed { .. } | Event::Answered { .. } => {}
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
