//! A handler that becomes slow: from the pages that its worker serves to what is found.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use console::why::why;
use console::{Cause, StageHistory, WorkerPage};
use proptest::prelude::*;
use worker_contract::metrics::RUN_SECONDS;

use crate::chains::chain;

const PERIOD: u64 = 15;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// What a handler does at a time.
#[derive(Debug, Clone, Copy)]
struct Handler {
    /// Seconds that a run takes in the middle.
    median: f64,
    /// Runs in a period.
    runs: u32,
}

/// Since its start: runs by duration, and how long runs take more or less than in the middle.
struct Worker {
    buckets: [u64; RUN_SECONDS.len() + 1],
    spread: f64,
}

impl Worker {
    fn run(&mut self, handler: Handler) {
        for run in 0..handler.runs {
            let quantile = (f64::from(run) + 0.5) / f64::from(handler.runs);
            let seconds = handler.median * (1.0 + self.spread * (2.0 * quantile - 1.0));
            self.buckets[RUN_SECONDS.partition_point(|bound| *bound < seconds)] += 1;
        }
    }

    fn page(&self) -> WorkerPage {
        let all: u64 = self.buckets.iter().sum();
        let mut page = format!(
            "executor_worker_runs_under_way{{}} 1\n\
             executor_worker_concurrency_limit{{}} 50\n\
             executor_worker_attempts_total{{outcome=\"succeeded\"}} {all}\n\
             executor_worker_arrivals_total{{origin=\"producer\"}} {all}\n\
             executor_worker_answers_total{{answer=\"done\"}} {all}\n"
        );
        let mut below = 0;
        for (bound, count) in RUN_SECONDS.iter().zip(self.buckets) {
            below += count;
            let name = "executor_worker_run_duration_seconds_bucket";
            writeln!(page, "{name}{{le=\"{bound}\"}} {below}").unwrap();
        }
        WorkerPage::parse(&page).unwrap()
    }
}

/// When the handler is found slow, in seconds, if it does so at each time until the end.
fn found(until: u64, spread: f64, handler: impl Fn(u64) -> Handler) -> Vec<u64> {
    let begin = Instant::now();
    let mut worker = Worker {
        buckets: [0; RUN_SECONDS.len() + 1],
        spread,
    };
    let mut history = StageHistory::default();
    history.retain_pods(&BTreeSet::from(["pod"]));
    let mut live = chain();
    live.stages[0].pods.ready = 1;
    let mut found = Vec::new();
    for second in (0..until).step_by(PERIOD as usize) {
        worker.run(handler(second));
        let now = begin + Duration::from_secs(second);
        history.add("pod", worker.page(), now);
        live.stages[0].worker_numbers = history.numbers(1, now, Duration::from_secs(PERIOD));
        if why(&live).iter().any(|it| it.cause == Cause::HandlerSlow) {
            found.push(second);
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_step_is_found_for_half_an_hour(
        begins in 45 * MINUTE..2 * HOUR,
        (from, to) in (0.01..0.05_f64, 1.2..8.0_f64),
        // A handler that is slow may do less.
        (runs, less) in (100_u32..400, 1_u32..8),
        spread in 0.0..0.6_f64,
    ) {
        let found = found(begins + 35 * MINUTE, spread, |second| {
            if second < begins {
                Handler { median: from, runs }
            } else {
                Handler { median: to, runs: runs / less }
            }
        });
        let wanted = begins + 4 * MINUTE..begins + 34 * MINUTE;
        for second in wanted.step_by(PERIOD as usize) {
            prop_assert!(found.contains(&(second - second % PERIOD)), "{} s after", second - begins);
        }
        prop_assert!(found.iter().all(|second| *second >= begins), "{:?}", found);
    }

    #[test]
    fn a_handler_that_becomes_slow_slowly_is_not_accused(
        from in 0.02..0.5_f64,
        // Times in an hour.
        times in 1.5..20.0_f64,
        (runs, less) in (100_u32..400, 1.0..4.0_f64),
        spread in 0.0..0.6_f64,
    ) {
        let found = found(2 * HOUR, spread, |second| {
            let hours = second as f64 / HOUR as f64;
            Handler {
                median: from * times.powf(hours),
                runs: (f64::from(runs) / less.powf(hours)) as u32,
            }
        });
        prop_assert_eq!(found, Vec::<u64>::new());
    }

    #[test]
    fn a_handler_that_is_always_slow_now_and_then_is_not_accused(
        (fast, slow) in (0.01..0.05_f64, 1.2..8.0_f64),
        // Minutes of each.
        (fast_for, slow_for) in (1_u64..20, 1_u64..20),
        runs in 100_u32..400,
        spread in 0.0..0.6_f64,
    ) {
        let (fast_for, slow_for) = (fast_for * MINUTE, slow_for * MINUTE);
        let found = found(3 * HOUR, spread, |second| {
            let is_fast = second % (fast_for + slow_for) < fast_for;
            let median = if is_fast { fast } else { slow };
            Handler { median, runs }
        });
        // In the first hour nobody can know.
        let late: Vec<u64> = found.into_iter().filter(|second| *second > HOUR).collect();
        prop_assert_eq!(late, Vec::<u64>::new());
    }
}

#[test]
fn a_handler_that_is_as_before_is_not_accused_after_an_incident() {
    let found = found(3 * HOUR, 0.3, |second| {
        let is_slow = (HOUR..HOUR + 20 * MINUTE).contains(&second);
        let median = if is_slow { 2.0 } else { 0.02 };
        Handler { median, runs: 200 }
    });
    let (first, last) = (found[0], found[found.len() - 1]);
    assert!(first < HOUR + 2 * MINUTE, "{first}");
    assert!(last < HOUR + 22 * MINUTE, "{last}");
    assert!(found.len() as u64 > 18 * MINUTE / PERIOD);
}
