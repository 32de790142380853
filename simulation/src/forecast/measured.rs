//! What is measured of each stage, as the simulation needs it.

use std::time::Duration;

use console::{LiveChain, LiveStage, QueueNumbers, StageState, WorkerNumbers};
use worker_contract::metrics::LAG_SECONDS;

use super::durations::Durations;
use super::fates::{Counted, Failures, Fates};
use super::interval::{self, Chances, Edge};
use super::no_forecast::NoForecast;
use super::settings::StageSettings;

/// The reason that the worker gives to a run that didn't end in time.
pub(super) const TIMEOUT: &str = "timeout";
/// A queue whose first task has been due for longer is behind.
const LATE: Duration = Duration::from_secs(1);
/// Runs that hang: of so many, one has for long.
const FEW: f64 = 3.0;
/// So many tasks that are due say how fast they come.
const MANY: f64 = 20.0;
/// Pushes that end without a run, of all.
const NOT_RUN: f64 = 0.1;
const FEWEST_PUSHES: u64 = 10;

/// What is measured of a chain.
#[derive(Debug, Clone)]
pub(super) struct Measured {
    pub(super) stages: Vec<MeasuredStage>,
}

/// What is measured of a stage.
#[derive(Debug, Clone)]
pub(super) struct MeasuredStage {
    /// Tasks a second from producers.
    pub(super) arrivals: Arrivals,
    /// `None` if no run has ended.
    pub(super) runs: Option<Runs>,
    pub(super) backlog: Backlog,
}

/// Tasks a second, and how many it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrivals {
    pub(super) value: f64,
    least: f64,
    most: f64,
}

/// For how long the first task has been due that is not in flight, and for how long it may have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lag {
    pub(super) value: Duration,
    least: Duration,
    most: Duration,
}

/// What becomes of runs.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    pub(super) fates: Fates,
    /// In the order of the fates.
    pub(super) ways: Vec<Way>,
    /// How long runs take that end in time. `None` if none does.
    pub(super) durations: Option<Durations>,
    /// The time-out that was in force.
    pub(super) timeout: Duration,
}

/// How a run fails.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) reason: String,
    pub(super) status: Option<u16>,
}

/// The tasks that a queue has at the begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backlog {
    pub(super) in_flight: f64,
    /// Of those in flight, the share that will run until the time-out.
    pub(super) hanging: f64,
    /// The tasks that are due.
    pub(super) due: f64,
    /// For how long the first of them has been.
    pub(super) lag: Lag,
    /// The tasks that wait for their backoff, or for the time that a producer gave them.
    pub(super) later: f64,
    /// Of those, the share that found no run slot.
    pub(super) refused: f64,
    /// For how long those wait.
    pub(super) refused_for: Duration,
    /// Whether the others have failed before.
    pub(super) are_retries: bool,
    /// Of the tasks that are due, the share that has not been dispatched before.
    pub(super) first: f64,
    /// Of those, the share that producers have created for this stage.
    pub(super) by_producers: f64,
}

impl Way {
    pub(super) fn is_timeout(&self) -> bool {
        self.reason == TIMEOUT
    }
}

impl Measured {
    pub(super) fn of(now: &LiveChain, settings: &[StageSettings]) -> Result<Self, NoForecast> {
        let both = now.stages.iter().zip(settings).enumerate();
        let stages =
            both.map(|(place, (stage, settings))| MeasuredStage::of(stage, settings, place == 0));
        Ok(Self {
            stages: stages.collect::<Result<_, _>>()?,
        })
    }

    /// The same, at an edge of what may be so.
    pub(super) fn with(&self, chances: Chances) -> Self {
        let Chances::Edge { failing, arriving } = chances else {
            return self.clone();
        };
        let mut edge = self.clone();
        for stage in &mut edge.stages {
            let Arrivals { least, most, .. } = stage.arrivals;
            let lag = &mut stage.backlog.lag;
            // The longer the same tasks have come, the fewer come.
            (stage.arrivals.value, lag.value) = match arriving {
                Edge::Least => (least, lag.most),
                Edge::Most => (most, lag.least),
            };
            if let Some(runs) = &mut stage.runs
                && runs.durations.is_some()
            {
                runs.fates = runs.fates.at(failing);
            }
        }
        edge
    }
}

