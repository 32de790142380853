//! Metrics: for Prometheus, and for programs that run a worker in their own process.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use decide::{Answer, EndCause, IsolationCause, Outcome, RunResult, TaskOrigin, TaskReason};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};
use worker_contract::metrics::{
    ANSWERS, ARRIVALS, ATTEMPTS, CHAIN, CONCURRENCY_LIMIT, CREATES_FAILED, EXPIRING, FAILED,
    FAILING, FAILURES, HANDED_ON, HOLDING, ISOLATED, ISOLATED_CATEGORIES, LAG, LAG_SECONDS,
    LOOK_UPS_FAILED, NOT_PARKED, PARKED, PREFIX, PUSHES_REFUSED, PUT_OFF, RUN_DURATION,
    RUN_SECONDS, RUNS_UNDER_WAY, SHARE, STAGE, SUCCEEDED, TIMED_OUT, UNREACHABLE,
};

use super::failures::Failures;

/// The metrics of a worker since its start.
#[derive(Debug)]
pub struct WorkerMetrics {
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
    pub(crate) expiring: Counter,
    bad_days: BadDayMetrics,
    parking: ParkingMetrics,
    lag_seconds: Histogram,
    arrivals: Family<OriginLabel, Counter>,
    attempts: Family<OutcomeLabel, Counter>,
    failures: Failures,
    notifications: Family<OutcomeLabel, Counter>,
    answers: Family<AnswerLabel, Counter>,
    pushes_refused: Family<ReasonLabel, Counter>,
    key_fetches: Family<OutcomeLabel, Counter>,
    pub(crate) connected: Gauge<u64, AtomicU64>,
}

/// The metrics at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MetricsSnapshot {
    /// Runs of the handler that have started.
    pub runs_started: u64,
    /// Runs in progress now.
    pub runs_under_way: u64,
    /// Pushes in flight now, including runs.
    pub pushes_under_way: u64,
    /// Callers that wait for an answer. If a caller disconnects, its push stays in flight.
    pub callers_waiting: u64,
    /// Pushes that have got an answer.
    pub answered: u64,
    /// Runs that succeeded.
    pub attempts_succeeded: u64,
    /// Runs that failed, without time-outs.
    pub attempts_failed: u64,
    /// Runs that timed out.
    pub attempts_timed_out: u64,
    /// Runs that could not start because the handler accepted no connection. Not attempts.
    pub handler_unreachable: u64,
    /// Tasks handed over to another stage.
    pub handed_on: u64,
    /// Notifications of a success.
    pub notified_succeeded: u64,
    /// Notifications of a failure.
    pub notified_failed: u64,
    /// Creates of a next task or a notification that Cloud Tasks did not confirm.
    pub creates_failed: u64,
}

/// A caller that waits for an answer.
#[derive(Debug)]
pub(crate) struct WaitingCaller(Gauge);

impl Drop for WaitingCaller {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// [`worker_contract::metrics::OUTCOME`] is its field's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// [`worker_contract::metrics::ORIGIN`] is its field's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabel {
    origin: &'static str,
}

/// [`worker_contract::metrics::ANSWER`] is its field's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    answer: &'static str,
}

/// [`worker_contract::metrics::REASON`] is its field's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// [`worker_contract::metrics::CAUSE`] is its field's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CauseLabel {
    cause: &'static str,
}

