//! What the workers of one stage have counted in the last hour.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::page::WorkerPage;
use super::traffic::{BEFORE, Traffic, numbers, silence};
use crate::model::{Known, Unknown, WorkerNumbers};

/// The seconds of a slot of the hour before the window: a twelfth of it.
pub const BASELINE_SLOT: u16 = 300;
/// For so many periods numbers count as present.
const STALE_AFTER: u32 = 3;
/// So many pods of a stage are asked in a period, in turn.
const PODS_PER_PERIOD: u32 = 3;

/// What the workers of one stage do by themselves on a bad day, as each was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Categories that are isolated because they fail: the most of any pod. Each pod finds out for itself.
    pub isolated_categories: u32,
    /// Ready pods that hold, estimated from those that were asked.
    pub pods_holding: u32,
}

/// What the workers of one stage have counted in the last hour.
#[derive(Debug, Clone)]
pub struct StageHistory {
    /// Seconds: [`BASELINE_SLOT`], unless a test can't wait for so long.
    baseline_slot: u16,
    /// Times are seconds since then.
    begin: Option<Instant>,
    pods: Vec<Pod>,
    /// The ready pods, of which some are asked in each period.
    ready: u16,
    /// `None` while nothing happens.
    traffic: Option<Box<Traffic>>,
}

#[derive(Debug, Clone)]
struct Pod {
    name: Box<str>,
    first_asked: f64,
    asked: f64,
    page: WorkerPage,
}

impl Default for StageHistory {
    fn default() -> Self {
        Self::with_baseline_slot(BASELINE_SLOT)
    }
}

impl StageHistory {
    /// One whose hour before the window is shorter: twelve slots of so many seconds.
    pub fn with_baseline_slot(seconds: u16) -> Self {
        Self {
            baseline_slot: seconds,
            begin: None,
            pods: Vec::new(),
            ready: 0,
            traffic: None,
        }
    }

    /// A pod has served this page. The first one of a pod counts nothing: it has no known time.
    pub fn add(&mut self, pod: &str, page: WorkerPage, now: Instant) {
        let now = self.seconds(now);
        let Some(at) = self.pods.iter().position(|known| &*known.name == pod) else {
            self.pods.push(Pod {
                name: pod.into(),
                first_asked: now,
                asked: now,
                page,
            });
            return;
        };
        let known = &mut self.pods[at];
        let (from, to) = (known.asked, now);
        if to <= from {
            return;
        }
        let added = page.since(&known.page);
        known.page = page;
        if !added.is_idle() && self.traffic.is_none() {
            let asked = self.pods.iter().map(|pod| (pod.first_asked, pod.asked));
            self.traffic =
                Traffic::after_silence(asked, self.ready(), self.baseline_slot).map(Box::new);
        }
        self.pods[at].asked = to;
        let ready = self.ready();
        if let Some(traffic) = &mut self.traffic {
            if !added.is_idle() {
                traffic.last = to;
            }
            traffic.add(&added, from, to, ready);
            let kept =
                f64::from(self.baseline_slot) * f64::from(u8::try_from(BEFORE).unwrap_or(u8::MAX));
            if to - traffic.last > kept {
                self.traffic = None;
            }
        }
    }

    /// These are the ready pods of the stage. What was asked of the others stays in the counts.
    pub fn retain_pods(&mut self, pods: &BTreeSet<&str>) {
        self.pods.retain(|pod| pods.contains(&*pod.name));
        self.ready = u16::try_from(pods.len()).unwrap_or(u16::MAX);
    }

    /// The present numbers: of the shortest window in which enough has happened. Pods are asked once in
    /// `period`, a few at a time.
    pub fn numbers(&self, ready_pods: u32, now: Instant, period: Duration) -> Known<WorkerNumbers> {
        self.known(ready_pods, now, period).into()
    }

