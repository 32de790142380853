//! What looks as if something were wrong, and isn't.

use std::time::Duration;

use console::why::why;
use console::{EditState, Known, LiveChain, Pods, StageState, Unknown};
use crds::PausedBy;

use crate::chains::{at, chain, failure, queue, quiet, seconds, workers};

type Change = fn(&mut LiveChain);

const INNOCENTS: &[(&str, Change)] = &[
    ("traffic", |_| {}),
    ("no traffic", |it| {
        for stage in 0..3 {
            it.stages[stage].worker_numbers = Known::Known(quiet(300.0));
            *queue(it, stage) = crate::chains::empty(20.0);
        }
    }),
    ("a million tasks are scheduled for later", |it| {
        for stage in 0..3 {
            let numbers = queue(it, stage);
            numbers.tasks = 1_000_000;
            numbers.first_due = Some(at(86_400));
            numbers.lag = Some(Duration::ZERO);
        }
    }),
    ("a burst takes a few seconds at the rate", |it| {
        it.stages[0].settings.max_dispatches_per_second = Some(105.0);
        queue(it, 0).effective_rate = 105.0;
        queue(it, 0).tasks = 600;
        queue(it, 0).lag = Some(seconds(6.0));
        workers(it, 0).lag_p95 = Some(seconds(5.5));
    }),
    ("all of the rate is used, in time", |it| {
        it.stages[0].settings.max_dispatches_per_second = Some(104.0);
        queue(it, 0).effective_rate = 104.0;
    }),
    ("all of the concurrency is used, in time", |it| {
        queue(it, 0).in_flight = 200;
        workers(it, 0).runs_in_progress = 200;
    }),
    ("an idle queue is allowed less", |it| {
        queue(it, 0).effective_rate = 5.0;
        queue(it, 1).effective_rate = 0.1;
        queue(it, 2).effective_rate = 0.0;
    }),
    ("a run of the only task takes its time", |it| {
        it.stages[2].settings.max_dispatches_per_second = Some(0.01);
        let last = queue(it, 2);
        last.tasks = 40;
        last.in_flight = 1;
        last.lag = Some(seconds(9.0));
        workers(it, 2).runs_in_progress = 1;
    }),
    ("one poisonous task is tried a hundred times", |it| {
        it.stages[2].settings.max_attempts = 1_000;
        let last = workers(it, 2);
        last.arrivals.hand_over = 6;
        last.runs.succeeded = 5;
        last.runs.failed = 100;
        last.runs.failures = vec![failure("status", Some(500), 100)];
        last.answers.done = 5;
        last.answers.failed = 100;
    }),
    ("one task in fifty fails on every stage", |it| {
        let slow = workers(it, 1);
        slow.runs.failed += slow.runs.succeeded;
        slow.runs.succeeded = 0;
        slow.runs.failures = vec![failure("status", Some(400), slow.runs.failed)];
    }),
    ("the numbers of the first stage are unknown", |it| {
        let slow = workers(it, 1);
        slow.runs.failed += slow.runs.succeeded;
        slow.runs.succeeded = 0;
        slow.runs.failures = vec![failure("status", Some(400), slow.runs.failed)];
        it.stages[0].worker_numbers = Known::Unknown {
            unknown: Unknown::Stale,
        };
    }),
    (
        "the handler sends every third task to the next stage",
        |it| {
            let fast = workers(it, 0);
            fast.runs.succeeded = 1_700;
            fast.runs.failed = 830;
            fast.runs.failures = vec![failure("too-large", Some(422), 830)];
            fast.answers.done = 2_520;
            fast.answers.failed = 10;
            fast.handed_on = 820;
            let slow = workers(it, 1);
            slow.arrivals.hand_over = 820;
            slow.runs.succeeded = 820;
            slow.answers.done = 820;
        },
    ),
    ("a handler restarts", |it| {
        let fast = workers(it, 0);
        fast.runs.unreachable = 80;
        fast.answers.no_room = 80;
    }),
    ("a handler wants a quarter of its tasks later", |it| {
        let fast = workers(it, 0);
        fast.runs.failed += 850;
        fast.runs
            .failures
            .push(failure("not-settled", Some(409), 850));
        fast.answers.done += 850;
        fast.put_off = 850;
    }),
    (
        "a category has its share of the run slots for a moment",
        |it| {
            let fast = workers(it, 0);
            fast.isolated.share = 8;
            fast.handed_on += 8;
        },
    ),
    ("a pod of two restarts", |it| {
        it.stages[0].pods.ready = 1;
    }),
    (
        "a stage that is empty has no pod, as its autoscaler wants it",
        |it| {
            it.stages[2].pods = Pods::default();
            it.stages[2].state = StageState::Paused {
                by: PausedBy::Operator,
                message: None,
                since: None,
            };
            it.stages[2].worker_numbers = Known::Unknown {
                unknown: Unknown::NoPods,
            };
        },
    ),
    ("a chain is new", |it| {
        it.edit = EditState::Pending;
        for stage in &mut it.stages {
            stage.state = StageState::Unknown;
            stage.pods = Pods::default();
            stage.queue_numbers = Known::Unknown {
                unknown: Unknown::Pending,
            };
            stage.worker_numbers = Known::Unknown {
                unknown: Unknown::Pending,
            };
        }
    }),
    ("a scan", |it| {
        workers(it, 0).refused = [("not_a_push".to_owned(), 5_000)].into();
    }),
    ("a forger", |it| {
        workers(it, 0).refused = [("signature".to_owned(), 40)].into();
        workers(it, 0).answers.unknown = 40;
    }),
    (
        "a forger, while Cloud Tasks doesn't answer what costs nothing",
        |it| {
            let fast = workers(it, 0);
            fast.refused = [("signature".to_owned(), 200)].into();
            fast.answers.unknown = 200;
            fast.look_ups_failed = 200;
            fast.creates_failed = 2;
            fast.answers.not_handed_on = 2;
        },
    ),
    ("a lookup fails now and then", |it| {
        workers(it, 0).answers.unknown = 40;
        workers(it, 0).look_ups_failed = 40;
    }),
    ("a creation fails now and then", |it| {
        workers(it, 0).answers.not_handed_on = 2;
        workers(it, 0).answers.not_notified = 2;
    }),
    ("a few pushes exceed one pod", |it| {
        workers(it, 0).answers.no_room = 60;
    }),
    ("the operator asks the workers since a minute", |it| {
        // Queue numbers may be of the minute before.
        it.stages[0].worker_numbers = Known::Known(quiet(60.0));
        workers(it, 0).before = None;
    }),
    ("pods that weren't asked get the pushes", |it| {
        it.stages[0].worker_numbers = Known::Known(quiet(300.0));
        it.stages[0].pods = Pods {
            ready: 30,
            desired: 30,
        };
    }),
    (
        "the rate was raised, and Cloud Tasks' number is old",
        |it| {
            queue(it, 0).effective_rate = 50.0;
            queue(it, 0).tasks = 900;
            queue(it, 0).lag = Some(seconds(40.0));
            workers(it, 0).lag_p95 = Some(seconds(20.0));
        },
    ),
    ("half of the tasks are long", |it| {
        let fast = workers(it, 0);
        fast.runs.p50 = Some(seconds(1.0));
        fast.runs.p95 = Some(seconds(4.0));
        let before = fast.before.as_mut().unwrap();
        before.p95 = Some(seconds(4.0));
    }),
    ("one run in ten is long today", |it| {
        workers(it, 0).runs.p95 = Some(seconds(30.0));
    }),
    ("durations move by a bucket", |it| {
        let fast = workers(it, 0);
        fast.runs.p50 = Some(seconds(0.768));
        fast.runs.p95 = Some(seconds(0.998));
        fast.before.as_mut().unwrap().p95 = Some(seconds(0.499));
    }),
    ("twice the traffic, in time", |it| {
        workers(it, 0).before.as_mut().unwrap().producer_per_second = 40.0;
    }),
    ("another chain notifies through the same queue", |it| {
        for stage in 0..3 {
            it.stages[stage].worker_numbers = Known::Known(quiet(300.0));
            *queue(it, stage) = crate::chains::empty(20.0);
        }
        if let Known::Known(notifier) = &mut it.notifier.queue_numbers {
            notifier.tasks = 200;
            notifier.in_flight = 150;
            notifier.lag = Some(seconds(0.3));
            notifier.executed_last_minute = 30_000;
        }
    }),
    ("a stage drains", |it| {
        it.draining = vec!["old: 10-99 tasks".into()];
    }),
    ("some tasks of a burst wait for a slot of theirs", |it| {
        queue(it, 0).in_flight = 200;
        queue(it, 0).tasks = 700;
        queue(it, 0).lag = Some(seconds(4.0));
        workers(it, 0).lag_p95 = Some(seconds(3.0));
    }),
];

#[test]
fn nothing_is_found() {
    for (name, change) in INNOCENTS {
        let mut chain = chain();
        change(&mut chain);
        assert_eq!(why(&chain), [], "{name}");
    }
}

/// Numbers that become unknown take findings away, and never add one.
#[test]
fn an_unknown_number_accuses_nobody() {
    for (name, change) in INNOCENTS {
        for stage in 0..3 {
            for unknown in [Unknown::Stale, Unknown::Unimplemented, Unknown::NoOperator] {
                let mut chain = chain();
                change(&mut chain);
                chain.stages[stage].queue_numbers = Known::Unknown { unknown };
                assert_eq!(why(&chain), [], "{name}: queue of stage {stage}");
                change_workers(&mut chain, stage, unknown);
                assert_eq!(why(&chain), [], "{name}: both of stage {stage}");
                let mut chain = crate::chains::chain();
                change(&mut chain);
                change_workers(&mut chain, stage, unknown);
                assert_eq!(why(&chain), [], "{name}: workers of stage {stage}");
            }
        }
    }
}

fn change_workers(chain: &mut LiveChain, stage: usize, unknown: Unknown) {
    chain.stages[stage].worker_numbers = Known::Unknown { unknown };
}
