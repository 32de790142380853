//! The numbers of a stage: of its queue, and of its workers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::seconds;

/// What Cloud Tasks says of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueNumbers {
    /// Tasks in the queue, those included that are scheduled for later.
    pub tasks: u64,
    /// When the first task is or was due; `None` if there is none, or Cloud Tasks doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_due: Option<Timestamp>,
    /// For how long the first task had been due when the numbers were read: 0 if it is scheduled for
    /// later. `None` if [`first_due`](Self::first_due) is.
    #[serde(
        default,
        rename = "lagSeconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub lag: Option<Duration>,
    /// Dispatches in the last minute.
    pub executed_last_minute: u64,
    /// Dispatches that wait for a response.
    pub in_flight: u64,
    /// Dispatches a second that Cloud Tasks allows at present. Below the queue's limit it throttles.
    pub effective_rate: f64,
}

/// What the workers of a stage have done in a window of time. Counts are those of the pods that were
/// asked, scaled to all ready pods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerNumbers {
    /// The time that the counts cover: from 10 seconds to 5 minutes, the shorter the more happens. Less in
    /// the first seconds.
    #[serde(rename = "windowSeconds", with = "seconds")]
    pub window: Duration,
    /// How long ago the window ended: when a pod was last asked. No part of the API, where it would make each
    /// answer a new one.
    #[serde(skip)]
    pub age: Duration,
    /// Pods that were asked in this time.
    pub pods_asked: u32,
    /// For how long none of them has got a push.
    #[serde(default, rename = "silentSeconds", with = "seconds")]
    pub silent_for: Duration,
    /// Runs of the handler that have ended.
    pub runs: Runs,
    /// First dispatches of tasks.
    pub arrivals: Arrivals,
    /// Answers to pushes. Their sum is the number of dispatches that have arrived.
    pub answers: Answers,
    /// Tasks that were handed over to another stage.
    pub handed_on: u64,
    /// Those of them whose category was isolated.
    #[serde(default)]
    pub isolated: Isolated,
    /// Tasks that come again later on the same stage, as their handler asked.
    #[serde(default)]
    pub put_off: u64,
    /// Tasks that ended without a success, and were parked.
    #[serde(default)]
    pub parked: u64,
    /// Tasks that should have been parked: the parking queue doesn't exist, or doesn't take them.
    #[serde(default)]
    pub not_parked: u64,
    /// Pushes refused for their token, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// How late pushes were: the 95th percentile. `None` without pushes.
    #[serde(
        default,
        rename = "lagP95Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub lag_p95: Option<Duration>,
    /// Pushes of tasks that are handed over with the reason `expired` within a day, if nothing changes.
    pub expiring: u64,
    /// Next tasks and notifications that Cloud Tasks did not confirm.
    #[serde(default)]
    pub creates_failed: u64,
    /// Lookups that Cloud Tasks did not answer.
    #[serde(default)]
    pub look_ups_failed: u64,
    /// Categories that are isolated because they fail, when the pods were asked: the most of any pod.
    #[serde(default)]
    pub isolated_categories: u32,
    /// Ready pods that hold because their handler fails for nearly all tasks, when they were asked.
    #[serde(default)]
    pub pods_holding: u32,
    /// Runs in progress, when the pods were asked.
    pub runs_in_progress: u64,
    /// Runs that all ready pods can have in progress at once.
    pub run_slots: u64,
    /// The hour before the window. `None` if less than ten minutes of it are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Baseline>,
}

/// Runs of the handler that have ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// Successes.
    pub succeeded: u64,
    /// Failures, without time-outs.
    pub failed: u64,
    /// Time-outs.
    pub timed_out: u64,
    /// Runs that could not start because the handler accepted no connection.
    pub unreachable: u64,
    /// Failures and time-outs by what the handler answered, most frequent first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailureCount>,
    /// The median duration. `None` without runs.
    #[serde(
        default,
        rename = "p50Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub p50: Option<Duration>,
    /// The 95th percentile.
    #[serde(
        default,
        rename = "p95Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub p95: Option<Duration>,
    /// The median of the runs that ended in time. `None` without any.
    #[serde(
        default,
        rename = "inTimeP50Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub in_time_p50: Option<Duration>,
    /// Their 95th percentile.
    #[serde(
        default,
        rename = "inTimeP95Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub in_time_p95: Option<Duration>,
}

/// How often the handler has failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureCount {
    /// The handler's reason, or the worker's: `timeout`, `connection`, `redirect`, `tls`, `status`; or
    /// `other`, for all after the first 16 that a worker has seen.
    pub reason: String,
    /// The handler's status, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How often.
    pub count: u64,
}

/// First dispatches of tasks, by who has created them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arrivals {
    /// By producers.
    pub producer: u64,
    /// By another stage.
    pub hand_over: u64,
}

/// Tasks that were handed over because their category was isolated, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Isolated {
    /// The category held its share of the run slots.
    pub share: u64,
    /// Its runs failed where others didn't.
    pub failures: u64,
}

/// Answers of workers to pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// 200: nothing is left to do.
    pub done: u64,
    /// 477: the attempt failed.
    pub failed: u64,
    /// 596: the next task is not created yet.
    pub not_handed_on: u64,
    /// 597: the notification is not created yet.
    pub not_notified: u64,
    /// 500: the push has no valid token, or what it needs of Cloud Tasks failed: a lookup before its run, or
    /// the next task of a route or a verdict.
    pub unknown: u64,
    /// 503: all run slots are taken.
    pub no_room: u64,
    /// 503: the worker holds, because its handler fails for nearly all tasks.
    #[serde(default)]
    pub held: u64,
    /// 413: the body is too large.
    pub too_large: u64,
}

/// What a stage was like in the hour before the window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Baseline {
    /// The time that it covers, at most an hour.
    #[serde(rename = "windowSeconds", with = "seconds")]
    pub window: Duration,
    /// Tasks a second that producers have created, before a surge that came at once.
    pub producer_per_second: f64,
    /// Runs that have ended in the part of it that shows how long runs usually take: if they became slow at
    /// once, before that.
    pub runs: u64,
    /// The 95th percentile of their duration. `None` without runs.
    #[serde(
        default,
        rename = "p95Seconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub p95: Option<Duration>,
}

impl WorkerNumbers {
    /// Pushes a second that have arrived.
    pub fn dispatches_per_second(&self) -> f64 {
        self.per_second(self.answers.all())
    }

    /// A count of the window as a rate.
    #[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
    pub fn per_second(&self, count: u64) -> f64 {
        let seconds = self.window.as_secs_f64();
        if seconds > 0.0 {
            count as f64 / seconds
        } else {
            0.0
        }
    }
}

impl Runs {
    /// Runs that have failed, time-outs included.
    pub fn all_failed(&self) -> u64 {
        self.failed + self.timed_out
    }

    /// Attempts that have ended.
    pub fn attempts(&self) -> u64 {
        self.succeeded + self.all_failed()
    }

    /// The share of attempts that failed, from 0 to 1; `None` without attempts.
    #[expect(clippy::cast_precision_loss, reason = "counts of minutes")]
    pub fn failing(&self) -> Option<f64> {
        let attempts = self.attempts();
        (attempts > 0).then(|| self.all_failed() as f64 / attempts as f64)
    }
}

impl Answers {
    /// All of them.
    pub fn all(&self) -> u64 {
        let Self {
            done,
            failed,
            not_handed_on,
            not_notified,
            unknown,
            no_room,
            held,
            too_large,
        } = self;
        done + failed + not_handed_on + not_notified + unknown + no_room + held + too_large
    }
}
