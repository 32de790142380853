//! The numbers behind findings that an override can change.

use std::time::Duration;

use super::evidence::{float, share};
use crate::model::{Cause, WorkerNumbers};
use crate::units;

/// A share that is clearly less is half as large.
const HALF: f64 = 0.5;
/// And by so many standard deviations: of a few, chance makes many.
const DEVIATIONS: f64 = 3.0;
/// Histograms know durations to a factor of two.
const THIRD: u32 = 3;
/// Pushes on time. The buckets of lags are coarse.
const ON_TIME: Duration = Duration::from_millis(2_500);

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    TimedOut,
    Failed,
    NotStarted,
    NoRunSlot,
    RunTime,
    Lag,
}

/// A number at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    measure: Measure,
    size: Size,
    /// The runs or pushes that it is of.
    all: u64,
    window: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Size {
    /// So many of all.
    Part(u64),
    Time(Duration),
}

impl Reading {
    /// The number behind a finding. `None` if workers don't show it, or no override changes it.
    pub(super) fn of(cause: Cause, workers: &WorkerNumbers) -> Option<Self> {
        Measure::of(cause)?.read(workers)
    }

    /// The same number at another time.
    pub(super) fn again(self, workers: &WorkerNumbers) -> Option<Self> {
        self.measure.read(workers)
    }

    /// Whether it is of so many runs or pushes.
    pub(super) fn is_of(self, least: u64) -> bool {
        self.all >= least
    }

    /// Whether it is less than before, beyond what chance and histograms make of the same.
    pub(super) fn is_clearly_below(self, before: Self) -> bool {
        match (self.size, before.size) {
            (Size::Part(part), Size::Part(was)) => {
                let (now, then) = (share(part, self.all), share(was, before.all));
                let both = share(part + was, self.all + before.all);
                let spread = 1.0 / float(self.all.max(1)) + 1.0 / float(before.all.max(1));
                let chance = (both * (1.0 - both) * spread).sqrt();
                now <= HALF * then && then - now > DEVIATIONS * chance
            }
            (Size::Time(time), Size::Time(was)) if self.measure == Measure::Lag => {
                time <= ON_TIME && time < was
            }
            (Size::Time(time), Size::Time(was)) => time * THIRD <= was,
            (Size::Part(_), Size::Time(_)) | (Size::Time(_), Size::Part(_)) => false,
        }
    }

    /// `61% of the runs timed out`.
    pub(super) fn sentence(self) -> String {
        let number = self.number();
        match self.measure {
            Measure::TimedOut => format!("{number} of the runs timed out"),
            Measure::Failed => format!("{number} of the runs failed"),
            Measure::NotStarted => format!("{number} of the runs could not start"),
            Measure::NoRunSlot => format!("{number} of the pushes found no free run slot"),
            Measure::RunTime => format!("half of the runs took {number} or longer"),
            Measure::Lag => format!("95% of the pushes were up to {number} late"),
        }
    }

    /// `61%`, `1.2s`.
    pub(super) fn number(self) -> String {
        match self.size {
            Size::Part(part) => units::share(share(part, self.all)),
            Size::Time(time) => units::duration(time),
        }
    }

    /// `55 of 90 in 12s`.
    pub(super) fn counts(self) -> String {
        let (all, window) = (units::count(self.all), units::duration(self.window));
        match self.size {
            Size::Part(part) => format!("{} of {all} in {window}", units::count(part)),
            Size::Time(_) => format!("{all} in {window}"),
        }
    }
}

impl Measure {
    fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::HandlerTimesOut => Some(Self::TimedOut),
            Cause::HandlerFails | Cause::OneFailure => Some(Self::Failed),
            Cause::HandlerUnreachable => Some(Self::NotStarted),
            Cause::NoRunSlots => Some(Self::NoRunSlot),
            Cause::HandlerSlow => Some(Self::RunTime),
            Cause::Throttled
            | Cause::AtRate
            | Cause::AtConcurrency
            | Cause::RetriesUseRate
            | Cause::ProducerSurge
            | Cause::NextStageFills => Some(Self::Lag),
            Cause::EditWaits
            | Cause::QueueMissing
            | Cause::QueueDisabled
            | Cause::PausedBySpec
            | Cause::PausedByOverride
            | Cause::PausedByOperator
            | Cause::PausedOutside
            | Cause::NoReadyPod
            | Cause::PushesNotArriving
            | Cause::PushesRefused
            | Cause::LookUpFails
            | Cause::HandOverFails
            | Cause::NotificationFails
            | Cause::NotifierBacklog
            | Cause::TasksExpire
            | Cause::NotParked
            | Cause::ParkedExpire
            | Cause::Parked
            | Cause::Held
            | Cause::Isolating
            | Cause::Drifted => None,
        }
    }

    fn read(self, workers: &WorkerNumbers) -> Option<Reading> {
        let (runs, pushes) = (&workers.runs, workers.answers.all());
        let attempts = runs.attempts();
        let (size, all) = match self {
            Self::TimedOut => (Size::Part(runs.timed_out), attempts),
            Self::Failed => (Size::Part(runs.all_failed()), attempts),
            Self::NotStarted => (Size::Part(runs.unreachable), attempts + runs.unreachable),
            // A handler that isn't reached is answered 503 too.
            Self::NoRunSlot => {
                let no_room = workers.answers.no_room.saturating_sub(runs.unreachable);
                (Size::Part(no_room), pushes)
            }
            Self::RunTime => (Size::Time(runs.p50?), attempts),
            Self::Lag => (Size::Time(workers.lag_p95?), pushes),
        };
        Some(Reading {
            measure: self,
            size,
            all,
            window: workers.window,
        })
    }
}