impl MeasuredStage {
    fn of(stage: &LiveStage, settings: &StageSettings, is_first: bool) -> Result<Self, NoForecast> {
        let name = || stage.name.clone();
        let what = match stage.state {
            StageState::Missing => Some("doesn't exist"),
            StageState::Disabled => Some("is disabled by Google"),
            StageState::Running | StageState::Paused { .. } | StageState::Unknown => None,
        };
        if let Some(what) = what {
            return Err(NoForecast::NoQueue {
                stage: name(),
                what,
            });
        }
        if let Some(why) = stage.queue_numbers.unknown() {
            return Err(NoForecast::QueueNumbers { stage: name(), why });
        }
        if let Some(why) = stage.worker_numbers.unknown() {
            return Err(NoForecast::WorkerNumbers { stage: name(), why });
        }
        let (Some(queue), Some(workers)) =
            (stage.queue_numbers.value(), stage.worker_numbers.value())
        else {
            return Err(NoForecast::NoSettings);
        };
        are_run(stage, workers)?;
        let backlog = Backlog::of(queue, workers, settings, is_first);
        Ok(Self {
            arrivals: arrivals(&backlog, workers),
            runs: Runs::of(workers, settings),
            backlog,
        })
    }

    /// The tasks that are there, and that come in so many seconds.
    pub(super) fn come_within(&self, seconds: f64) -> f64 {
        let Backlog {
            due,
            later,
            in_flight,
            ..
        } = self.backlog;
        self.arrivals.most * seconds + due + later + in_flight
    }
}

/// Most pushes have to end with a run, or the handler says nothing of what will be.
#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn are_run(stage: &LiveStage, workers: &WorkerNumbers) -> Result<(), NoForecast> {
    let answers = &workers.answers;
    let without =
        answers.unknown + answers.not_handed_on + answers.not_notified + workers.runs.unreachable;
    let pushes = answers.all();
    if pushes >= FEWEST_PUSHES && without as f64 > NOT_RUN * pushes as f64 {
        return Err(NoForecast::NotRun {
            stage: stage.name.clone(),
            without,
            pushes,
            window: workers.window,
        });
    }
    Ok(())
}

/// Tasks a second that producers create. A queue that is behind dispatches what came before: how much is
/// due says how much has come since.
#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn arrivals(backlog: &Backlog, workers: &WorkerNumbers) -> Arrivals {
    let of = |counted: f64, [value, least, most]: [f64; 3]| Arrivals {
        value,
        least: least * interval::rate(counted, Edge::Least),
        most: most * interval::rate(counted, Edge::Most),
    };
    let waiting = backlog.due * backlog.first * backlog.by_producers;
    let Lag { value, least, most } = backlog.lag;
    if value > LATE && backlog.due >= MANY {
        let since = [value, most, least.max(LATE)];
        return of(waiting, since.map(|it| waiting / it.as_secs_f64()));
    }
    let counted = workers.arrivals.producer;
    of(counted as f64, [workers.per_second(counted); 3])
}

impl Backlog {
    #[expect(clippy::cast_precision_loss, reason = "counts of tasks")]
    fn of(
        queue: &QueueNumbers,
        workers: &WorkerNumbers,
        settings: &StageSettings,
        is_first: bool,
    ) -> Self {
        let in_flight = queue.in_flight.min(queue.tasks) as f64;
        let waiting = queue.tasks as f64 - in_flight;
        let retries = workers.per_second(workers.answers.failed);
        let in_backoff = (retries * mean_backoff(settings)).min(waiting);
        let arrivals = workers.arrivals.producer + workers.arrivals.hand_over;
        // What is held is pushed again as what finds no room is.
        let no_room = workers.answers.no_room + workers.answers.held;
        let pushes = workers.answers.all().saturating_sub(no_room);
        let first = if pushes > 0 {
            (arrivals as f64 / pushes as f64).min(1.0)
        } else {
            1.0
        };
        // All that came in the window was dispatched in it, or is due.
        let came = (waiting - in_backoff) * first;
        let part = came / (came + arrivals as f64).max(1.0);
        let never_late = workers.window.mul_f64(part);
        let lag = Lag::of(queue, workers, settings.timeout, never_late);
        let due = if lag.value > LATE {
            waiting - in_backoff
        } else {
            0.0
        };
        let by_producers = match (arrivals, workers.before) {
            (0, Some(before)) if before.producer_per_second > 0.0 => 1.0,
            (0, _) if is_first => 1.0,
            (0, _) => 0.0,
            _ => workers.arrivals.producer as f64 / arrivals as f64,
        };
        let later = waiting - due;
        let no_room = workers.per_second(no_room);
        let refused = if no_room > 0.0 {
            (later - in_backoff).max(0.0)
        } else {
            0.0
        };
        let refused_for = if no_room > 0.0 {
            refused / no_room
        } else {
            0.0
        };
        Self {
            in_flight,
            hanging: hanging(workers, settings.timeout),
            due,
            lag,
            later,
            refused: if later > 0.0 { refused / later } else { 0.0 },
            refused_for: Duration::from_secs_f64(refused_for.min(3600.0)),
            are_retries: in_backoff > 0.0,
            first,
            by_producers,
        }
    }
}

