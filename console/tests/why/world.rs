//! A small simulation of a chain: queues with token buckets, backoff and concurrency, workers with run
//! slots, and a handler. It gives the numbers that Cloud Tasks and the workers would show, late as they may
//! be. It does not know the rules.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use console::{
    Answers, Arrivals, Baseline, FailureCount, Isolated, Known, QueueNumbers, Runs, WorkerNumbers,
};
use fastrand::Rng;

use crate::chains::{at, seconds};

/// Ticks in a second.
const TICKS: u32 = 10;
/// The buckets of the workers' histograms.
const LAG_SECONDS: [f64; 13] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0,
];
const RUN_SECONDS: [f64; 17] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
    8.192, 16.384, 32.768, 65.536,
];

/// How a stage is. A test changes it while the world runs.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
pub struct StageWorld {
    /// Dispatches a second.
    pub limit: f64,
    /// What Cloud Tasks allows.
    pub allowed: f64,
    pub concurrent: usize,
    pub attempts: u32,
    pub timeout: f64,
    pub backoff: (f64, f64),
    pub slots: usize,
    pub pods: u32,
    pub runs: bool,
    /// The usual duration of a run, in seconds.
    pub duration: f64,
    /// The share of runs that fail, each by itself.
    pub flaky: f64,
    /// The share of runs that hang.
    pub hangs: f64,
    /// The statuses that failing runs have.
    pub statuses: Vec<u16>,
    /// The share of tasks that go to the next stage without a run.
    pub routed: f64,
    /// The share of tasks whose categories are isolated: each is of one of a few, and fails on each attempt.
    pub isolated: f64,
    /// The workers hold: of the pushes of a second, one runs.
    pub holds: bool,
    pub lost: bool,
    pub refused: bool,
    pub unreachable: bool,
    pub no_hand_over: bool,
    pub no_notification: bool,
    /// The share of pushes that need a lookup, which fails.
    pub no_look_up: f64,
    /// Tasks that are scheduled for next week.
    pub scheduled: u64,
}

/// A task on a stage.
#[derive(Debug, Clone, Copy)]
struct Task {
    attempts: u32,
    dispatches: u32,
    by_producer: bool,
    /// Fails on each attempt.
    poison: bool,
    /// Has used up its attempts, and isn't handed over yet.
    leaves: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Succeeded,
    Failed(u16),
    TimedOut,
}

/// What has happened since the beginning.
#[derive(Debug, Clone, Default)]
struct Counts {
    runs: Runs,
    failures: BTreeMap<(String, Option<u16>), u64>,
    arrivals: Arrivals,
    answers: Answers,
    handed_on: u64,
    isolated: u64,
    refused: u64,
    look_ups_failed: u64,
    executed: u64,
    durations: Vec<u64>,
    lags: Vec<u64>,
}

struct Stage {
    is: StageWorld,
    tokens: f64,
    /// By the tick at which they are due.
    waiting: BinaryHeap<Reverse<(u32, u32)>>,
    in_flight: BinaryHeap<Reverse<(u32, u32)>>,
    tasks: Vec<Task>,
    /// Since when a task in flight has been due, and how its run ends.
    flights: BTreeMap<u32, (u32, f64, End)>,
    counts: Counts,
    /// The tick of the last run while the workers hold.
    probed: u32,
    /// One for each second.
    history: Vec<(Counts, QueueNumbers, usize)>,
}

/// A chain.
pub struct World {
    pub rng: Rng,
    /// Tasks a second.
    pub producers: f64,
    /// Of a hundred tasks, so many fail on each attempt.
    pub poison: f64,
    pub receiver_works: bool,
    tick: u32,
    stages: Vec<Stage>,
    notifications: u64,
    notified: Vec<(u64, u64)>,
    ended: u64,
}

