//! How many tasks usually arrive: from the pages that a worker serves to the number that a surge is compared with.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use console::{StageHistory, WorkerPage};
use proptest::prelude::*;

const PERIOD: u64 = 15;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Tasks a second that usually arrive, each time that a worker is asked.
fn usual(until: u64, arrive: impl Fn(u64) -> u64) -> Vec<(u64, f64)> {
    let begin = Instant::now();
    let mut history = StageHistory::default();
    history.retain_pods(&BTreeSet::from(["pod"]));
    let (mut all, mut usual) = (0, Vec::new());
    for second in (0..until).step_by(PERIOD as usize) {
        all += arrive(second) * PERIOD;
        let page = format!(
            "executor_worker_runs_under_way{{}} 1\n\
             executor_worker_concurrency_limit{{}} 50\n\
             executor_worker_attempts_total{{outcome=\"succeeded\"}} {all}\n\
             executor_worker_arrivals_total{{origin=\"producer\"}} {all}\n\
             executor_worker_answers_total{{answer=\"done\"}} {all}\n"
        );
        let now = begin + Duration::from_secs(second);
        history.add("pod", WorkerPage::parse(&page).unwrap(), now);
        let numbers = history.numbers(1, now, Duration::from_secs(PERIOD));
        if let Some(before) = numbers.value().and_then(|numbers| numbers.before) {
            usual.push((second, before.producer_per_second));
        }
    }
    usual
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_surge_is_not_usual_for_half_an_hour(
        begins in 30 * MINUTE..2 * HOUR,
        rate in 10_u64..100,
        times in 3_u64..20,
    ) {
        let arrive = |second| if second < begins { rate } else { rate * times };
        let usual = usual(begins + 30 * MINUTE, arrive);
        for (second, usual) in usual.into_iter().filter(|(second, _)| *second > begins + 2 * MINUTE) {
            let share = usual / rate as f64;
            prop_assert!((0.9..1.6).contains(&share), "{} s after: {share}", second - begins);
        }
    }

    #[test]
    fn a_surge_that_comes_and_goes_is_usual(
        rate in 10_u64..100,
        times in 3_u64..20,
        surge_for in 10 * MINUTE..20 * MINUTE,
    ) {
        let arrive = |second| if second % (2 * surge_for) < surge_for { rate } else { rate * times };
        let mean = (rate + rate * times) as f64 / 2.0;
        for (second, usual) in usual(4 * HOUR, arrive).into_iter().filter(|(second, _)| *second > 2 * HOUR) {
            prop_assert!(usual >= 0.6 * mean, "{second}: {usual} of {mean}");
        }
    }

    #[test]
    fn what_grows_slowly_is_usual(rate in 10_u64..100, times in 1.5..8.0_f64) {
        // Times in an hour.
        let arrive = |second| (rate as f64 * times.powf(second as f64 / HOUR as f64)) as u64;
        for (second, usual) in usual(3 * HOUR, arrive) {
            prop_assert!(usual * times >= 0.9 * arrive(second) as f64, "{second}: {usual}");
        }
    }
}