    fn known(
        &self,
        ready_pods: u32,
        now: Instant,
        period: Duration,
    ) -> Result<WorkerNumbers, Unknown> {
        if ready_pods == 0 {
            return Err(Unknown::NoPods);
        }
        let begin = self.begin.ok_or(Unknown::Pending)?;
        let now = now.saturating_duration_since(begin).as_secs_f64();
        let fresh = (period * STALE_AFTER).as_secs_f64();
        let asked = self.pods.iter().map(|pod| pod.asked);
        let until = asked.reduce(f64::max).ok_or(Unknown::Pending)?;
        if now - until > fresh {
            return Err(Unknown::Stale);
        }
        let first = self.pods.iter().map(|pod| pod.first_asked);
        let since = first.fold(until, f64::min);
        let (window, before) = match &self.traffic {
            Some(traffic) => {
                let window = traffic.window(until);
                let before = traffic.before(&window, until, self.baseline_slot);
                (window, before)
            }
            None => silence(since, until, self.baseline_slot),
        };
        // Each pod was asked once.
        if window.seconds <= 0.0 {
            return Err(Unknown::Pending);
        }
        let labels = self.traffic.as_ref().map_or(&[][..], |it| &it.labels);
        let last = self.traffic.as_ref().map_or(since, |it| it.last);
        let in_window = |pod: &&Pod| pod.asked > until - window.seconds;
        let asked = self.pods.iter().filter(in_window).count();
        let (runs_in_progress, run_slots) = self.slots(ready_pods, now - fresh);
        let asked_since = now - turn(ready_pods, period).as_secs_f64();
        let health = self.health_since(ready_pods, asked_since);
        Ok(WorkerNumbers {
            age: Duration::from_secs_f64((now - until).max(0.0)),
            pods_asked: u32::try_from(asked).unwrap_or(u32::MAX),
            silent_for: Duration::from_secs_f64((until - last).max(0.0)),
            isolated_categories: health.isolated_categories,
            pods_holding: health.pods_holding,
            runs_in_progress,
            run_slots,
            before,
            ..numbers(&window, labels)
        })
    }

    /// The runs in progress of all ready pods, and their slots.
    fn slots(&self, ready_pods: u32, asked_since: f64) -> (u64, u64) {
        let runs = |page: &WorkerPage| u64::from(page.runs_in_progress);
        let slots = |page: &WorkerPage| u64::from(page.run_slots);
        (
            self.of_all(ready_pods, asked_since, runs),
            self.of_all(ready_pods, asked_since, slots),
        )
    }

    /// What its pods do by themselves on a bad day. `None` if none was asked lately.
    pub fn health(&self, ready_pods: u32, now: Instant, period: Duration) -> Option<Health> {
        let now = now.saturating_duration_since(self.begin?).as_secs_f64();
        let asked_since = now - turn(ready_pods, period).as_secs_f64();
        let is_known = self.fresh(asked_since).next().is_some();
        is_known.then(|| self.health_since(ready_pods, asked_since))
    }

    fn health_since(&self, ready_pods: u32, asked_since: f64) -> Health {
        let most = self
            .fresh(asked_since)
            .map(|pod| pod.page.isolated_categories)
            .max();
        let holding = |page: &WorkerPage| u64::from(page.is_holding);
        let holding = self.of_all(ready_pods, asked_since, holding);
        Health {
            isolated_categories: most.unwrap_or(0),
            pods_holding: u32::try_from(holding).unwrap_or(u32::MAX),
        }
    }

    fn fresh(&self, asked_since: f64) -> impl Iterator<Item = &Pod> {
        let pods = self.pods.iter();
        pods.filter(move |pod| pod.asked >= asked_since)
    }

    /// A number of all ready pods, by those that were asked.
    fn of_all(&self, ready_pods: u32, asked_since: f64, of: impl Fn(&WorkerPage) -> u64) -> u64 {
        let asked = self.fresh(asked_since).count();
        let asked = u64::try_from(asked).unwrap_or(u64::MAX).max(1);
        let sum: u64 = self.fresh(asked_since).map(|pod| of(&pod.page)).sum();
        (sum * u64::from(ready_pods)).div_ceil(asked)
    }

    fn seconds(&mut self, now: Instant) -> f64 {
        let begin = *self.begin.get_or_insert(now);
        now.saturating_duration_since(begin).as_secs_f64()
    }

    fn ready(&self) -> u16 {
        self.ready
            .max(u16::try_from(self.pods.len()).unwrap_or(u16::MAX))
    }
}