impl World {
    pub fn new(seed: u64, producers: f64, stages: Vec<StageWorld>) -> Self {
        let stages = stages.into_iter().map(|is| Stage {
            tokens: burst(is.limit),
            is,
            waiting: BinaryHeap::new(),
            in_flight: BinaryHeap::new(),
            tasks: Vec::new(),
            flights: BTreeMap::new(),
            counts: Counts {
                durations: vec![0; RUN_SECONDS.len() + 1],
                lags: vec![0; LAG_SECONDS.len() + 1],
                ..Counts::default()
            },
            probed: 0,
            history: Vec::new(),
        });
        Self {
            rng: Rng::with_seed(seed),
            producers,
            poison: 0.0,
            receiver_works: true,
            tick: 0,
            stages: stages.collect(),
            notifications: 0,
            notified: Vec::new(),
            ended: 0,
        }
    }

    pub fn stage(&mut self, stage: usize) -> &mut StageWorld {
        &mut self.stages[stage].is
    }

    /// The second that it is.
    pub fn now(&self) -> usize {
        (self.tick / TICKS) as usize
    }

    /// Producers create so many tasks at once.
    pub fn burst(&mut self, tasks: usize) {
        for _ in 0..tasks {
            self.create(0, true, false);
        }
    }

    pub fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * TICKS {
            let new = self.producers / f64::from(TICKS);
            let more = self.rng.f64() < new.fract();
            for _ in 0..floor(new) + usize::from(more) {
                self.create(0, true, false);
            }
            for stage in 0..self.stages.len() {
                self.end_runs(stage);
                self.dispatch(stage);
            }
            self.tick += 1;
            if self.tick.is_multiple_of(TICKS) {
                self.record();
            }
        }
    }

    /// Half of what fails on one stage fails on the next one too.
    fn create(&mut self, stage: usize, by_producer: bool, has_failed: bool) {
        let is_bad = stage == 0 && self.rng.f64() * 100.0 < self.poison;
        let poison = is_bad || (has_failed && self.rng.bool());
        let of = &mut self.stages[stage];
        let id = u32::try_from(of.tasks.len()).unwrap();
        of.tasks.push(Task {
            attempts: 0,
            dispatches: 0,
            by_producer,
            poison,
            leaves: None,
        });
        of.waiting.push(Reverse((self.tick, id)));
    }

    fn end_runs(&mut self, stage: usize) {
        loop {
            let of = &mut self.stages[stage];
            let next = of.in_flight.peek().map(|next| next.0);
            let Some((_, id)) = next.filter(|(end, _)| *end <= self.tick) else {
                return;
            };
            of.in_flight.pop();
            let (_, took, end) = of.flights.remove(&id).unwrap();
            let bucket = RUN_SECONDS.partition_point(|bound| *bound < took);
            of.counts.durations[bucket] += 1;
            of.tasks[id as usize].attempts += 1;
            let is_over = of.tasks[id as usize].attempts >= of.is.attempts;
            let counts = &mut of.counts;
            let fail = |counts: &mut Counts, reason: &str, status| {
                let key = (reason.to_owned(), status);
                *counts.failures.entry(key).or_default() += 1;
            };
            match end {
                End::Succeeded => {
                    counts.runs.succeeded += 1;
                    self.leave(stage, id, false);
                    continue;
                }
                End::Failed(status) => {
                    counts.runs.failed += 1;
                    fail(counts, "status", Some(status));
                }
                End::TimedOut => {
                    counts.runs.timed_out += 1;
                    fail(counts, "timeout", None);
                }
            }
            if of.is.holds && !matches!(end, End::Succeeded) {
                of.tasks[id as usize].attempts -= 1;
                of.counts.answers.held += 1;
                self.again(stage, id);
            } else if is_over {
                self.leave(stage, id, true);
            } else {
                counts.answers.failed += 1;
                self.again(stage, id);
            }
        }
    }

    /// The task is done on this stage.
    fn leave(&mut self, stage: usize, id: u32, failed: bool) {
        let is_last = stage + 1 == self.stages.len();
        let of = &mut self.stages[stage];
        of.tasks[id as usize].leaves = Some(failed);
        if failed && !is_last {
            if of.is.no_hand_over {
                of.counts.answers.not_handed_on += 1;
                return self.again(stage, id);
            }
            of.counts.handed_on += 1;
            of.counts.answers.done += 1;
            let task = of.tasks[id as usize];
            let has_failed = task.attempts > 0 || task.poison;
            return self.create(stage + 1, false, has_failed);
        }
        if of.is.no_notification {
            of.counts.answers.not_notified += 1;
            return self.again(stage, id);
        }
        of.counts.answers.done += 1;
        self.ended += 1;
        if self.receiver_works {
            self.notifications += 1;
        }
    }

    fn again(&mut self, stage: usize, id: u32) {
        let jitter = 0.9 + 0.2 * self.rng.f64();
        let of = &mut self.stages[stage];
        let (min, max) = of.is.backoff;
        let dispatches = of.tasks[id as usize].dispatches.min(17);
        let wait = (min * f64::from(1 << dispatches.saturating_sub(1))).min(max) * jitter;
        let due = self.tick + ticks(wait).max(1);
        of.waiting.push(Reverse((due, id)));
    }

    fn dispatch(&mut self, stage: usize) {
        let of = &mut self.stages[stage];
        if !of.is.runs {
            return;
        }
        let rate = of.is.allowed.min(of.is.limit);
        of.tokens = (of.tokens + rate / f64::from(TICKS)).min(burst(rate));
        loop {
            let of = &mut self.stages[stage];
            let next = of.waiting.peek().map(|next| next.0);
            let Some((due, id)) = next.filter(|(due, _)| *due <= self.tick) else {
                return;
            };
            if of.tokens < 1.0 || of.in_flight.len() >= of.is.concurrent {
                return;
            }
            of.tokens -= 1.0;
            of.waiting.pop();
            of.counts.executed += 1;
            let is_first = of.tasks[id as usize].dispatches == 0;
            of.tasks[id as usize].dispatches += 1;
            self.push(stage, id, due, is_first);
        }
    }

    /// A push, as the worker takes it.
    fn push(&mut self, stage: usize, id: u32, due: u32, is_first: bool) {
        let chance = self.rng.f64();
        let slowness = (2.0 * (self.rng.f64() + self.rng.f64() + self.rng.f64() - 1.5)).exp();
        let fails = self.rng.f64();
        let hangs = self.rng.f64();
        let of = &mut self.stages[stage];
        let counts = &mut of.counts;
        if of.is.lost {
            return self.again(stage, id);
        }
        if of.is.refused {
            counts.refused += 1;
            counts.answers.unknown += 1;
            return self.again(stage, id);
        }
        let task = of.tasks[id as usize];
        let lag = f64::from(self.tick - due) / f64::from(TICKS);
        counts.lags[LAG_SECONDS.partition_point(|bound| *bound < lag)] += 1;
        if is_first && task.by_producer {
            counts.arrivals.producer += 1;
        } else if is_first {
            counts.arrivals.hand_over += 1;
        }
        if let Some(failed) = task.leaves {
            return self.leave(stage, id, failed);
        }
        if of.in_flight.len() >= of.is.slots {
            counts.answers.no_room += 1;
            return self.again(stage, id);
        }
        if chance < of.is.no_look_up {
            counts.look_ups_failed += 1;
            counts.answers.unknown += 1;
            return self.again(stage, id);
        }
        if of.is.unreachable {
            counts.runs.unreachable += 1;
            counts.answers.no_room += 1;
            return self.again(stage, id);
        }
        if of.is.holds {
            if self.tick < of.probed + TICKS {
                counts.answers.held += 1;
                return self.again(stage, id);
            }
            of.probed = self.tick;
        }
        if is_first && chance < of.is.isolated {
            counts.isolated += 1;
            of.tasks[id as usize].poison = true;
            return self.leave(stage, id, true);
        }
        if is_first && chance < of.is.routed {
            return self.leave(stage, id, true);
        }
        let takes = of.is.duration * slowness;
        let statuses = &of.is.statuses;
        let (took, end) = if hangs < of.is.hangs || takes >= of.is.timeout {
            (of.is.timeout, End::TimedOut)
        } else if task.poison || fails < of.is.flaky {
            let which = (id as usize + self.tick as usize) % statuses.len();
            (takes, End::Failed(statuses[which]))
        } else {
            (takes, End::Succeeded)
        };
        of.flights.insert(id, (due, took, end));
        let until = self.tick + ticks(took).max(1);
        of.in_flight.push(Reverse((until, id)));
    }

    fn record(&mut self) {
        let second = self.now();
        for of in &mut self.stages {
            let waiting = of.waiting.peek().map(|next| next.0.0);
            let flying = of.flights.values().map(|flight| flight.0).min();
            let first = waiting.into_iter().chain(flying).min();
            let ago = first.map(|due| (f64::from(self.tick) - f64::from(due)) / f64::from(TICKS));
            let week = (of.is.scheduled > 0).then_some(-604_800.0);
            let ago = ago.or(week);
            let minute = second.checked_sub(60).and_then(|then| of.history.get(then));
            let before = minute.map_or(0, |it| it.0.executed);
            let in_flight = of.in_flight.len();
            let numbers = QueueNumbers {
                tasks: (of.waiting.len() + in_flight) as u64 + of.is.scheduled,
                first_due: ago.map(|ago| at(-(ago as i64))),
                lag: ago.map(|ago| seconds(ago.max(0.0))),
                executed_last_minute: of.counts.executed - before,
                in_flight: in_flight as u64,
                effective_rate: of.is.allowed.min(of.is.limit),
            };
            of.history.push((of.counts.clone(), numbers, in_flight));
        }
        self.notified.push((self.ended, self.notifications));
    }

    /// What Cloud Tasks says of the notifier's queue, so many seconds late.
    pub fn notifier(&self, late: usize) -> QueueNumbers {
        let then = self.now().saturating_sub(1 + late);
        let (ended, sent) = self.notified[then];
        let before = self.notified[then.saturating_sub(60)].1;
        QueueNumbers {
            tasks: ended - sent + 2,
            first_due: Some(at(0)),
            lag: Some(seconds(0.2)),
            executed_last_minute: sent - before + 3 * (ended - sent),
            in_flight: 2,
            effective_rate: 500.0,
        }
    }

    /// What Cloud Tasks says of the stage's queue, so many seconds late.
    pub fn queue(&self, stage: usize, late: usize) -> Known<QueueNumbers> {
        let then = self.now().saturating_sub(1 + late);
        Known::Known(self.stages[stage].history[then].1)
    }

    /// What the workers say who were last asked so many seconds ago: of the shortest window that has enough.
    pub fn workers(
        &self,
        stage: usize,
        late: usize,
        before: Option<Baseline>,
    ) -> Known<WorkerNumbers> {
        let now = self.now().saturating_sub(1 + late);
        let short = [10 + now % 10, 20 + now % 10];
        let longer = [1, 2, 3, 4].map(|minutes| minutes * 60 + now % 60);
        let windows = short.into_iter().chain(longer).chain([300]);
        let windows = windows.map(|window| window.min(now).max(1));
        let numbers = windows.map(|window| self.in_window(stage, now, window, before));
        let all: Vec<WorkerNumbers> = numbers.collect();
        let enough = |(shortest, it): &(usize, &WorkerNumbers)| {
            let needed = if *shortest == 0 { 100 } else { 20 };
            it.answers.all().max(it.runs.attempts()) >= needed
        };
        let chosen = all.iter().enumerate().find(enough).map(|it| it.1);
        Known::Known(chosen.or(all.last()).unwrap().clone())
    }

    fn in_window(
        &self,
        stage: usize,
        now: usize,
        window: usize,
        before: Option<Baseline>,
    ) -> WorkerNumbers {
        let of = &self.stages[stage];
        let (end, _, in_progress) = &of.history[now];
        let begin = &of.history[now - window].0;
        let durations = added(&end.durations, &begin.durations);
        let lags = added(&end.lags, &begin.lags);
        let failures = end.failures.iter().map(|((reason, status), count)| {
            let key = (reason.clone(), *status);
            let before = begin.failures.get(&key).copied().unwrap_or(0);
            FailureCount {
                reason: key.0,
                status: key.1,
                count: count - before,
            }
        });
        let refused = end.refused - begin.refused;
        let (a, b) = (&end.answers, &begin.answers);
        WorkerNumbers {
            window: seconds(window as f64),
            age: seconds(0.0),
            pods_asked: of.is.pods.min(3),
            silent_for: seconds(of.silent(now) as f64),
            runs: Runs {
                succeeded: end.runs.succeeded - begin.runs.succeeded,
                failed: end.runs.failed - begin.runs.failed,
                timed_out: end.runs.timed_out - begin.runs.timed_out,
                unreachable: end.runs.unreachable - begin.runs.unreachable,
                failures: failures.filter(|it| it.count > 0).collect(),
                p50: quantile(0.5, &durations, &RUN_SECONDS),
                p95: quantile(0.95, &durations, &RUN_SECONDS),
                in_time_p50: None,
                in_time_p95: None,
            },
            arrivals: Arrivals {
                producer: end.arrivals.producer - begin.arrivals.producer,
                hand_over: end.arrivals.hand_over - begin.arrivals.hand_over,
            },
            answers: Answers {
                done: a.done - b.done,
                failed: a.failed - b.failed,
                not_handed_on: a.not_handed_on - b.not_handed_on,
                not_notified: a.not_notified - b.not_notified,
                unknown: a.unknown - b.unknown,
                no_room: a.no_room - b.no_room,
                held: a.held - b.held,
                too_large: 0,
            },
            handed_on: end.handed_on - begin.handed_on,
            isolated: Isolated {
                share: 0,
                failures: end.isolated - begin.isolated,
            },
            put_off: 0,
            parked: 0,
            not_parked: 0,
            refused: if refused > 0 {
                [("audience".to_owned(), refused)].into()
            } else {
                [].into()
            },
            lag_p95: quantile(0.95, &lags, &LAG_SECONDS),
            expiring: 0,
            creates_failed: a.not_handed_on - b.not_handed_on + a.not_notified - b.not_notified,
            look_ups_failed: end.look_ups_failed - begin.look_ups_failed,
            isolated_categories: if of.is.isolated > 0.0 { 3 } else { 0 },
            pods_holding: if of.is.holds { of.is.pods } else { 0 },
            runs_in_progress: *in_progress as u64,
            run_slots: of.is.slots as u64,
            before,
        }
    }

    /// An hour like the seconds so far.
    pub fn baseline(&self, stage: usize) -> Baseline {
        let now = self.now() - 1;
        let until_now = self.in_window(stage, now, now, None);
        Baseline {
            window: seconds(3_600.0),
            producer_per_second: until_now.per_second(until_now.arrivals.producer),
            runs: until_now.runs.attempts() * 3_600 / now as u64,
            p95: until_now.runs.p95,
        }
    }
}