/// A new metric, registered.
fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn register_seconds(
    registry: &mut Registry,
    name: &str,
    help: &str,
    buckets: impl IntoIterator<Item = f64>,
) -> Histogram {
    let metric = Histogram::new(buckets);
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

/// Both series from the start: a rate misses what a series begins with.
fn register_arrivals(registry: &mut Registry) -> Family<OriginLabel, Counter> {
    let help = "Tasks that arrived on the stage, by who created them: first dispatches";
    let arrivals: Family<OriginLabel, Counter> = register(registry, ARRIVALS, help);
    for origin in TaskOrigin::ALL {
        drop(arrivals.get_or_create(&OriginLabel::of(origin)));
    }
    arrivals
}

impl OriginLabel {
    fn of(origin: TaskOrigin) -> Self {
        let origin = origin.as_str();
        Self { origin }
    }
}

/// What a stage does on bad days.
#[derive(Debug)]
struct BadDayMetrics {
    put_off: Counter,
    isolated: Family<CauseLabel, Counter>,
    isolated_categories: Gauge,
    holding: Gauge,
}

impl BadDayMetrics {
    fn register(r: &mut Registry) -> Self {
        Self {
            put_off: register(
                r,
                PUT_OFF,
                "Tasks that were put off, as their handler asked",
            ),
            isolated: register(
                r,
                ISOLATED,
                "Tasks that were handed over because their category is isolated, by cause",
            ),
            isolated_categories: register(
                r,
                ISOLATED_CATEGORIES,
                "Categories that are isolated because they fail",
            ),
            holding: register(
                r,
                HOLDING,
                "Whether the worker holds because its handler fails for nearly all tasks",
            ),
        }
    }
}

/// What a stage parks.
#[derive(Debug)]
struct ParkingMetrics {
    parked: Family<CauseLabel, Counter>,
    not_parked: Counter,
}

impl ParkingMetrics {
    fn register(r: &mut Registry) -> Self {
        Self {
            parked: register(
                r,
                PARKED,
                "Tasks that ended without a success and were parked, by cause",
            ),
            not_parked: register(
                r,
                NOT_PARKED,
                "Tasks that ended without being parked: the parking queue doesn't exist or refuses them",
            ),
        }
    }
}

impl CauseLabel {
    fn of_end(cause: EndCause) -> Self {
        let cause = cause.label();
        Self { cause }
    }

    fn of(cause: IsolationCause) -> Self {
        let cause = match cause {
            IsolationCause::Share => SHARE,
            IsolationCause::Failures => FAILING,
        };
        Self { cause }
    }
}

impl WorkerMetrics {
    pub(crate) fn new(chain: &str, stage: &str, concurrency: u32) -> Self {
        let labels = [
            (CHAIN.into(), chain.to_owned().into()),
            (STAGE.into(), stage.to_owned().into()),
        ];
        let mut registry = Registry::with_prefix_and_labels(PREFIX, labels.into_iter());
        let r = &mut registry;
        let limit = ConstGauge::new(concurrency);
        r.register(
            CONCURRENCY_LIMIT,
            "Maximum of concurrent runs of the handler",
            limit,
        );
        Self {
            runs_started: register(r, "runs_started", "Runs of the handler started"),
            creates_failed: register(
                r,
                CREATES_FAILED,
                "Next tasks and notifications that Cloud Tasks did not confirm",
            ),
            look_ups_failed: register(
                r,
                LOOK_UPS_FAILED,
                "Lookups that Cloud Tasks did not answer",
            ),
            found_done: register(
                r,
                "found_done",
                "Pushes of tasks that an earlier dispatch had finished here",
            ),
            duplicates: register(
                r,
                "duplicates",
                "Pushes of a task that was already in flight here",
            ),
            unanswered: register(
                r,
                "pushes_after_silence",
                "Pushes of tasks whose earlier dispatch got no answer or a 5xx",
            ),
            ledgers_ignored: register(
                r,
                "ledgers_ignored",
                "Ledgers that were damaged or another task's",
            ),
            handed_on: register(r, HANDED_ON, "Tasks handed over to another stage"),
            expiring: register(
                r,
                EXPIRING,
                "Pushes of tasks that expire within a day if their pushes continue at the current intervals",
            ),
            bad_days: BadDayMetrics::register(r),
            parking: ParkingMetrics::register(r),
            runs_under_way: register(r, RUNS_UNDER_WAY, "Runs of the handler in progress"),
            pushes_under_way: register(r, "pushes_under_way", "Pushes in flight"),
            callers_waiting: register(
                r,
                "callers_waiting",
                "Callers that wait for an answer; the callers of the other pushes in flight have disconnected",
            ),
            run_seconds: register_seconds(
                r,
                RUN_DURATION,
                "Duration of the handler's runs",
                RUN_SECONDS,
            ),
            create_seconds: register_seconds(
                r,
                "create_duration",
                "Duration of creating a next task or a notification, retries included",
                exponential_buckets(0.001, 4.0, 8),
            ),
            lag_seconds: register_seconds(
                r,
                LAG,
                "Delay of pushes: from when a push was due until it arrived",
                LAG_SECONDS,
            ),
            arrivals: register_arrivals(r),
            attempts: register(r, ATTEMPTS, "Runs of the handler by outcome"),
            failures: Failures::register(r, FAILURES),
            notifications: register(r, "notifications", "Notifications created"),
            answers: register(r, ANSWERS, "Answers to pushes"),
            connected: register(
                r,
                "connected",
                "Whether the worker has connected to Cloud Tasks since its start",
            ),
            pushes_refused: register(
                r,
                PUSHES_REFUSED,
                "Pushes refused for their token, by reason",
            ),
            key_fetches: register(
                r,
                "key_fetches",
                "Fetches of the keys that tokens are verified with",
            ),
            registry,
        }
    }

    /// Counts a caller until the value is dropped, which also happens when the caller disconnects.
    pub(crate) fn caller(&self) -> WaitingCaller {
        self.callers_waiting.inc();
        WaitingCaller(self.callers_waiting.clone())
    }

    /// Counts a push that the rules judge. `arrival` is None on retries.
    pub(crate) fn received(&self, arrival: Option<TaskOrigin>, lag: Option<Duration>) {
        if let Some(origin) = arrival {
            self.arrivals.get_or_create(&OriginLabel::of(origin)).inc();
        }
        if let Some(lag) = lag {
            self.lag_seconds.observe(lag.as_secs_f64());
        }
    }

    pub(crate) fn attempted(&self, result: &RunResult) {
        let outcome = match result {
            RunResult::Succeeded { .. } => SUCCEEDED,
            RunResult::Failed(failure) => {
                self.failures.count(failure);
                if failure.reason == TaskReason::TIMEOUT {
                    TIMED_OUT
                } else {
                    FAILED
                }
            }
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
    pub(crate) fn refused(&self, reason: &'static str) {
        self.pushes_refused
            .get_or_create(&ReasonLabel { reason })
            .inc();
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

    /// Counts a task that leaves because its category is isolated.
    pub(crate) fn isolated(&self, cause: IsolationCause) {
        let isolated = &self.bad_days.isolated;
        isolated.get_or_create(&CauseLabel::of(cause)).inc();
    }

    /// Counts a task that was parked.
    pub(crate) fn parked(&self, cause: EndCause) {
        let parked = &self.parking.parked;
        parked.get_or_create(&CauseLabel::of_end(cause)).inc();
    }

    /// Counts a task that ended and couldn't be parked.
    pub(crate) fn not_parked(&self) {
        self.parking.not_parked.inc();
    }

    /// The number of tasks that were parked for this cause.
    pub fn parked_tasks(&self, cause: EndCause) -> u64 {
        count(&self.parking.parked, &CauseLabel::of_end(cause))
    }

    /// The number of tasks that ended and couldn't be parked.
    pub fn tasks_not_parked(&self) -> u64 {
        self.parking.not_parked.get()
    }

    /// Counts a task that was put off.
    pub(crate) fn put_off(&self) {
        self.bad_days.put_off.inc();
    }

    /// What the stage's health is now.
    pub(crate) fn health(&self, isolated_categories: usize, is_holding: bool) {
        let count = i64::try_from(isolated_categories).unwrap_or(i64::MAX);
        self.bad_days.isolated_categories.set(count);
        self.bad_days.holding.set(i64::from(is_holding));
    }

    /// The number of tasks that left because their category is isolated, for this cause.
    pub fn isolated_tasks(&self, cause: IsolationCause) -> u64 {
        count(&self.bad_days.isolated, &CauseLabel::of(cause))
    }

    /// The metrics now.
    pub fn snapshot(&self) -> MetricsSnapshot {
        let attempts = |outcome| count(&self.attempts, &OutcomeLabel { outcome });
        let notifications = |outcome| count(&self.notifications, &OutcomeLabel { outcome });
        let gauge = |gauge: &Gauge| u64::try_from(gauge.get()).unwrap_or(0);
        MetricsSnapshot {
            runs_started: self.runs_started.get(),
            runs_under_way: gauge(&self.runs_under_way),
            pushes_under_way: gauge(&self.pushes_under_way),
            callers_waiting: gauge(&self.callers_waiting),
            answered: Answer::ALL.iter().map(|it| self.answers(*it)).sum(),
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

    /// The number of pushes with this answer.
    pub fn answers(&self, answer: Answer) -> u64 {
        count(
            &self.answers,
            &AnswerLabel {
                answer: answer.as_str(),
            },
        )
    }

    /// The number of tasks of this origin that arrived on the stage.
    pub fn arrivals(&self, origin: TaskOrigin) -> u64 {
        count(&self.arrivals, &OriginLabel::of(origin))
    }

    /// The number of pushes that were refused for their token, by a reason such as `audience`.
    pub fn refusals(&self, reason: &'static str) -> u64 {
        count(&self.pushes_refused, &ReasonLabel { reason })
    }

    /// The metrics in the `OpenMetrics` text format.
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Instant;

    use console::{Answers, Arrivals, Isolated, StageHistory, WorkerNumbers, WorkerPage};
    use decide::FailedAttempt;
    use worker_contract::metrics::{MAX_FAILURES, NOT_A_PUSH, OTHER};

    use super::*;

    fn failed(status: Option<u16>, reason: &str) -> RunResult {
        RunResult::Failed(FailedAttempt {
            status,
            verdict: None,
            reason: reason.parse().unwrap(),
            retry_after: None,
        })
    }

    /// What the operator knows of a stage of one worker, after ten seconds in which this has happened.
    fn numbers(happens: impl FnOnce(&WorkerMetrics)) -> WorkerNumbers {
        let metrics = WorkerMetrics::new("shop/orders", "fast", 7);
        let page = || {
            let page = metrics.prometheus();
            let other = WorkerPage::of_stage("shop/orders", "slow", &page);
            assert_eq!(other, None, "another stage");
            WorkerPage::of_stage("shop/orders", "fast", &page).expect("it is the worker's page")
        };
        let mut history = StageHistory::default();
        let (begin, time) = (Instant::now(), Duration::from_secs(10));
        history.retain_pods(&BTreeSet::from(["pod"]));
        history.add("pod", page(), begin);
        happens(&metrics);
        history.add("pod", page(), begin + time);
        let numbers = history.numbers(1, begin + time, time);
        numbers.value().expect("the pod was asked twice").clone()
    }

    #[test]
    fn the_operator_reads_each_number_from_the_page() {
        let numbers = numbers(|metrics| {
            let many = |times: usize, count: &dyn Fn()| (0..times).for_each(|_| count());
            many(1, &|| {
                metrics.attempted(&RunResult::Succeeded { status: 200 });
            });
            many(2, &|| metrics.attempted(&failed(Some(409), "no-stock")));
            many(3, &|| metrics.attempted(&failed(None, "timeout")));
            many(4, &|| metrics.attempted(&RunResult::Unreachable));
            for (times, answer) in Answer::ALL.into_iter().enumerate() {
                many(times + 5, &|| metrics.answered(answer));
            }
            let late = Some(Duration::from_mins(12));
            many(12, &|| metrics.received(Some(TaskOrigin::Producer), late));
            many(13, &|| metrics.received(Some(TaskOrigin::HandOver), None));
            many(14, &|| _ = metrics.handed_on.inc());
            many(15, &|| _ = metrics.expiring.inc());
            many(16, &|| metrics.refused("audience"));
            many(17, &|| metrics.refused(NOT_A_PUSH));
            many(18, &|| metrics.run_seconds.observe(0.3));
            many(19, &|| _ = metrics.creates_failed.inc());
            many(20, &|| _ = metrics.look_ups_failed.inc());
            many(5, &|| _ = metrics.runs_under_way.inc());
            many(21, &|| metrics.isolated(IsolationCause::Share));
            many(22, &|| metrics.isolated(IsolationCause::Failures));
            many(23, &|| metrics.put_off());
            metrics.health(24, true);
        });
        let runs = &numbers.runs;
        assert_eq!(
            (
                runs.succeeded,
                runs.failed,
                runs.timed_out,
                runs.unreachable
            ),
            (1, 2, 3, 4)
        );
        let failures = runs.failures.iter();
        let failures = failures.map(|it| (it.reason.as_str(), it.status, it.count));
        assert_eq!(
            failures.collect::<Vec<_>>(),
            [("timeout", None, 3), ("no-stock", Some(409), 2)]
        );
        let (p50, p95) = (runs.p50.unwrap(), runs.p95.unwrap());
        let bucket = Duration::from_millis(256)..Duration::from_millis(512);
        assert!(bucket.contains(&p50) && bucket.contains(&p95));
        let answers = Answers {
            done: 5,
            failed: 6,
            not_handed_on: 7,
            not_notified: 8,
            unknown: 9,
            no_room: 10,
            held: 11,
            too_large: 12,
        };
        assert_eq!(numbers.answers, answers);
        let arrivals = Arrivals {
            producer: 12,
            hand_over: 13,
        };
        assert_eq!(numbers.arrivals, arrivals);
        assert_eq!((numbers.handed_on, numbers.expiring), (14, 15));
        assert_eq!((numbers.creates_failed, numbers.look_ups_failed), (19, 20));
        assert_eq!(numbers.refused, [("audience".to_owned(), 16)].into());
        let lag = numbers.lag_p95.unwrap();
        assert!(lag > Duration::from_mins(5) && lag < Duration::from_mins(15));
        assert_eq!((numbers.runs_in_progress, numbers.run_slots), (5, 7));
        let isolated = Isolated {
            share: 21,
            failures: 22,
        };
        assert_eq!((numbers.isolated, numbers.put_off), (isolated, 23));
        assert_eq!((numbers.isolated_categories, numbers.pods_holding), (24, 1));
    }

    #[test]
    fn a_handler_that_gives_each_task_a_reason_of_its_own_gets_few_series() {
        let numbers = numbers(|metrics| {
            for task in 0..1000 {
                metrics.attempted(&failed(Some(500), &format!("task-{task}")));
            }
            // Those that were there first, and the worker's own, still count as themselves.
            metrics.attempted(&failed(Some(500), "task-3"));
            metrics.attempted(&failed(None, "timeout"));
            metrics.attempted(&failed(None, "timeout"));
        });
        let failures = &numbers.runs.failures;
        assert_eq!(failures.len(), MAX_FAILURES + 2);
        let of = |reason: &str| {
            let found = failures.iter().find(|it| it.reason == reason);
            found.map(|it| (it.status, it.count))
        };
        assert_eq!(of(OTHER), Some((None, 1000 - 16)));
        assert_eq!(of("task-3"), Some((Some(500), 2)));
        assert_eq!(of("timeout"), Some((None, 2)));
        assert_eq!(of("task-16"), None);
    }
}
