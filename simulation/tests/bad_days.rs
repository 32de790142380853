//! What isolation and holding do on bad days, and on good ones: by the workers' own code.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::{
    Backoff, Design, Entry, FailureThreshold, Fault, Isolate, Limits, Observed, Outcome, Results,
    Scenario, Stage, Task, Tenants, Unlucky, Window, Workers, simulate_observed,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const HANG: Duration = seconds(10);
/// From here on after its begin an incident counts: before, no run that hangs has ended.
const SETTLED: Duration = seconds(10);
const DEFAULT: FailureThreshold = FailureThreshold {
    of: 16,
    at_least: 12,
};
const FAILURES: Isolate = Isolate {
    to: 1,
    max_share: None,
    failures: Some(DEFAULT),
};
const BOTH: Isolate = Isolate {
    max_share: Some(25),
    ..FAILURES
};

fn stage(rate: f64, concurrency: u32, attempts: u32) -> Stage {
    Stage {
        limits: Limits {
            rate,
            concurrency,
            backoff: Backoff {
                max: seconds(10),
                ..Backoff::default()
            },
        },
        attempts: NonZeroU32::new(attempts).expect("at least one"),
        timeout: HANG,
        capacity: concurrency,
        reroutes_to: None,
        workers: Workers::default(),
    }
}

/// Two stages, as in the benchmark.
fn ladder(pods: u32, isolate: Option<Isolate>, entry: Entry, seed: u64) -> Design {
    let mut fast = stage(500.0, 1000, 3);
    fast.workers = Workers {
        pods: NonZeroU32::new(pods).expect("at least one"),
        isolate,
        hold_on_outage: None,
        seed,
    };
    Design {
        stages: vec![fast, stage(100.0, 200, 4)],
        entry,
    }
}

/// Half of the first queue's rate, of many healthy tenants and some that an incident strikes for two minutes.
fn incident(share: f64, tenants: u32) -> Scenario {
    Scenario {
        load: 250.0,
        share,
        lasts: seconds(190),
        incident: Window {
            from: seconds(10),
            until: seconds(130),
        },
        fault: Fault::Hangs,
        success_takes: Duration::from_millis(20),
        unlucky: Unlucky::default(),
        tenants: Tenants {
            affected: tenants,
            healthy: 20,
        },
    }
}

/// Nothing but runs that fail by chance.
fn calm(load: f64, minutes: u64, unlucky: f64, tenants: u32) -> Scenario {
    Scenario {
        load,
        share: 0.0,
        lasts: seconds(minutes * 60),
        incident: Window {
            from: Duration::ZERO,
            until: Duration::ZERO,
        },
        fault: Fault::Fails,
        success_takes: Duration::from_millis(20),
        unlucky: Unlucky {
            affected: unlucky,
            healthy: unlucky,
        },
        tenants: Tenants {
            affected: 1,
            healthy: tenants,
        },
    }
}

fn observed(scenario: &Scenario, tasks: &[Task], design: &Design) -> (Results, Observed) {
    let mut observed = Observed::default();
    let note = |now, event| observed.note(now, event);
    let results = simulate_observed(scenario, tasks, design, &[], note);
    (results, observed)
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() * 99).div_ceil(100) - 1]
}

/// Healthy tasks done a second and their p99, in an incident that has settled.
fn goodput(results: &Results, scenario: &Scenario) -> (f64, Duration) {
    let settled = Window {
        from: scenario.incident.from + SETTLED,
        until: scenario.incident.until,
    };
    (results.goodput(settled), p99(results.latencies(settled)))
}

#[test]
fn tenants_that_hang_leave_and_the_others_are_as_fast_as_if_nothing_had_happened() {
    for (share, tenants, part) in [(1.0 / 3.0, 1, 0.97), (0.35, 5, 0.95)] {
        for (pods, seed) in [(1, 1), (4, 2), (4, 3)] {
            let scenario = incident(share, tenants);
            let tasks = scenario.tasks(seed);
            let of = |isolate, entry| {
                let design = ladder(pods, isolate, entry, seed);
                observed(&scenario, &tasks, &design)
            };
            let (oracle, _) = of(None, Entry::Oracle);
            let (isolating, seen) = of(Some(BOTH), Entry::First);
            let what = format!("{tenants} tenants, {pods} pods, seed {seed}");
            let [wanted, found] = [&oracle, &isolating].map(|it| goodput(it, &scenario));
            assert!(found.0 >= part * wanted.0, "{what}: {found:?}, {wanted:?}");
            // Five tenants have all slots between them before the first pod has seen enough of each.
            if tenants == 1 {
                assert!(found.1 <= 2 * wanted.1, "{what}: {found:?}, {wanted:?}");
            }
            assert_eq!(seen.isolated_healthy(&tasks), 0, "{what}");
            let times = seen.by_tenant(&tasks);
            assert_eq!(times.len(), tenants as usize, "{what}");
            for [first, last] in times.into_values() {
                assert!(first >= scenario.incident.from, "{what}: {first:?}");
                assert!(
                    last <= scenario.incident.until + seconds(30),
                    "{what}: {last:?}"
                );
            }
        }
    }
}