impl Stage {
    /// For how many seconds no push has arrived.
    fn silent(&self, now: usize) -> usize {
        let pushes = |second: usize| {
            let counts = &self.history[second].0;
            counts.lags.iter().sum::<u64>() + counts.refused
        };
        let arrived = (1..=now).rev().find(|at| pushes(*at) > pushes(*at - 1));
        now - arrived.unwrap_or(0)
    }
}

fn burst(rate: f64) -> f64 {
    (rate / 5.0).max(10.0)
}

fn added(end: &[u64], begin: &[u64]) -> Vec<u64> {
    end.iter()
        .zip(begin)
        .map(|(end, begin)| end - begin)
        .collect()
}

fn quantile(q: f64, counts: &[u64], bounds: &[f64]) -> Option<std::time::Duration> {
    let rank = q * counts.iter().sum::<u64>() as f64;
    let (mut below, mut lower) = (0.0, 0.0);
    for (count, bound) in counts.iter().zip(bounds) {
        let count = *count as f64;
        if count > 0.0 && below + count >= rank {
            return Some(seconds(lower + (bound - lower) * (rank - below) / count));
        }
        below += count;
        lower = *bound;
    }
    (below + counts.last().copied()? as f64 > 0.0).then(|| seconds(lower))
}

fn ticks(seconds: f64) -> u32 {
    (seconds * f64::from(TICKS)).ceil() as u32
}

fn floor(number: f64) -> usize {
    number.floor() as usize
}
