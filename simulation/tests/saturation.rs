//! The simulation against arithmetic that needs none.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::saturation::{Bound, keeps_up, offered_load, saturation_load};
use simulation::{
    Backoff, Change, Design, Edit, Entry, Fault, Limits, Outcome, Scenario, Stage, Tenants,
    Unlucky, Window, Workers, simulate,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A tenth of a usual queue, so that little is to be simulated.
fn stage(attempts: u32, timeout: Duration) -> Stage {
    Stage {
        limits: Limits {
            rate: 50.0,
            concurrency: 100,
            backoff: Backoff::default(),
        },
        attempts: NonZeroU32::new(attempts).expect("at least one"),
        timeout,
        capacity: 100,
        reroutes_to: None,
        workers: Workers::default(),
    }
}

fn one_queue(attempts: u32, timeout: Duration) -> Design {
    Design {
        stages: vec![stage(attempts, timeout)],
        entry: Entry::First,
    }
}

fn two_queues(attempts: u32, timeout: Duration, entry: Entry) -> Design {
    Design {
        stages: vec![stage(attempts, timeout), stage(1, timeout)],
        entry,
    }
}

const fn window(from: u64, until: u64) -> Window {
    Window {
        from: seconds(from),
        until: seconds(until),
    }
}

fn scenario(load: f64, fault: Fault) -> Scenario {
    Scenario {
        load,
        share: 1.0 / 3.0,
        lasts: seconds(330),
        incident: window(10, 310),
        fault,
        success_takes: Duration::from_millis(20),
        unlucky: Unlucky::default(),
        tenants: Tenants::default(),
    }
}

const SECOND_HALF: Window = Window {
    from: seconds(160),
    until: seconds(310),
};

/// Whether nearly all healthy tasks of the incident's second half are done within a second.
fn holds(scenario: &Scenario, design: &Design) -> bool {
    let results = simulate(scenario, &scenario.tasks(7), design, &[]);
    let mut took = results.latencies(SECOND_HALF);
    took.sort_unstable();
    took[took.len() * 98 / 100] < seconds(1)
}

#[test]
fn a_first_queue_gives_way_where_the_arithmetic_says() {
    for (name, design, fault, wanted, bound) in rows() {
        let (load, found) = saturation_load(&scenario(1.0, fault), &design);
        assert!((load - wanted).abs() < 0.01, "{name}, {fault:?}: {load}");
        assert_eq!(found, bound, "{name}, {fault:?}");
        for (factor, is_held) in [(0.85, true), (1.15, false)] {
            let holds = holds(&scenario(load * factor, fault), &design);
            assert_eq!(holds, is_held, "{name}, {fault:?}, {factor}");
        }
    }
}

#[test]
fn one_that_gives_way_does_so_as_far_as_the_arithmetic_says() {
    for (name, design, fault, load, _) in rows() {
        assert!((keeps_up(&scenario(load * 0.9, fault), &design) - 1.0).abs() < 1e-9);
        for factor in [1.5, 3.0] {
            let mut scenario = scenario(load * factor, fault);
            // Its delay has grown for long when it is looked at.
            scenario.incident.until = seconds(1000);
            scenario.lasts = seconds(1000);
            let results = simulate(&scenario, &scenario.tasks(7), &design, &[]);
            let late = window(600, 1000);
            let part = results.goodput(late) / (scenario.load * (1.0 - scenario.share));
            let wanted = keeps_up(&scenario, &design);
            let off = (part - wanted).abs();
            assert!(
                off < 0.05,
                "{name}, {fault:?}, {factor}: {part}, not {wanted}"
            );
        }
    }
}

type Row = (&'static str, Design, Fault, f64, Bound);

fn rows() -> [Row; 5] {
    let (fails, hangs) = (Fault::Fails, Fault::Hangs);
    let (short, long) = (seconds(2), seconds(10));
    let ladder = |timeout| two_queues(3, timeout, Entry::First);
    let oracle = two_queues(3, short, Entry::Oracle);
    let slow = one_queue(7, long);
    [
        ("one queue", one_queue(7, short), fails, 16.67, Bound::Rate),
        ("ladder", ladder(short), fails, 30.0, Bound::Rate),
        ("oracle", oracle, fails, 75.0, Bound::Rate),
        ("one queue", slow, hangs, 4.28, Bound::Concurrency),
        ("ladder", ladder(long), hangs, 9.99, Bound::Concurrency),
    ]
}

#[test]
fn what_is_asked_is_what_is_dispatched() {
    let scenario = scenario(20.0, Fault::Hangs);
    let design = two_queues(3, seconds(2), Entry::First);
    let tasks = scenario.tasks(3);
    let window = window(100, 300);
    let mut dispatches = 0.0;
    simulation::simulate_observed(&scenario, &tasks, &design, &[], |now, seen| {
        if matches!(seen, simulation::Event::Dispatched { stage: 0, .. }) && window.has(now) {
            dispatches += 1.0;
        }
    });
    let asked = offered_load(&scenario, &design).dispatches;
    let found = dispatches / window.seconds();
    assert!(
        (found / asked - 1.0).abs() < 0.05,
        "{found}, asked: {asked}"
    );
}

#[test]
fn where_nothing_is_scarce_a_task_takes_what_its_runs_and_waits_take() {
    let mut scenario = scenario(1.0, Fault::Hangs);
    scenario.share = 1.0;
    scenario.incident = window(0, 1000);
    let design = two_queues(3, seconds(2), Entry::First);
    let results = simulate(&scenario, &scenario.tasks(1), &design, &[]);
    for (task, end) in results.tasks {
        let end = end.unwrap();
        // Four runs of 2 s; 0.1 s after the first, 0.2 s after the second.
        let took = end.at.saturating_sub(task.arrives);
        assert_eq!(took, Duration::from_millis(8300));
        assert_eq!(end.how, Outcome::Failed);
    }
}

#[test]
fn an_edit_lets_runs_under_way_end_by_the_old_rules() {
    let mut scenario = scenario(1.0, Fault::Hangs);
    scenario.share = 1.0;
    scenario.incident.from = seconds(0);
    let tasks = [simulation::Task {
        arrives: seconds(1),
        is_affected: true,
        tenant: 0,
    }];
    let ended = |changes: &[Change]| {
        let edit = Edit {
            at: seconds(5),
            stage: 0,
            changes: changes.to_vec(),
        };
        let design = one_queue(3, seconds(10));
        let results = simulate(&scenario, &tasks, &design, &[edit]);
        results.tasks[0].1.unwrap().at
    };
    let one = Change::Attempts(NonZeroU32::MIN);
    // The first run began at 1 s, with three attempts of 10 s; 0.1 s later comes the second push. Where
    // one attempt is all that there is by then, it brings no run.
    assert_eq!(ended(&[]), Duration::from_millis(31_300));
    assert_eq!(ended(&[one]), Duration::from_millis(11_100));
    let short = Change::Timeout(seconds(2));
    assert_eq!(ended(&[short]), Duration::from_millis(15_300));
    assert_eq!(ended(&[one, short]), Duration::from_millis(11_100));
}

#[test]
fn a_diverted_task_takes_a_dispatch_and_no_slot() {
    let mut design = two_queues(3, seconds(10), Entry::First);
    design.stages[0].reroutes_to = Some(1);
    let scenario = scenario(30.0, Fault::Hangs);
    let asked = offered_load(&scenario, &design);
    assert!(
        (asked.dispatches - 30.0).abs() < 1e-9 && asked.slots < 1.0,
        "{asked:?}"
    );
    assert!(holds(&scenario, &design));
}
