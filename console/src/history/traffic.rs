//! What happens on a stage: the counts of its pods in the last minutes, and in the hour before.

use std::collections::BTreeMap;
use std::time::Duration;

use worker_contract::metrics::{LAG_SECONDS, OTHER, RUN_SECONDS};

use super::page::{Failure, MAX_LABELS, WorkerPage};
use super::quantile::quantile;
use super::ring::{Added, Ring, Sum};
use super::series::{self, ALL, BASELINE, BY_PRODUCERS, LAGS, RUNS};
use super::usual::{usual_arrivals, usual_runs};
use crate::model::{Answers, Arrivals, Baseline, FailureCount, Isolated, Runs, WorkerNumbers};

/// So many attempts or answers say enough: the window needs not be longer.
const ENOUGH: f64 = 20.0;
/// The same for the shortest window, which shows first what has just begun.
const MANY: f64 = 100.0;
/// The slots of the hour before, and the one in progress.
pub(super) const BEFORE: usize = 13;
/// A time of fewer slots says little of how a stage usually is.
const FEWEST_SLOTS: f64 = 2.0;
const LONGEST_WINDOW: f64 = 300.0;

#[derive(Debug, Clone)]
pub(super) struct Traffic {
    /// The time since when the stage is known.
    pub since: f64,
    /// The last time that something happened.
    pub last: f64,
    short: Ring<3, ALL>,
    pub minutes: Ring<5, ALL>,
    before: Ring<BEFORE, BASELINE>,
    pub labels: Vec<Label>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Refused(Box<str>),
    Failure(Failure),
}

impl Traffic {
    /// Pods that were asked from and until these times have counted nothing so far. `None` without pods.
    pub fn after_silence(
        asked: impl Iterator<Item = (f64, f64)> + Clone,
        ready: u16,
        baseline_slot: u16,
    ) -> Option<Self> {
        let since = asked.clone().map(|(first, _)| first).reduce(f64::min)?;
        let mut traffic = Self {
            since,
            last: since,
            short: Ring::new(10),
            minutes: Ring::new(60),
            before: Ring::new(baseline_slot),
            labels: Vec::new(),
        };
        for (first, last) in asked {
            traffic.add(&WorkerPage::default(), first, last, ready);
        }
        Some(traffic)
    }

    /// What a pod has counted in a time.
    pub fn add(&mut self, page: &WorkerPage, from: f64, to: f64, ready: u16) {
        let refused = page.refused.iter();
        let refused = refused.map(|(reason, count)| (Label::Refused(reason.clone()), *count));
        let failures = page.failures.iter();
        let failures = failures.map(|(failure, count)| (Label::Failure(failure.clone()), *count));
        let labels: Vec<(usize, u64)> = refused
            .chain(failures)
            .map(|(label, count)| (self.number(label), count))
            .collect();
        let counts = &*page.counts;
        let labels = &*labels;
        let added = Added {
            from,
            to,
            counts,
            labels,
        };
        self.short.add(added, ready);
        self.minutes.add(added, ready);
        self.before.add(
            Added {
                labels: &[],
                ..added
            },
            ready,
        );
    }

    /// Pods of one stage may see different labels.
    fn number(&mut self, label: Label) -> usize {
        let known = self.labels.iter().position(|known| *known == label);
        if let Some(known) = known {
            return known;
        }
        if self.labels.len() > 2 * MAX_LABELS {
            let other = Label::Failure(Failure {
                reason: OTHER.into(),
                status: None,
            });
            // The last one is for all others.
            let last = self.labels.len() - 1;
            self.labels[last] = other;
            return last;
        }
        self.labels.push(label);
        self.labels.len() - 1
    }

    /// The shortest window in which enough has happened, or the longest.
    pub fn window(&self, until: f64) -> Sum<ALL> {
        let head = self.short.until(until);
        for (slots, enough) in [(1, MANY), (2, ENOUGH)] {
            let first = head.saturating_sub(slots);
            let short = self.short.sum(first, head, self.since, until);
            if has(enough, &short) {
                return short;
            }
        }
        let head = self.minutes.until(until);
        let of = |minutes| {
            let first = head.saturating_sub(minutes);
            self.minutes.sum(first, head, self.since, until)
        };
        let shorter = (1..4).map(of).find(|sum| has(ENOUGH, sum));
        shorter.unwrap_or_else(|| of(4))
    }

    /// The hour before the window.
    pub fn before(&self, window: &Sum<ALL>, until: f64, slot: u16) -> Option<Baseline> {
        let end = self.before.from((until - window.seconds).max(0.0));
        let last = end.checked_sub(1)?;
        let sum = self.before.sum(0, last, self.since, until);
        let kept = u32::try_from(BEFORE).unwrap_or(u32::MAX);
        let slots = (last.saturating_sub(kept)..=last).rev();
        let slots = slots.map(|index| self.before.sum(index, index, self.since, until));
        let slots: Vec<_> = slots.filter(|slot| slot.seconds > 0.0).collect();
        let median = quantile(0.5, &window.counts[RUNS], &RUN_SECONDS);
        let usual = Usual {
            runs: usual_runs(&slots, median.unwrap_or_default().as_secs_f64()),
            arrivals: usual_arrivals(&slots, window.counts[BY_PRODUCERS] / window.seconds),
        };
        baseline(&sum, &usual, slot)
    }
}

fn has(enough: f64, sum: &Sum<ALL>) -> bool {
    let runs: f64 = sum.counts[series::RUNS_SUCCEEDED..=series::RUNS_UNREACHABLE]
        .iter()
        .sum();
    let answers: f64 = sum.counts[series::DONE..=series::TOO_LARGE].iter().sum();
    // Shares of counts don't add up to the last digit.
    runs.max(answers) > enough - 0.5
}

