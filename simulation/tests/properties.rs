//! What holds for every design in every scenario.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use simulation::Answer;
use simulation::{
    Backoff, Design, Entry, Event, Fault, Limits, Outcome, Scenario, Stage, Tenants, Unlucky,
    Window, Workers, simulate_observed,
};

fn stages() -> impl Strategy<Value = Vec<Stage>> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    let limits = (1.0..200.0_f64, 1..40_u32, millis(1..500), 0..5_u32);
    let stage = (limits, 1..5_u32, millis(60..1000), 1..60_u32);
    let stage = stage.prop_map(
        |((rate, concurrency, min, doublings), attempts, timeout, capacity)| Stage {
            limits: Limits {
                rate,
                concurrency,
                backoff: Backoff {
                    min,
                    max: min * 10,
                    doublings,
                },
            },
            attempts: NonZeroU32::new(attempts).expect("at least one"),
            timeout,
            capacity,
            reroutes_to: None,
            workers: Workers::default(),
        },
    );
    prop::collection::vec(stage, 1..4)
}

fn designs() -> impl Strategy<Value = Design> {
    let entry = prop_oneof![Just(Entry::First), Just(Entry::Oracle)];
    (stages(), entry, any::<bool>()).prop_map(|(mut stages, entry, reroutes_to)| {
        if reroutes_to && stages.len() > 1 {
            stages[0].reroutes_to = Some(stages.len() - 1);
        }
        Design { stages, entry }
    })
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let fault = prop_oneof![Just(Fault::Fails), Just(Fault::Hangs)];
    (1.0..60.0_f64, 0.0..1.0_f64, fault).prop_map(|(load, share, fault)| Scenario {
        load,
        share,
        lasts: Duration::from_secs(4),
        incident: Window {
            from: Duration::from_secs(1),
            until: Duration::from_secs(3),
        },
        fault,
        success_takes: Duration::from_millis(20),
        unlucky: Unlucky::default(),
        tenants: Tenants::default(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_task_ends_once_and_a_healthy_one_succeeds(scenario in scenarios(), design in designs(), seed: u64) {
        let tasks = scenario.tasks(seed);
        let mut ended = vec![0; tasks.len()];
        let results = simulate_observed(&scenario, &tasks, &design, &[], |_, seen| {
            if let Event::Ended { task, .. } = seen {
                ended[task] += 1;
            }
        });
        prop_assert!(ended.iter().all(|times| *times == 1));
        prop_assert_eq!(results.tasks.len(), tasks.len());
        for (task, end) in &results.tasks {
            let end = end.unwrap();
            prop_assert!(end.at >= task.arrives);
            prop_assert!(task.is_affected || end.how == Outcome::Succeeded);
        }
    }

    #[test]
    fn no_queue_exceeds_its_rate_or_its_concurrency(scenario in scenarios(), design in designs(), seed: u64) {
        let mut under_way = vec![0_u32; design.stages.len()];
        let mut most = under_way.clone();
        let mut dispatched: Vec<Vec<Duration>> = vec![Vec::new(); design.stages.len()];
        simulate_observed(&scenario, &scenario.tasks(seed), &design, &[], |now, seen| match seen {
            Event::Dispatched { stage, .. } => {
                under_way[stage] += 1;
                most[stage] = most[stage].max(under_way[stage]);
                dispatched[stage].push(now);
            }
            Event::Answered { stage, .. } => under_way[stage] -= 1,
            Event::Isolated { .. } | Event::AttemptFailed { .. } | Event::Ended { .. } => {}
        });
        for (place, stage) in design.stages.iter().enumerate() {
            prop_assert_eq!(under_way[place], 0);
            prop_assert!(most[place] <= stage.limits.concurrency);
            let times: Vec<f64> = dispatched[place].iter().map(Duration::as_secs_f64).collect();
            // Of any length from any dispatch on; a thousandth for what is rounded.
            for (first, begin) in times.iter().enumerate() {
                let mut allowed = 0.001 + stage.limits.burst() - stage.limits.rate * begin;
                for at in &times[first..] {
                    allowed -= 1.0;
                    prop_assert!(allowed + stage.limits.rate * at >= 0.0);
                }
            }
        }
    }

    #[test]
    fn attempts_are_the_answers_that_count(scenario in scenarios(), design in designs(), seed: u64) {
        let tasks = scenario.tasks(seed);
        let mut failed = vec![vec![0; design.stages.len()]; tasks.len()];
        let mut ran = failed.clone();
        simulate_observed(&scenario, &tasks, &design, &[], |_, seen| {
            if let Event::Answered { stage, task, answer } = seen {
                match answer {
                    Answer::Failed => {
                        failed[task][stage] += 1;
                        ran[task][stage] += 1;
                    }
                    Answer::Done => ran[task][stage] += 1,
                    Answer::NoCapacity | Answer::Held => {}
                }
            }
        });
        for task in 0..tasks.len() {
            for (place, stage) in design.stages.iter().enumerate() {
                // However often it found no capacity.
                prop_assert!(ran[task][place] <= stage.attempts.get());
                prop_assert!(failed[task][place] < stage.attempts.get());
            }
        }
    }

    #[test]
    fn a_seed_brings_the_same_course(scenario in scenarios(), design in designs(), seed: u64) {
        let once = simulation::simulate(&scenario, &scenario.tasks(seed), &design, &[]);
        let twice = simulation::simulate(&scenario, &scenario.tasks(seed), &design, &[]);
        prop_assert_eq!(once, twice);
    }
}