/// What isolation is there for: otherwise the test above could not fail.
#[test]
fn without_isolation_healthy_tasks_wait_behind_those_that_hang() {
    let scenario = incident(1.0 / 3.0, 1);
    let tasks = scenario.tasks(1);
    let of = |entry| {
        let (results, _) = observed(&scenario, &tasks, &ladder(1, None, entry, 1));
        goodput(&results, &scenario).0
    };
    let part = of(Entry::First) / of(Entry::Oracle);
    assert!(part < 0.75, "{part}");
}

#[test]
fn on_a_good_day_nobody_is_isolated() {
    for pods in [1, 4] {
        let design = ladder(pods, Some(FAILURES), Entry::First, 1);
        // One healthy tenant with 80 % of the load.
        let scenario = calm(250.0, 2, 0.0, 20);
        let mut tasks = scenario.tasks(1);
        for (place, task) in tasks.iter_mut().enumerate() {
            if !place.is_multiple_of(5) {
                task.tenant = 1;
            }
        }
        let (_, seen) = observed(&scenario, &tasks, &design);
        assert_eq!(seen.isolated, [], "{pods} pods");
        // As many tenants as tasks, some of which fail.
        let scenario = calm(250.0, 1, 0.1, 1);
        let mut tasks = scenario.tasks(1);
        tasks.truncate(10_000);
        for (tenant, task) in (0..).zip(&mut tasks) {
            task.tenant = tenant;
        }
        let (_, seen) = observed(&scenario, &tasks, &design);
        assert_eq!(seen.isolated, [], "{pods} pods");
    }
}

#[test]
fn where_a_fifth_of_all_runs_fails_hardly_a_task_is_isolated() {
    for pods in [1, 4] {
        let scenario = calm(250.0, 20, 0.2, 50);
        let tasks = scenario.tasks(1);
        let design = ladder(pods, Some(BOTH), Entry::First, 1);
        let (_, seen) = observed(&scenario, &tasks, &design);
        let part = seen.isolated.len() * 1000;
        assert!(
            part <= tasks.len(),
            "{} of {}",
            seen.isolated.len(),
            tasks.len()
        );
    }
}

/// Three stages with 3, 2 and 1 attempts, each as fast as a queue may be.
fn three_stages(pods: u32, hold_on_outage: Option<Duration>, isolate: Option<Isolate>) -> Design {
    let stages = [3, 2, 1].map(|attempts| {
        let mut stage = stage(500.0, 1000, attempts);
        stage.workers = Workers {
            pods: NonZeroU32::new(pods).expect("at least one"),
            isolate,
            hold_on_outage,
            seed: u64::from(attempts),
        };
        stage
    });
    Design {
        stages: stages.to_vec(),
        entry: Entry::First,
    }
}

/// The handler fails for all tasks, for ten minutes.
fn outage(load: f64, fault: Fault) -> Scenario {
    Scenario {
        load,
        share: 1.0,
        lasts: seconds(15 * 60),
        incident: Window {
            from: seconds(60),
            until: seconds(11 * 60),
        },
        fault,
        success_takes: Duration::from_millis(20),
        unlucky: Unlucky::default(),
        tenants: Tenants {
            affected: 20,
            healthy: 1,
        },
    }
}

/// From the end of an outage of ten minutes on, as long as the queue needs for what has come meanwhile.
fn drain(load: f64) -> Duration {
    Duration::from_secs_f64(load * 600.0 / 500.0 + 15.0)
}

