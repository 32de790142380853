//! Counters: for Prometheus, and for whoever runs a worker in his own process.

use std::sync::atomic::AtomicU64;

use decide::{Answer, Outcome, RunResult};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::config::Config;
use crate::identity::Refused;

/// What a worker counts, from its start.
#[derive(Debug)]
pub struct Stats {
    registry: Registry,
    pub(crate) runs_started: Counter,
    pub(crate) runs_under_way: Gauge,
    pub(crate) pushes_under_way: Gauge,
    callers_waiting: Gauge,
    pub(crate) run_seconds: Histogram,
    pub(crate) create_seconds: Histogram,
    pub(crate) creates_failed: Counter,
    pub(crate) look_ups_failed: Counter,
    pub(crate) found_done: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) unanswered: Counter,
    pub(crate) ledgers_ignored: Counter,
    pub(crate) handed_on: Counter,
    attempts: Family<OutcomeLabel, Counter>,
    notifications: Family<OutcomeLabel, Counter>,
    answers: Family<AnswerLabel, Counter>,
    pushes_refused: Family<ReasonLabel, Counter>,
    key_fetches: Family<OutcomeLabel, Counter>,
    pub(crate) connected: Gauge<u64, AtomicU64>,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Runs of the handler that were begun.
    pub runs_started: u64,
    /// Runs under way now.
    pub runs_under_way: u64,
    /// Pushes under way now, runs included.
    pub pushes_under_way: u64,
    /// Callers that wait for an answer. Where a caller hangs up, its push stays in work.
    pub callers_waiting: u64,
    /// Runs that succeeded.
    pub attempts_succeeded: u64,
    /// Runs that failed otherwise than by time-out.
    pub attempts_failed: u64,
    /// Runs that took too long.
    pub attempts_timed_out: u64,
    /// Runs that could not begin, because the handler did not accept a connection. No attempts.
    pub handler_unreachable: u64,
    /// Tasks handed on to another stage.
    pub handed_on: u64,
    /// Notifications of a success.
    pub notified_succeeded: u64,
    /// Notifications of a failure.
    pub notified_failed: u64,
    /// Creates of the next task or a notification that Cloud Tasks did not confirm.
    pub creates_failed: u64,
}

/// A caller that waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    answer: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";
const TIMED_OUT: &str = "timeout";
const UNREACHABLE: &str = "unreachable";

impl Stats {
    pub(crate) fn new(config: &Config) -> Self {
        let labels = [
            ("chain".into(), config.policy.chain.clone().into()),
            (
                "stage".into(),
                config.policy.stage.as_str().to_owned().into(),
            ),
        ];
        // A handler takes from a millisecond to half an hour; a create some milliseconds to 10 s.
        let run_seconds = Histogram::new(exponential_buckets(0.001, 4.0, 11));
        let create_seconds = Histogram::new(exponential_buckets(0.001, 4.0, 8));
        let mut stats = Self {
            registry: Registry::with_prefix_and_labels("executor_worker", labels.into_iter()),
            runs_started: Counter::default(),
            runs_under_way: Gauge::default(),
            pushes_under_way: Gauge::default(),
            callers_waiting: Gauge::default(),
            run_seconds,
            create_seconds,
            creates_failed: Counter::default(),
            look_ups_failed: Counter::default(),
            found_done: Counter::default(),
            duplicates: Counter::default(),
            unanswered: Counter::default(),
            ledgers_ignored: Counter::default(),
            handed_on: Counter::default(),
            attempts: Family::default(),
            notifications: Family::default(),
            answers: Family::default(),
            pushes_refused: Family::default(),
            key_fetches: Family::default(),
            connected: Gauge::default(),
        };
        stats.register();
        stats.register_identity();
        stats
    }

    fn register_identity(&mut self) {
        self.registry.register(
            "pushes_refused",
            "Pushes refused for their token, by reason",
            self.pushes_refused.clone(),
        );
        self.registry.register(
            "key_fetches",
            "Fetches of the keys that tokens are verified with",
            self.key_fetches.clone(),
        );
    }

