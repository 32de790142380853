//! What holds for every design in every scene.

use std::num::NonZeroU32;
use std::time::Duration;

use incident::simulate::Answer;
use incident::{Backoff, Design, Entry, Harm, How, Limits, Scene, Seen, Span, Stage, watched};
use proptest::prelude::*;

fn stages() -> impl Strategy<Value = Vec<Stage>> {
    let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
    let limits = (1.0..200.0_f64, 1..40_u32, millis(1..500), 0..5_u32);
    let stage = (limits, 1..5_u32, millis(60..1000), 1..60_u32);
    let stage = stage.prop_map(
        |((rate, concurrency, min, doublings), attempts, timeout, room)| Stage {
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
            room,
            diverts: None,
        },
    );
    prop::collection::vec(stage, 1..4)
}

fn designs() -> impl Strategy<Value = Design> {
    let entry = prop_oneof![Just(Entry::First), Just(Entry::Foreseen)];
    (stages(), entry, any::<bool>()).prop_map(|(mut stages, entry, diverts)| {
        if diverts && stages.len() > 1 {
            stages[0].diverts = Some(stages.len() - 1);
        }
        Design { stages, entry }
    })
}

fn scenes() -> impl Strategy<Value = Scene> {
    let harm = prop_oneof![Just(Harm::Fails), Just(Harm::Hangs)];
    (1.0..60.0_f64, 0.0..1.0_f64, harm).prop_map(|(load, share, harm)| Scene {
        load,
        share,
        lasts: Duration::from_secs(4),
        incident: Span {
            from: Duration::from_secs(1),
            until: Duration::from_secs(3),
        },
        harm,
        success_takes: Duration::from_millis(20),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_task_ends_once_and_a_healthy_one_succeeds(scene in scenes(), design in designs(), seed: u64) {
        let tasks = scene.tasks(seed);
        let mut ended = vec![0; tasks.len()];
        let course = watched(&scene, &tasks, &design, &[], |_, seen| {
            if let Seen::Ended { task } = seen {
                ended[task] += 1;
            }
        });
        prop_assert!(ended.iter().all(|times| *times == 1));
        prop_assert_eq!(course.tasks.len(), tasks.len());
        for (task, end) in &course.tasks {
            let end = end.unwrap();
            prop_assert!(end.at >= task.arrives);
            prop_assert!(task.is_struck || end.how == How::Succeeded);
        }
    }

    #[test]
    fn no_queue_exceeds_its_rate_or_its_concurrency(scene in scenes(), design in designs(), seed: u64) {
        let mut under_way = vec![0_u32; design.stages.len()];
        let mut most = under_way.clone();
        let mut dispatched: Vec<Vec<Duration>> = vec![Vec::new(); design.stages.len()];
        watched(&scene, &scene.tasks(seed), &design, &[], |now, seen| match seen {
            Seen::Dispatched { stage, .. } => {
                under_way[stage] += 1;
                most[stage] = most[stage].max(under_way[stage]);
                dispatched[stage].push(now);
            }
            Seen::Answered { stage, .. } => under_way[stage] -= 1,
            Seen::Ended { .. } => {}
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
    fn attempts_are_the_answers_that_count(scene in scenes(), design in designs(), seed: u64) {
        let tasks = scene.tasks(seed);
        let mut failed = vec![vec![0; design.stages.len()]; tasks.len()];
        let mut ran = failed.clone();
        watched(&scene, &tasks, &design, &[], |_, seen| {
            if let Seen::Answered { stage, task, answer } = seen {
                match answer {
                    Answer::Failed => {
                        failed[task][stage] += 1;
                        ran[task][stage] += 1;
                    }
                    Answer::Done => ran[task][stage] += 1,
                    Answer::NoRoom => {}
                }
            }
        });
        for task in 0..tasks.len() {
            for (place, stage) in design.stages.iter().enumerate() {
                // However often it found no room.
                prop_assert!(ran[task][place] <= stage.attempts.get());
                prop_assert!(failed[task][place] < stage.attempts.get());
            }
        }
    }

    #[test]
    fn a_seed_brings_the_same_course(scene in scenes(), design in designs(), seed: u64) {
        let once = incident::simulate(&scene, &scene.tasks(seed), &design, &[]);
        let twice = incident::simulate(&scene, &scene.tasks(seed), &design, &[]);
        prop_assert_eq!(once, twice);
    }
}
