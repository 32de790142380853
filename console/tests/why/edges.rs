//! Where each rule begins: a number on either side of it.

use console::why::why;
use console::{Answers, Arrivals, Cause, Known, LiveChain, Runs, Unknown};

use crate::chains::{chain, failure, queue, quiet, seconds, workers};

/// Sets a number, and all that is needed besides.
type Set = fn(&mut LiveChain, f64);

/// With the first number the cause isn't found, with the second it is.
struct Edge(&'static str, Cause, f64, f64, Set);

const EDGES: &[Edge] = &[
    Edge(
        "silence in s, a push in flight",
        Cause::PushesNotArriving,
        70.0,
        80.0,
        |it, window| {
            it.stages[0].worker_numbers = Known::Known(quiet(window));
            queue(it, 0).executed_last_minute = 0;
        },
    ),
    Edge(
        "silence in s",
        Cause::PushesNotArriving,
        130.0,
        140.0,
        |it, window| {
            it.stages[0].worker_numbers = Known::Known(quiet(window));
            queue(it, 0).in_flight = 0;
        },
    ),
    Edge(
        "pods that were asked",
        Cause::PushesNotArriving,
        1.0,
        2.0,
        |it, asked| {
            it.stages[0].worker_numbers = Known::Known(quiet(300.0));
            workers(it, 0).pods_asked = asked as u32;
        },
    ),
    Edge(
        "refused pushes",
        Cause::PushesRefused,
        2.0,
        3.0,
        |it, refused| {
            ends(it, 10, 0);
            refuses(it, refused);
        },
    ),
    Edge(
        "refused pushes of 100",
        Cause::PushesRefused,
        8.0,
        12.0,
        |it, refused| {
            ends(it, 100 - refused as u64, 0);
            refuses(it, refused);
        },
    ),
    Edge(
        "unreachable runs",
        Cause::HandlerUnreachable,
        4.0,
        5.0,
        |it, runs| {
            ends(it, 5, 0);
            workers(it, 0).runs.unreachable = runs as u64;
        },
    ),
    Edge(
        "unreachable runs for 100",
        Cause::HandlerUnreachable,
        45.0,
        55.0,
        |it, runs| {
            ends(it, 100, 0);
            workers(it, 0).runs.unreachable = runs as u64;
        },
    ),
    Edge(
        "hand-overs that fail",
        Cause::HandOverFails,
        2.0,
        3.0,
        |it, failed| {
            workers(it, 0).handed_on = 0;
            workers(it, 0).answers.not_handed_on = failed as u64;
        },
    ),
    Edge(
        "hand-overs that fail, of 100",
        Cause::HandOverFails,
        17.0,
        23.0,
        |it, failed| {
            workers(it, 0).handed_on = 100 - failed as u64;
            workers(it, 0).answers.not_handed_on = failed as u64;
        },
    ),
    Edge(
        "lookups that fail",
        Cause::LookUpFails,
        2.0,
        3.0,
        |it, failed| {
            ends(it, 20, 0);
            workers(it, 0).answers.unknown = failed as u64;
            workers(it, 0).look_ups_failed = failed as u64;
        },
    ),
    Edge(
        "lookups that fail, of 100",
        Cause::LookUpFails,
        4.0,
        6.0,
        |it, failed| {
            ends(it, 100 - failed as u64, 0);
            workers(it, 0).answers.unknown = failed as u64;
            workers(it, 0).look_ups_failed = failed as u64;
        },
    ),
    Edge(
        "routes that fail, of 100",
        Cause::HandOverFails,
        4.0,
        6.0,
        |it, failed| {
            ends(it, 100 - failed as u64, 0);
            workers(it, 0).answers.unknown = failed as u64;
            workers(it, 0).creates_failed = failed as u64;
        },
    ),
    Edge(
        "notifications that fail",
        Cause::NotificationFails,
        2.0,
        3.0,
        |it, failed| {
            ends(it, 0, 0);
            workers(it, 0).answers.not_notified = failed as u64;
        },
    ),
    Edge(
        "notifications that fail, of 100",
        Cause::NotificationFails,
        8.0,
        12.0,
        |it, failed| {
            ends(it, 100 - failed as u64, 0);
            workers(it, 0).answers.not_notified = failed as u64;
        },
    ),
    Edge(
        "notifications",
        Cause::NotifierBacklog,
        29.0,
        30.0,
        |it, tasks| {
            notifier(it, tasks, 60.0, 0);
        },
    ),
    Edge(
        "s that notifications are late",
        Cause::NotifierBacklog,
        25.0,
        35.0,
        |it, late| {
            notifier(it, 100.0, late, 60_000);
        },
    ),
    Edge(
        "notifications, of 1000",
        Cause::NotifierBacklog,
        450.0,
        550.0,
        |it, tasks| {
            ends(it, 1_000, 0);
            notifier(it, tasks, 0.0, 0);
        },
    ),
    Edge(
        "notifications, of 300 a second",
        Cause::NotifierBacklog,
        500.0,
        700.0,
        |it, tasks| {
            ends(it, 100, 0);
            notifier(it, tasks, 0.0, 18_000);
        },
    ),
    Edge(
        "runs that all fail",
        Cause::HandlerFails,
        9.0,
        10.0,
        |it, runs| {
            ends(it, 0, runs as u64);
        },
    ),
    Edge(
        "tasks of which all runs fail",
        Cause::HandlerFails,
        2.0,
        3.0,
        |it, tasks| {
            ends(it, 0, 10);
            it.stages[0].settings.max_attempts = 100;
            workers(it, 0).arrivals.producer = tasks as u64;
        },
    ),
    Edge(
        "failing runs of 1000",
        Cause::HandlerFails,
        940.0,
        960.0,
        |it, failed| {
            ends(it, 1_000 - failed as u64, failed as u64);
        },
    ),
    Edge(
        "runs, of which half fail",
        Cause::OneFailure,
        18.0,
        20.0,
        |it, runs| {
            ends(it, runs as u64 / 2, runs as u64 / 2);
        },
    ),
    Edge(
        "runs of 1000 that fail",
        Cause::OneFailure,
        110.0,
        130.0,
        |it, failed| {
            ends(it, 1_000 - failed as u64, failed as u64);
        },
    ),
    Edge(
        "runs of 50 that fail",
        Cause::OneFailure,
        10.0,
        14.0,
        |it, failed| {
            ends(it, 50 - failed as u64, failed as u64);
        },
    ),
    Edge(
        "runs of 1000 that end their task",
        Cause::OneFailure,
        500.0,
        560.0,
        |it, failed| {
            ends(it, 1_000 - failed as u64, failed as u64);
            it.stages[0].settings.max_attempts = 3;
            workers(it, 0).answers.done = 1_000;
            workers(it, 0).answers.failed = 0;
        },
    ),
    Edge(
        "failing tasks, of 1000",
        Cause::OneFailure,
        40.0,
        60.0,
        |it, tasks| {
            ends(it, 1_000, tasks as u64 * 5);
            it.stages[0].settings.max_attempts = 5;
            workers(it, 0).arrivals.producer = 1_000;
            workers(it, 0).answers.failed = tasks as u64 * 4;
            workers(it, 0).answers.done -= tasks as u64 * 4;
        },
    ),
    Edge(
        "failing tasks, of 60",
        Cause::OneFailure,
        5.0,
        7.0,
        |it, tasks| {
            // A twentieth, and perhaps by chance.
            ends(it, 60, tasks as u64 * 5);
            it.stages[0].settings.max_attempts = 5;
            workers(it, 0).arrivals.producer = 60;
            workers(it, 0).answers.failed = tasks as u64 * 4;
            workers(it, 0).answers.done -= tasks as u64 * 4;
        },
    ),
    Edge(
        "tasks of 100 that fail on a later stage",
        Cause::HandlerFails,
        8.0,
        12.0,
        |it, tasks| {
            let later = workers(it, 1);
            let failed = (tasks * 25.0) as u64;
            later.runs = Runs {
                failed,
                failures: vec![failure("status", Some(500), failed)],
                ..Runs::default()
            };
            later.arrivals.hand_over = failed;
            it.stages[1].settings.max_attempts = 1;
        },
    ),
    Edge(
        "times as slow",
        Cause::HandlerSlow,
        2.8,
        3.2,
        |it, times| {
            slower(it, 1.0, times, 1_000);
        },
    ),
    Edge(
        "times as slow, half of the runs",
        Cause::HandlerSlow,
        0.9,
        1.1,
        |it, times| {
            slower(it, 1.0, 4.0, 1_000);
            workers(it, 0).runs.p50 = Some(seconds(times));
        },
    ),
    Edge("s slower", Cause::HandlerSlow, 0.2, 0.3, |it, by| {
        slower(it, 0.01, (0.01 + by) / 0.01, 1_000);
    }),
    Edge(
        "runs before",
        Cause::HandlerSlow,
        99.0,
        100.0,
        |it, runs| {
            slower(it, 1.0, 4.0, runs as u64);
        },
    ),
    Edge("slow runs", Cause::HandlerSlow, 19.0, 20.0, |it, runs| {
        slower(it, 1.0, 4.0, 1_000);
        workers(it, 0).runs.succeeded = runs as u64;
        workers(it, 0).runs.failed = 0;
    }),
    Edge("s late", Cause::AtRate, 4.5, 5.5, |it, late| {
        limited(it, 100.0, late, 5_000.0);
    }),
    Edge("s of work left", Cause::AtRate, 9.0, 11.0, |it, left| {
        limited(it, 100.0, 60.0, left * 104.0);
    }),
    Edge(
        "s late, and no more is known",
        Cause::AtRate,
        9.0,
        11.0,
        |it, late| {
            limited(it, 100.0, late, 5_000.0);
            it.stages[0].queue_numbers = Known::Unknown {
                unknown: Unknown::Absent,
            };
        },
    ),
    Edge(
        "pushes that show how late",
        Cause::AtRate,
        4.0,
        5.0,
        |it, pushes| {
            limited(it, 0.16, 60.0, 5_000.0);
            queue(it, 0).lag = None;
            let fast = workers(it, 0);
            fast.answers = Answers {
                done: pushes as u64,
                ..Answers::default()
            };
        },
    ),
    Edge(
        "s late beyond a run",
        Cause::AtRate,
        14.0,
        16.0,
        |it, late| {
            limited(it, 100.0, late, 5_000.0);
            workers(it, 0).lag_p95 = None;
            queue(it, 0).lag = Some(seconds(late));
        },
    ),
    Edge(
        "of the rate, and Cloud Tasks hides the rest",
        Cause::AtRate,
        0.85,
        0.95,
        |it, of| {
            limited(it, 104.0 / of, 60.0, 5_000.0);
            it.stages[0].settings.max_concurrent_dispatches = None;
        },
    ),
    Edge(
        "of the rate, with nothing else in the way",
        Cause::AtRate,
        0.45,
        0.55,
        |it, of| {
            limited(it, 104.0 / of, 60.0, 5_000.0);
        },
    ),
    Edge(
        "in flight of 200",
        Cause::AtConcurrency,
        170.0,
        185.0,
        |it, in_flight| {
            limited(it, 500.0, 60.0, 5_000.0);
            queue(it, 0).in_flight = in_flight as u64;
        },
    ),
    Edge(
        "less than the limit",
        Cause::Throttled,
        -0.95,
        -0.85,
        |it, of| {
            limited(it, 104.0 / -of + 20.0, 60.0, 5_000.0);
            let limit = it.stages[0].settings.max_dispatches_per_second.unwrap();
            queue(it, 0).effective_rate = limit * -of;
        },
    ),
    Edge(
        "of what the workers count",
        Cause::Throttled,
        0.6,
        0.7,
        |it, of| {
            limited(it, 500.0, 60.0, 5_000.0);
            queue(it, 0).effective_rate = 104.0 * of;
        },
    ),
    Edge(
        "of what Cloud Tasks allows",
        Cause::Throttled,
        0.45,
        0.55,
        |it, of| {
            limited(it, 500.0, 60.0, 5_000.0);
            queue(it, 0).effective_rate = 104.0 / of;
        },
    ),
    Edge(
        "fewer dispatches than a window shows",
        Cause::Throttled,
        -11.0,
        -9.0,
        |it, allowed| {
            limited(it, 500.0, 60.0, 5_000.0);
            *workers(it, 0) = quiet(25.0);
            queue(it, 0).executed_last_minute = 0;
            queue(it, 0).in_flight = 0;
            queue(it, 0).effective_rate = -allowed / 25.0;
        },
    ),
    Edge(
        "503 answers",
        Cause::NoRunSlots,
        9.0,
        10.0,
        |it, no_room| {
            ends(it, 50, 0);
            workers(it, 0).answers.no_room = no_room as u64;
        },
    ),
    Edge(
        "503 answers, of 1000",
        Cause::NoRunSlots,
        40.0,
        60.0,
        |it, no_room| {
            ends(it, 1_000 - no_room as u64, 0);
            workers(it, 0).answers.no_room = no_room as u64;
        },
    ),
    Edge(
        "tasks that leave for their category's share",
        Cause::Isolating,
        9.0,
        10.0,
        |it, tasks| workers(it, 0).isolated.share = tasks as u64,
    ),
    Edge(
        "times the producers",
        Cause::ProducerSurge,
        1.9,
        2.1,
        |it, times| {
            surge(it, 30.0);
            workers(it, 0).before.as_mut().unwrap().producer_per_second = 100.0 / times;
        },
    ),
    Edge(
        "times what was created",
        Cause::ProducerSurge,
        1.8,
        2.2,
        |it, times| {
            surge(it, 30.0);
            workers(it, 0).before.as_mut().unwrap().producer_per_second = 10.0;
            queue(it, 0).tasks = 12 + (times * 10.0 * 36.0) as u64;
            queue(it, 0).executed_last_minute = 600;
            workers(it, 0).answers.done = 250;
            workers(it, 0).answers.failed = 0;
            it.stages[0].settings.max_dispatches_per_second = Some(10.0);
            queue(it, 0).effective_rate = 10.0;
        },
    ),
    Edge(
        "tasks of producers",
        Cause::ProducerSurge,
        19.0,
        20.0,
        |it, tasks| {
            surge(it, 30.0);
            workers(it, 0).arrivals.producer = tasks as u64;
            workers(it, 0).before.as_mut().unwrap().producer_per_second = 0.1;
        },
    ),
    Edge("min late", Cause::ProducerSurge, -10.5, -9.5, |it, late| {
        surge(it, -late * 60.0);
    }),
    Edge(
        "hand-overs",
        Cause::NextStageFills,
        19.0,
        20.0,
        |it, tasks| {
            fills(it, tasks, 0.1);
        },
    ),
    Edge(
        "times what the next stage takes",
        Cause::NextStageFills,
        1.1,
        1.3,
        |it, times| {
            fills(it, 1_000.0, 40.0 / times);
        },
    ),
    Edge(
        "retries, of 100",
        Cause::RetriesUseRate,
        45.0,
        55.0,
        |it, retries| {
            limited(it, 104.0, 60.0, 5_000.0);
            workers(it, 0).arrivals.producer = (26.0 * (100.0 - retries)) as u64;
            workers(it, 0).runs.succeeded = 1_100;
        },
    ),
    Edge("pushes", Cause::RetriesUseRate, 19.0, 20.0, |it, pushes| {
        limited(it, pushes / 25.0, 60.0, 5_000.0);
        ends(it, 8, pushes as u64 - 8);
        workers(it, 0).arrivals.producer = 8;
        queue(it, 0).executed_last_minute = 0;
    }),
];

/// All runs of the first stage are of tasks with one attempt.
fn ends(chain: &mut LiveChain, succeeded: u64, failed: u64) {
    chain.stages[0].settings.max_attempts = 1;
    let fast = workers(chain, 0);
    fast.runs.succeeded = succeeded;
    fast.runs.failed = failed;
    fast.runs.failures = vec![failure("status", Some(500), failed)];
    fast.arrivals = Arrivals {
        producer: succeeded + failed,
        hand_over: 0,
    };
    fast.answers = Answers {
        done: succeeded + failed,
        ..Answers::default()
    };
    fast.handed_on = 0;
    fast.runs_in_progress = 0;
    // Later stages have nothing to do.
    for stage in 1..3 {
        *workers(chain, stage) = quiet(300.0);
    }
}

fn refuses(chain: &mut LiveChain, refused: f64) {
    let fast = workers(chain, 0);
    fast.refused = [("audience".to_owned(), refused as u64)].into();
    fast.answers.unknown = refused as u64;
}

fn notifier(chain: &mut LiveChain, tasks: f64, late: f64, executed: u64) {
    let Known::Known(numbers) = &mut chain.notifier.queue_numbers else {
        return;
    };
    numbers.tasks = tasks as u64;
    numbers.lag = Some(seconds(late));
    numbers.executed_last_minute = executed;
}

fn slower(chain: &mut LiveChain, usual: f64, times: f64, runs: u64) {
    let fast = workers(chain, 0);
    fast.runs.p50 = Some(seconds(usual * times));
    fast.runs.p95 = Some(seconds(usual * times));
    let before = fast.before.as_mut().unwrap();
    before.p95 = Some(seconds(usual));
    before.runs = runs;
}

/// The first stage dispatches 104 tasks a second, and is late.
fn limited(chain: &mut LiveChain, limit: f64, late: f64, waiting: f64) {
    chain.stages[0].settings.max_dispatches_per_second = Some(limit);
    let fast = queue(chain, 0);
    fast.effective_rate = limit;
    fast.tasks = fast.in_flight + waiting as u64;
    fast.lag = Some(seconds(late * 1.2));
    workers(chain, 0).lag_p95 = Some(seconds(late));
}

fn surge(chain: &mut LiveChain, late: f64) {
    limited(chain, 104.0, late, 2_000_000.0);
    workers(chain, 0)
        .before
        .as_mut()
        .unwrap()
        .producer_per_second = 10.0;
}

/// So much is handed over to the second stage, which takes so much a second.
fn fills(chain: &mut LiveChain, tasks: f64, takes: f64) {
    workers(chain, 0).handed_on = tasks as u64;
    chain.stages[1].settings.max_dispatches_per_second = Some(2.6);
    let slow = queue(chain, 1);
    slow.tasks = 3_000;
    slow.effective_rate = 2.6;
    let slow = workers(chain, 1);
    slow.lag_p95 = Some(seconds(60.0));
    slow.arrivals.hand_over = (takes * 25.0) as u64;
}

#[test]
fn each_rule_begins_where_it_says() {
    let mut wrong = Vec::new();
    for Edge(name, cause, below, above, set) in EDGES {
        for (value, wanted) in [(below, false), (above, true)] {
            let mut chain = chain();
            set(&mut chain, *value);
            let found = why(&chain);
            if found.iter().any(|it| it.cause == *cause) != wanted {
                let found: Vec<_> = found.iter().map(|it| (it.cause, &it.message)).collect();
                wrong.push(format!("{name} {value}: {cause} {wanted}; {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