    fn register(&mut self) {
        let Self {
            registry,
            runs_started,
            runs_under_way,
            pushes_under_way,
            callers_waiting,
            run_seconds,
            create_seconds,
            creates_failed,
            look_ups_failed,
            found_done,
            duplicates,
            unanswered,
            ledgers_ignored,
            handed_on,
            attempts,
            notifications,
            answers,
            pushes_refused: _,
            key_fetches: _,
            connected,
        } = self;
        let counters = [
            ("runs_started", "Runs of the handler begun", runs_started),
            (
                "creates_failed",
                "Next tasks and notifications that Cloud Tasks did not confirm",
                creates_failed,
            ),
            (
                "look_ups_failed",
                "Look-ups that Cloud Tasks did not answer",
                look_ups_failed,
            ),
            (
                "found_done",
                "Pushes of tasks that an earlier dispatch had finished here",
                found_done,
            ),
            (
                "duplicates",
                "Pushes of a task that was in work here when they came",
                duplicates,
            ),
            (
                "pushes_after_silence",
                "Pushes of tasks that have dispatches without a counted answer",
                unanswered,
            ),
            (
                "ledgers_ignored",
                "Ledgers that were damaged or another task's",
                ledgers_ignored,
            ),
            ("handed_on", "Tasks handed on to another stage", handed_on),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges = [
            ("runs_under_way", "Runs of the handler now", runs_under_way),
            ("pushes_under_way", "Pushes in work now", pushes_under_way),
            (
                "callers_waiting",
                "Callers that wait for an answer; pushes in work beyond these were hung up on",
                callers_waiting,
            ),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        registry.register_with_unit(
            "run_duration",
            "How long runs of the handler took",
            Unit::Seconds,
            run_seconds.clone(),
        );
        registry.register_with_unit(
            "create_duration",
            "How long it took to create a next task or a notification, retries included",
            Unit::Seconds,
            create_seconds.clone(),
        );
        registry.register(
            "attempts",
            "Runs of the handler by outcome",
            attempts.clone(),
        );
        registry.register(
            "notifications",
            "Notifications created",
            notifications.clone(),
        );
        registry.register("answers", "Answers to pushes", answers.clone());
        registry.register(
            "connected",
            "Whether the worker has reached Cloud Tasks since its start",
            connected.clone(),
        );
    }

    /// Counts a caller until the value is dropped, which happens too when it hangs up.
    pub(crate) fn caller(&self) -> Waiting {
        self.callers_waiting.inc();
        Waiting(self.callers_waiting.clone())
    }

    pub(crate) fn ran(&self, run: &RunResult) {
        let outcome = match run {
            RunResult::Succeeded { .. } => SUCCEEDED,
            RunResult::Failed(failure) if failure.reason == decide::Reason::TIMEOUT => TIMED_OUT,
            RunResult::Failed(_) => FAILED,
            RunResult::Unreachable => UNREACHABLE,
        };
        self.attempts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub(crate) fn notified(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Succeeded => SUCCEEDED,
            Outcome::Failed => FAILED,
        };
        self.notifications
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
    }

    /// Counts a push that was refused for its token.
    pub(crate) fn refused(&self, why: Refused) {
        let label = ReasonLabel {
            reason: why.as_str(),
        };
        self.pushes_refused.get_or_create(&label).inc();
    }

    /// Counts a fetch of keys.
    pub(crate) fn keys_fetched(&self, succeeded: bool) {
        let outcome = if succeeded { SUCCEEDED } else { FAILED };
        self.key_fetches
            .get_or_create(&OutcomeLabel { outcome })
            .inc();
    }

    pub(crate) fn answered(&self, answer: Answer) {
        self.answers
            .get_or_create(&AnswerLabel {
                answer: answer.as_str(),
            })
            .inc();
    }

    /// The counters now.
    pub fn snapshot(&self) -> Snapshot {
        let attempts = |outcome| count(&self.attempts, &OutcomeLabel { outcome });
        let notifications = |outcome| count(&self.notifications, &OutcomeLabel { outcome });
        Snapshot {
            runs_started: self.runs_started.get(),
            runs_under_way: u64::try_from(self.runs_under_way.get()).unwrap_or(0),
            pushes_under_way: u64::try_from(self.pushes_under_way.get()).unwrap_or(0),
            callers_waiting: u64::try_from(self.callers_waiting.get()).unwrap_or(0),
            attempts_succeeded: attempts(SUCCEEDED),
            attempts_failed: attempts(FAILED),
            attempts_timed_out: attempts(TIMED_OUT),
            handler_unreachable: attempts(UNREACHABLE),
            handed_on: self.handed_on.get(),
            notified_succeeded: notifications(SUCCEEDED),
            notified_failed: notifications(FAILED),
            creates_failed: self.creates_failed.get(),
        }
    }

    /// How many pushes were answered so.
    pub fn answers(&self, answer: Answer) -> u64 {
        count(
            &self.answers,
            &AnswerLabel {
                answer: answer.as_str(),
            },
        )
    }

    /// How many pushes were refused for their token, for a reason such as `audience`.
    pub fn refusals(&self, reason: &'static str) -> u64 {
        count(&self.pushes_refused, &ReasonLabel { reason })
    }

    /// The counters in Prometheus' text format.
    pub fn prometheus(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.registry).expect("writing into a String does not fail");
        page
    }
}

fn count<L>(family: &Family<L, Counter>, label: &L) -> u64
where
    L: Clone + Eq + std::hash::Hash,
{
    family.get(label).map_or(0, |counter| counter.get())
}