/// For how long what a pod has said of its health counts as present: until it had its turn again. Otherwise
/// one pod of many that holds would be seen now and then.
fn turn(ready_pods: u32, period: Duration) -> Duration {
    period.saturating_mul(STALE_AFTER + ready_pods / PODS_PER_PERIOD)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use worker_contract::metrics::OTHER;

    use super::*;
    use crate::history::page::MAX_LABELS;
    use crate::history::series::{self, ALL};
    use crate::history::traffic::whole;
    use crate::model::Isolated;

    const PERIOD: Duration = Duration::from_secs(15);

    /// A worker's page.
    #[derive(Default, Clone)]
    struct Worker {
        succeeded: u64,
        timed_out: u64,
        no_room: u64,
        held: u64,
        isolated: u64,
        put_off: u64,
        produced: u64,
        refused: u64,
        in_progress: u64,
        isolated_categories: u64,
        is_holding: bool,
        /// Runs of these reasons with status 500.
        failures: BTreeMap<String, u64>,
        /// Runs of at most 4 ms, and of at most 16 s.
        fast: u64,
        slow: u64,
    }

    impl Worker {
        fn page(&self) -> WorkerPage {
            let runs = self.fast + self.slow;
            let mut page = format!(
                "executor_worker_runs_under_way{{}} {}\n\
                 executor_worker_concurrency_limit{{}} 10\n\
                 executor_worker_attempts_total{{outcome=\"succeeded\"}} {}\n\
                 executor_worker_attempts_total{{outcome=\"timeout\"}} {}\n\
                 executor_worker_answers_total{{answer=\"no_room\"}} {}\n\
                 executor_worker_answers_total{{answer=\"held\"}} {}\n\
                 executor_worker_isolated_total{{cause=\"failures\"}} {}\n\
                 executor_worker_put_off_total{{}} {}\n\
                 executor_worker_isolated_categories{{}} {}\n\
                 executor_worker_holding{{}} {}\n\
                 executor_worker_arrivals_total{{origin=\"producer\"}} {}\n\
                 executor_worker_pushes_refused_total{{reason=\"audience\"}} {}\n\
                 executor_worker_run_duration_seconds_bucket{{le=\"0.002\"}} 0\n\
                 executor_worker_run_duration_seconds_bucket{{le=\"0.004\"}} {}\n\
                 executor_worker_run_duration_seconds_bucket{{le=\"8.192\"}} {}\n\
                 executor_worker_run_duration_seconds_bucket{{le=\"16.384\"}} {runs}\n",
                self.in_progress,
                self.succeeded,
                self.timed_out,
                self.no_room,
                self.held,
                self.isolated,
                self.put_off,
                self.isolated_categories,
                u8::from(self.is_holding),
                self.produced,
                self.refused,
                self.fast,
                self.fast,
            );
            for (reason, count) in &self.failures {
                let labels = format!("{{reason=\"{reason}\",status=\"500\"}}");
                writeln!(page, "executor_worker_failures_total{labels} {count}").unwrap();
            }
            WorkerPage::parse(&page).unwrap()
        }
    }

    /// A stage whose pods are asked, by a clock of its own.
    struct Stage {
        history: StageHistory,
        begin: Instant,
        seconds: u64,
    }

    impl Stage {
        fn new() -> Self {
            Self {
                history: StageHistory::default(),
                begin: Instant::now(),
                seconds: 0,
            }
        }

        fn now(&self) -> Instant {
            self.begin + Duration::from_secs(self.seconds)
        }

        fn ask(&mut self, pod: &str, worker: &Worker) {
            let now = self.now();
            self.history.add(pod, worker.page(), now);
        }

        fn numbers(&self, ready: u32) -> WorkerNumbers {
            let numbers = self.history.numbers(ready, self.now(), PERIOD);
            numbers.value().expect("the numbers are known").clone()
        }

        fn unknown(&self, ready: u32) -> Option<Unknown> {
            self.history.numbers(ready, self.now(), PERIOD).unknown()
        }

        /// One pod, in periods of 15 s, on which this happens in each.
        fn run(&mut self, worker: &mut Worker, periods: u64, each: impl Fn(&mut Worker)) {
            for _ in 0..periods {
                self.seconds += 15;
                each(worker);
                self.ask("a", worker);
            }
        }
    }

    fn seconds(numbers: &WorkerNumbers) -> f64 {
        numbers.window.as_secs_f64()
    }

    #[test]
    fn numbers_are_unknown_until_a_pod_was_asked_twice_and_after_three_periods() {
        let mut stage = Stage::new();
        assert_eq!(stage.unknown(0), Some(Unknown::NoPods));
        assert_eq!(stage.unknown(1), Some(Unknown::Pending));
        stage.ask("a", &Worker::default());
        assert_eq!(stage.unknown(1), Some(Unknown::Pending));
        stage.seconds = 15;
        stage.ask("a", &Worker::default());
        assert_eq!(stage.unknown(1), None);
        assert_eq!(stage.unknown(0), Some(Unknown::NoPods));
        stage.seconds = 60;
        assert_eq!(stage.unknown(1), None);
        stage.seconds = 61;
        assert_eq!(stage.unknown(1), Some(Unknown::Stale));
        stage.ask("a", &Worker::default());
        assert_eq!(stage.unknown(1), None);
        stage.history.retain_pods(&BTreeSet::from(["b"]));
        assert_eq!(stage.unknown(1), Some(Unknown::Pending));
    }

    #[test]
    fn counts_are_those_of_the_shortest_window_with_enough_attempts() {
        for (each, window, succeeded) in [
            (100, 20.0, 133),
            (40, 30.0, 80),
            (10, 30.0, 20),
            // Two to five slots of a minute.
            (5, 120.0, 40),
            (2, 180.0, 24),
            (1, 300.0, 20),
            (0, 300.0, 0),
        ] {
            let mut stage = Stage::new();
            let mut worker = Worker::default();
            stage.ask("a", &worker);
            // Ends with a whole slot of each length.
            stage.run(&mut worker, 40, |worker| {
                worker.succeeded += each;
                worker.fast += each;
            });
            let numbers = stage.numbers(1);
            let got = (seconds(&numbers), numbers.runs.succeeded);
            assert_eq!(got, (window, succeeded), "{each} in 15 s");
            assert_eq!(numbers.pods_asked, 1);
        }
    }

    #[test]
    fn runs_that_time_out_are_left_out_of_the_durations_in_time() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 4, |worker| {
            worker.succeeded += 40;
            worker.fast += 40;
            worker.timed_out += 60;
            worker.slow += 60;
        });
        let runs = stage.numbers(1).runs;
        let ms = |duration: Option<Duration>| duration.map(|it| it.as_millis());
        assert!(ms(runs.p50) > Some(8_000), "{runs:?}");
        assert_eq!(
            [ms(runs.in_time_p50), ms(runs.in_time_p95)],
            [Some(3), Some(3)]
        );
    }

    #[test]
    fn a_stage_is_silent_since_its_last_push() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 4, |_| {});
        assert_eq!(stage.numbers(1).silent_for, Duration::from_mins(1));
        stage.run(&mut worker, 2, |worker| worker.succeeded += 30);
        assert_eq!(stage.numbers(1).silent_for, Duration::ZERO);
        stage.run(&mut worker, 2, |_| {});
        stage.run(&mut worker, 1, |worker| worker.refused += 1);
        stage.run(&mut worker, 5, |_| {});
        let numbers = stage.numbers(1);
        assert_eq!(numbers.silent_for, Duration::from_secs(75));
        assert_eq!(numbers.runs.succeeded, 60, "in a longer window");
    }

    #[test]
    fn a_window_ends_when_a_pod_was_last_asked() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 2, |worker| worker.succeeded += 30);
        assert_eq!(stage.numbers(1).age, Duration::ZERO);
        stage.seconds += 7;
        assert_eq!(stage.numbers(1).age, Duration::from_secs(7));
    }

    #[test]
    fn answers_and_refusals_shorten_the_window_too() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 40, |worker| {
            worker.no_room += 30;
            worker.refused += 10;
        });
        let numbers = stage.numbers(1);
        assert_eq!((seconds(&numbers), numbers.answers.no_room), (30.0, 60));
        assert_eq!(numbers.refused, [("audience".to_owned(), 20)].into());
        assert_eq!(numbers.runs.p50, None);
    }

    #[test]
    fn pods_that_hold_and_categories_that_are_isolated_are_those_of_the_last_pages() {
        let mut stage = Stage::new();
        stage
            .history
            .retain_pods(&BTreeSet::from(["a", "b", "c", "d"]));
        let mut ill = Worker {
            is_holding: true,
            isolated_categories: 7,
            ..Worker::default()
        };
        let mut other = Worker {
            isolated_categories: 12,
            ..Worker::default()
        };
        stage.ask("a", &ill);
        stage.ask("b", &other);
        stage.seconds = 15;
        ill.held = 20;
        ill.put_off = 2;
        other.isolated = 30;
        stage.ask("a", &ill);
        stage.ask("b", &other);
        let numbers = stage.numbers(4);
        // One of two holds, so two of four. Each pod finds out for itself what fails.
        assert_eq!((numbers.pods_holding, numbers.isolated_categories), (2, 12));
        let isolated = Isolated {
            share: 0,
            failures: 60,
        };
        assert_eq!((numbers.answers.held, numbers.isolated), (40, isolated));
        assert_eq!(numbers.put_off, 4);

        ill.is_holding = false;
        stage.seconds = 30;
        stage.ask("a", &ill);
        assert_eq!(stage.numbers(4).pods_holding, 0);
        // The page of the other one is too old.
        stage.seconds = 90;
        stage.ask("a", &ill);
        assert_eq!(stage.numbers(4).isolated_categories, 7);
    }

    #[test]
    fn a_pod_that_holds_is_known_until_its_next_turn() {
        let mut stage = Stage::new();
        let holds = Worker {
            is_holding: true,
            ..Worker::default()
        };
        let health = |stage: &Stage, ready| {
            let health = stage.history.health(ready, stage.now(), PERIOD);
            health.map(|it| it.pods_holding)
        };
        assert_eq!(health(&stage, 30), None);
        stage.ask("a", &holds);
        assert_eq!(health(&stage, 1), Some(1), "at once");
        for name in ["b", "c", "d", "e", "f"] {
            stage.ask(name, &Worker::default());
        }
        assert_eq!(health(&stage, 30), Some(5));
        // Ten turns, and as long as numbers are present.
        stage.seconds = 13 * 15;
        assert_eq!(health(&stage, 30), Some(5));
        stage.seconds += 1;
        assert_eq!(health(&stage, 30), None);
    }

    #[test]
    fn a_worker_that_restarts_counts_from_zero() {
        let mut stage = Stage::new();
        let mut worker = Worker {
            succeeded: 1_000_000,
            ..Worker::default()
        };
        stage.ask("a", &worker);
        stage.run(&mut worker, 1, |worker| worker.succeeded += 30);
        worker = Worker::default();
        stage.run(&mut worker, 1, |worker| worker.succeeded = 25);
        assert_eq!(stage.numbers(1).runs.succeeded, 55);
    }

    #[test]
    fn pods_that_have_no_turn_count_like_those_that_have() {
        let mut stage = Stage::new();
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut workers = names.map(|name| (name, Worker::default()));
        stage.history.retain_pods(&BTreeSet::from(names));
        for period in 0..20 {
            for (_, worker) in &mut workers {
                worker.succeeded += 30;
                worker.in_progress = 5;
            }
            // Two in each period.
            for (name, worker) in workers.iter().cycle().skip(2 * period % 6).take(2) {
                stage.ask(name, worker);
            }
            stage.seconds += 15;
        }
        let numbers = stage.numbers(6);
        // 12 a second.
        let rate = numbers.per_second(numbers.runs.succeeded);
        assert!((rate - 12.0).abs() < 0.1, "{rate}");
        assert_eq!((numbers.runs_in_progress, numbers.run_slots), (30, 60));
    }

    #[test]
    fn more_pods_do_not_multiply_what_fewer_have_counted() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.history.retain_pods(&BTreeSet::from(["a"]));
        stage.ask("a", &worker);
        stage.run(&mut worker, 20, |worker| worker.succeeded += 1);
        stage.history.retain_pods(&BTreeSet::from(["a", "b", "c"]));
        let numbers = stage.numbers(3);
        assert_eq!((seconds(&numbers), numbers.runs.succeeded), (300.0, 20));
    }

    #[test]
    fn failures_are_counted_by_what_the_handler_says_most_frequent_first() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 2, |worker| {
            for (reason, count) in [("no-stock", 20), ("database", 25), ("status", 0)] {
                *worker.failures.entry(reason.to_owned()).or_default() += count;
            }
            worker.timed_out += 45;
        });
        let failures = stage.numbers(1).runs.failures;
        let failures = failures.iter().map(|it| (&*it.reason, it.status, it.count));
        let wanted = [("database", Some(500), 50), ("no-stock", Some(500), 40)];
        assert_eq!(failures.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn pods_whose_handlers_say_different_things_share_a_bound() {
        let mut stage = Stage::new();
        for pod in 0..20 {
            let mut worker = Worker::default();
            let name = pod.to_string();
            stage.ask(&name, &worker);
            stage.seconds += 1;
            for reason in 0..10 {
                worker.failures.insert(format!("{pod}-{reason}"), 1);
            }
            worker.timed_out += 10;
            stage.ask(&name, &worker);
        }
        let failures = stage.numbers(20).runs.failures;
        assert!(failures.len() <= 2 * MAX_LABELS + 1, "{}", failures.len());
        assert_eq!((&*failures[0].reason, failures[0].status), (OTHER, None));
    }

    #[test]
    fn durations_are_those_of_the_window_and_the_hour_before_has_its_own() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 38, |worker| {
            worker.produced += 30;
            worker.succeeded += 30;
            worker.fast += 30;
        });
        // Nine and a half minutes.
        assert_eq!(stage.numbers(1).before, None);
        stage.run(&mut worker, 50, |worker| {
            worker.produced += 30;
            worker.succeeded += 30;
            worker.fast += 30;
        });
        stage.run(&mut worker, 4, |worker| {
            worker.produced += 300;
            worker.timed_out += 30;
            worker.slow += 30;
        });
        let numbers = stage.numbers(1);
        let ms = |duration: Option<Duration>| duration.unwrap().as_millis();
        assert_eq!(ms(numbers.runs.p50), 12_288);
        let before = numbers.before.unwrap();
        assert_eq!(before.window, Duration::from_mins(20));
        assert!((before.producer_per_second - 2.0).abs() < 1e-3);
        // Without the slot in which it may have begun.
        assert_eq!((before.runs, ms(before.p95)), (60 * 30, 3));
    }

    #[test]
    fn the_hour_before_remembers_silence() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 4 * 30, |_| {});
        let silent = stage.numbers(1).before.unwrap();
        assert_eq!(silent.window, Duration::from_mins(25));
        stage.run(&mut worker, 4, |worker| worker.produced += 100);
        let numbers = stage.numbers(1);
        assert_eq!(numbers.arrivals.producer, 400);
        let before = numbers.before.unwrap();
        assert_eq!((before.producer_per_second, before.p95), (0.0, None));
        assert_eq!(before.window, Duration::from_mins(25));
    }

    #[test]
    fn an_hour_after_the_last_traffic_its_memory_is_free() {
        let mut stage = Stage::new();
        let mut worker = Worker::default();
        stage.ask("a", &worker);
        stage.run(&mut worker, 1, |_| {});
        assert!(stage.history.traffic.is_none());
        stage.run(&mut worker, 1, |worker| worker.succeeded += 1);
        stage.run(&mut worker, 4 * 65, |_| {});
        assert!(stage.history.traffic.is_some());
        stage.run(&mut worker, 1, |_| {});
        assert!(stage.history.traffic.is_none());
        assert_eq!(stage.numbers(1).before.unwrap().runs, 0);
    }

    #[test]
    fn a_stage_takes_no_more_memory_than_the_module_says() {
        // A pod has its name besides, and its counters if one of them isn't 0.
        assert!(size_of::<StageHistory>() <= 64);
        assert!(size_of::<Pod>() <= 96);
        assert!(size_of::<Traffic>() <= 4096);
        assert!(size_of::<u64>() * ALL <= 496);
    }

    proptest! {
        /// If every pod is asked in each period, counts are exact, whatever the times.
        #[test]
        fn all_that_pods_count_is_counted_once(
            steps in prop::collection::vec((1_u64..40, 0_u64..2000, 0_u64..2000), 1..12),
        ) {
            let mut stage = Stage::new();
            let mut workers = [Worker::default(), Worker::default()];
            stage.history.retain_pods(&BTreeSet::from(["0", "1"]));
            let ask = |stage: &mut Stage, workers: &[Worker; 2]| {
                for (number, worker) in workers.iter().enumerate() {
                    stage.ask(&number.to_string(), worker);
                }
            };
            ask(&mut stage, &workers);
            for (seconds, one, other) in steps {
                stage.seconds += seconds;
                workers[0].succeeded += one;
                workers[1].succeeded += other;
                ask(&mut stage, &workers);
            }
            let all: u64 = workers.iter().map(|worker| worker.succeeded).sum();
            let Some(traffic) = &stage.history.traffic else {
                prop_assert_eq!(all, 0);
                return Ok(());
            };
            let until = f64::from(u32::try_from(stage.seconds).unwrap());
            let sum = traffic.minutes.sum(0, u32::MAX, traffic.since, until);
            let counted = whole(sum.counts[series::RUNS_SUCCEEDED]);
            // Five slots may lack what began before them.
            prop_assert!(counted == all || (until > 240.0 && counted < all), "{} of {}", counted, all);
        }
    }
}