/// The window and the hour before, of a stage on which nothing happens.
pub(super) fn silence(since: f64, until: f64, slot: u16) -> (Sum<ALL>, Option<Baseline>) {
    let seconds = (until - since).min(LONGEST_WINDOW);
    let window = Sum {
        seconds,
        counts: [0.0; ALL],
        labels: Vec::new(),
    };
    let before = Sum {
        seconds: (until - since - seconds).min(12.0 * f64::from(slot)),
        counts: [0.0; BASELINE],
        labels: Vec::new(),
    };
    (window, baseline(&before, &Usual::default(), slot))
}

/// The slots of the hour before that show what is usual.
#[derive(Default)]
struct Usual<'a> {
    runs: Vec<&'a Sum<BASELINE>>,
    arrivals: &'a [Sum<BASELINE>],
}

/// Of the hour before, and of its slots that show what is usual.
fn baseline(sum: &Sum<BASELINE>, usual: &Usual<'_>, slot: u16) -> Option<Baseline> {
    let fewest = FEWEST_SLOTS * f64::from(slot);
    if sum.seconds < fewest {
        return None;
    }
    let mut runs = [0.0; RUNS.end - RUNS.start];
    let seconds: f64 = usual.runs.iter().map(|slot| slot.seconds).sum();
    for usual in usual.runs.iter().filter(|_| seconds >= fewest) {
        for (sum, count) in runs.iter_mut().zip(&usual.counts[RUNS]) {
            *sum += count;
        }
    }
    let seconds: f64 = usual.arrivals.iter().map(|slot| slot.seconds).sum();
    let arrived: f64 = usual
        .arrivals
        .iter()
        .map(|slot| slot.counts[BY_PRODUCERS])
        .sum();
    let (arrived, seconds) = if seconds >= fewest {
        (arrived, seconds)
    } else {
        (sum.counts[BY_PRODUCERS], sum.seconds)
    };
    Some(Baseline {
        window: Duration::from_secs_f64(sum.seconds),
        producer_per_second: arrived / seconds,
        runs: whole(runs.iter().sum()),
        p95: quantile(0.95, &runs, &RUN_SECONDS),
    })
}

/// What has happened in the window.
pub(super) fn numbers(window: &Sum<ALL>, labels: &[Label]) -> WorkerNumbers {
    let count = |place: usize| whole(window.counts[place]);
    let runs = &window.counts[RUNS];
    let timed_out = window.counts[series::RUNS_TIMED_OUT];
    let (mut failures, mut refused) = (Vec::new(), BTreeMap::new());
    for (label, number) in labels.iter().zip(&window.labels) {
        let count = whole(*number);
        match label {
            _ if count == 0 => {}
            Label::Refused(reason) => drop(refused.insert(reason.to_string(), count)),
            Label::Failure(Failure { reason, status }) => failures.push(FailureCount {
                reason: reason.to_string(),
                status: *status,
                count,
            }),
        }
    }
    failures.sort_by(|one, other| {
        let by_count = other.count.cmp(&one.count);
        by_count.then_with(|| (&one.reason, one.status).cmp(&(&other.reason, other.status)))
    });
    WorkerNumbers {
        window: Duration::from_secs_f64(window.seconds),
        age: Duration::ZERO,
        pods_asked: 0,
        silent_for: Duration::ZERO,
        runs: Runs {
            succeeded: count(series::RUNS_SUCCEEDED),
            failed: count(series::RUNS_FAILED),
            timed_out: count(series::RUNS_TIMED_OUT),
            unreachable: count(series::RUNS_UNREACHABLE),
            failures,
            p50: quantile(0.5, runs, &RUN_SECONDS),
            p95: quantile(0.95, runs, &RUN_SECONDS),
            in_time_p50: quantile_in_time(0.5, runs, timed_out),
            in_time_p95: quantile_in_time(0.95, runs, timed_out),
        },
        arrivals: Arrivals {
            producer: count(BY_PRODUCERS),
            hand_over: count(series::BY_HAND_OVERS),
        },
        answers: Answers {
            done: count(series::DONE),
            failed: count(series::ATTEMPT_FAILED),
            not_handed_on: count(series::NOT_HANDED_ON),
            not_notified: count(series::NOT_NOTIFIED),
            unknown: count(series::UNKNOWN),
            no_room: count(series::NO_ROOM),
            held: count(series::HELD),
            too_large: count(series::TOO_LARGE),
        },
        handed_on: count(series::TASKS_HANDED_ON),
        isolated: Isolated {
            share: count(series::ISOLATED_FOR_SHARE),
            failures: count(series::ISOLATED_FOR_FAILURES),
        },
        put_off: count(series::TASKS_PUT_OFF),
        parked: count(series::TASKS_PARKED),
        not_parked: count(series::TASKS_NOT_PARKED),
        refused,
        lag_p95: quantile(0.95, &window.counts[LAGS], &LAG_SECONDS),
        expiring: count(series::PUSHES_EXPIRING),
        creates_failed: count(series::CREATES),
        look_ups_failed: count(series::LOOK_UPS),
        isolated_categories: 0,
        pods_holding: 0,
        runs_in_progress: 0,
        run_slots: 0,
        before: None,
    }
}

/// The quantile of the runs that ended in time: those that timed out are the longest.
fn quantile_in_time(q: f64, runs: &[f64], timed_out: f64) -> Option<Duration> {
    let all: f64 = runs.iter().sum();
    let in_time = all - timed_out;
    if in_time < 0.5 {
        return None;
    }
    quantile(q * in_time / all, runs, &RUN_SECONDS)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and counts are not negative"
)]
pub(super) fn whole(count: f64) -> u64 {
    count.round() as u64
}