#[test]
fn an_outage_costs_few_tasks_an_attempt_and_none_its_end() {
    let rows = [
        (Fault::Fails, 100.0, 1),
        (Fault::Hangs, 100.0, 4),
        (Fault::Fails, 200.0, 4),
    ];
    for (fault, load, pods) in rows {
        let scenario = outage(load, fault);
        let tasks = scenario.tasks(1);
        let design = three_stages(pods, Some(seconds(1800)), Some(BOTH));
        let (results, seen) = observed(&scenario, &tasks, &design);
        let what = format!("{fault:?}, {load}/s, {pods} pods");
        assert_eq!(results.count(Outcome::Failed), 0, "{what}");
        let lost = seen.failed_attempt.len();
        assert!(lost <= 32 * pods as usize, "{what}: {lost}");
        assert_eq!(seen.isolated.len(), 0, "{what}");
        let done = results.ended(scenario.incident.until);
        let after = done.map(|it| it.saturating_sub(scenario.incident.until));
        assert!(
            after.is_some_and(|it| it <= drain(load)),
            "{what}: {after:?}"
        );
    }
}

#[test]
fn without_a_hold_all_tasks_of_an_outage_end_as_failed() {
    let mut scenario = outage(100.0, Fault::Fails);
    scenario.incident.until = seconds(120);
    scenario.lasts = seconds(150);
    let tasks = scenario.tasks(1);
    let (results, _) = observed(&scenario, &tasks, &three_stages(4, None, None));
    let came = tasks
        .iter()
        .filter(|it| scenario.incident.has(it.arrives))
        .count();
    let failed = results.count(Outcome::Failed);
    assert!(failed * 100 >= came * 98, "{failed} of {came}");
}

/// In an outage whose tenants are of different sizes, one is the first whose failures are enough.
#[test]
fn an_outage_isolates_no_tenant() {
    for hold in [None, Some(seconds(600))] {
        let (mut isolated, mut all) = (0, 0);
        for seed in 1..=6 {
            let mut scenario = outage(100.0, Fault::Fails);
            scenario.incident.until = seconds(90);
            scenario.lasts = seconds(120);
            scenario.unlucky.affected = 0.05;
            let mut tasks = scenario.tasks(seed);
            for (place, task) in tasks.iter_mut().enumerate() {
                if place % 5 < 3 {
                    task.tenant = 0;
                }
            }
            let (_, seen) = observed(&scenario, &tasks, &three_stages(2, hold, Some(BOTH)));
            isolated += seen.isolated.len();
            all += tasks.len();
        }
        assert!(isolated * 1000 <= all, "{isolated} of {all}, {hold:?}");
    }
}

#[test]
fn a_handler_that_fails_in_seventy_of_a_hundred_runs_does_as_much_as_without_a_hold() {
    let scenario = calm(200.0, 3, 0.7, 20);
    let tasks = scenario.tasks(1);
    let done = [None, Some(seconds(1800))].map(|hold| {
        let (results, _) = observed(&scenario, &tasks, &three_stages(4, hold, None));
        results.goodput(Window {
            from: Duration::ZERO,
            until: scenario.lasts,
        })
    });
    assert!(done[1] >= 0.97 * done[0], "{done:?}");
}

#[test]
fn holds_of_one_outage_share_one_limit() {
    let scenario = calm(50.0, 10, 0.97, 20);
    let tasks = scenario.tasks(1);
    let (_, seen) = observed(&scenario, &tasks, &three_stages(1, Some(seconds(60)), None));
    assert!(!seen.held.is_empty());
    // A failure costs nothing for a moment before a pod holds.
    for (stage, [first, last]) in seen.held {
        assert!(
            last <= first + seconds(60) + seconds(10),
            "stage {stage}: {first:?} to {last:?}"
        );
    }
}

#[test]
fn a_batch_of_bad_tasks_ends_as_failed_when_the_hold_is_over_and_healthy_ones_succeed() {
    let mut scenario = outage(200.0, Fault::Fails);
    scenario.share = 0.95;
    scenario.lasts = seconds(120);
    scenario.incident.until = seconds(3600);
    let mut tasks = scenario.tasks(1);
    let batch = Window {
        from: seconds(60),
        until: seconds(70),
    };
    for task in &mut tasks {
        task.is_affected &= batch.has(task.arrives);
    }
    let (results, _) = observed(&scenario, &tasks, &three_stages(2, Some(seconds(60)), None));
    for (task, end) in &results.tasks {
        let end = end.expect("it ends");
        let wanted = if task.is_affected {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        assert_eq!(end.how, wanted);
        // Each of three stages may hold once.
        assert!(
            end.at <= batch.until + 3 * seconds(60) + seconds(30),
            "{end:?}"
        );
    }
}