impl Lag {
    /// A task in flight may be the first: one that hangs has been for nearly as long as a run may take, so
    /// that much may be too much. `never_late` is the lag if there was none when the window began: it is
    /// not less. What the workers saw says how much it is at most, as far as the buckets of their histogram
    /// do.
    fn of(
        queue: &QueueNumbers,
        workers: &WorkerNumbers,
        timeout: Duration,
        never_late: Duration,
    ) -> Self {
        let most = queue.lag.unwrap_or_default();
        let hang = workers.per_second(workers.runs.timed_out) * timeout.as_secs_f64();
        if queue.in_flight == 0 || hang < FEW {
            return Self {
                value: most,
                least: most,
                most,
            };
        }
        let [above, below] = workers
            .lag_p95
            .map_or([Duration::ZERO, Duration::MAX], bucket);
        let least = most.saturating_sub(timeout).max(above).max(never_late);
        let least = least.min(most);
        Self {
            value: least,
            least,
            most: most.min(below).max(least),
        }
    }
}

/// The bounds of the bucket of the workers' histogram in which a lag is.
fn bucket(lag: Duration) -> [Duration; 2] {
    let bounds = LAG_SECONDS.map(Duration::from_secs_f64);
    let place = bounds.partition_point(|bound| *bound < lag);
    let above = place.checked_sub(1).map(|place| bounds[place]);
    let below = bounds.get(place).copied();
    [above.unwrap_or_default(), below.unwrap_or(Duration::MAX)]
}

/// Of the runs in progress, the share that will run until the time-out: by how long each kind takes.
#[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
fn hanging(workers: &WorkerNumbers, timeout: Duration) -> f64 {
    let runs = &workers.runs;
    let hang = runs.timed_out as f64 * timeout.as_secs_f64();
    let usual = runs.in_time_p50.unwrap_or_default() + runs.in_time_p95.unwrap_or_default();
    let others = runs.attempts().saturating_sub(runs.timed_out) as f64 * usual.as_secs_f64() / 2.0;
    if hang > 0.0 {
        hang / (hang + others)
    } else {
        0.0
    }
}

/// How long a task waits after a failed attempt, on average, in seconds.
fn mean_backoff(settings: &StageSettings) -> f64 {
    let waits = settings.attempts.get().saturating_sub(1).min(100);
    let backoff = settings.limits.backoff;
    let sum: f64 = (1..=waits).map(|it| backoff.after(it).as_secs_f64()).sum();
    sum / f64::from(waits.max(1))
}

impl Runs {
    #[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
    fn of(workers: &WorkerNumbers, settings: &StageSettings) -> Option<Self> {
        let runs = &workers.runs;
        let (mut ways, mut failures) = (Vec::new(), Vec::new());
        let mut add = |reason: &str, status: Option<u16>, count: u64| {
            if count > 0 {
                failures.push(Failures {
                    count: count as f64,
                    is_routed: settings.route(reason, status).is_some(),
                });
                ways.push(Way {
                    reason: reason.to_owned(),
                    status,
                });
            }
        };
        let mut named = [0, 0];
        for failure in &runs.failures {
            named[usize::from(failure.reason == TIMEOUT)] += failure.count;
            add(&failure.reason, failure.status, failure.count);
        }
        // Those without a name: counters are read one after the other.
        add(TIMEOUT, None, runs.timed_out.saturating_sub(named[1]));
        add("other", None, runs.failed.saturating_sub(named[0]));
        let arrivals = workers.arrivals.producer + workers.arrivals.hand_over;
        let fates = Fates::of(&Counted {
            attempts: settings.attempts.get(),
            came: arrivals as f64,
            succeeded: runs.succeeded as f64,
            failures,
            retried: workers.answers.failed as f64,
        })?;
        let measured = runs.in_time_p50.zip(runs.in_time_p95);
        let before = workers.before.and_then(|before| before.p95);
        let durations = match (measured, before) {
            (Some((p50, p95)), _) => Some(Durations::of(p50, p95)),
            (None, Some(p95)) => Some(Durations::of_p95(p95)),
            (None, None) => None,
        };
        Some(Self {
            fates,
            ways,
            durations,
            timeout: settings.timeout,
        })
    }
}
