//! Why `failures` are 12 of 16: what fewer and more would do.

use simulation::{
    FailureThreshold, Fault, Observed, Scenario, Task, Tenants, Unlucky, simulate_observed,
};

use crate::figure::count;
use crate::goodput::bad_days::days::{FAILURES, isolates};
use crate::goodput::designs::{DesignKind, HANGS_LONG, LOAD, scenario};
use crate::plot::{Line, Mark, Plot};

const PODS: u32 = 4;
/// Courses of which the mean is shown.
const COURSES: u32 = 8;
const CALM_MINUTES: u64 = 10;
/// More than is of interest isn't drawn.
const MOST: f64 = 40.0;

pub fn plot(seed: u64) -> Plot {
    let by_threshold = |value: &dyn Fn(FailureThreshold, u64) -> f64| {
        let points = (8..=FAILURES.of).map(|at_least| {
            let threshold = FailureThreshold {
                at_least,
                ..FAILURES
            };
            let seeds = (0..COURSES).map(|course| seed.wrapping_add(u64::from(course)));
            let values = seeds.map(|seed| value(threshold, seed));
            let mean = values.sum::<f64>() / f64::from(COURSES);
            (f64::from(at_least), mean)
        });
        let shown = points.filter(|(_, value)| *value <= MOST);
        shown.collect::<Vec<_>>()
    };
    let calm = |part| by_threshold(&move |threshold, seed| isolated(part, threshold, seed));
    let sick = |part| by_threshold(&move |threshold, seed| until(part, threshold, seed));
    Plot {
        name: "isolation".to_owned(),
        title: "Isolation by failures: mistakes and delay by atLeast, of 16 outcomes".to_owned(),
        across: "atLeast".to_owned(),
        up: "tasks of 1,000 isolated; seconds until isolated".to_owned(),
        lines: vec![
            Line::new("tasks: 20 % fail by chance", calm(0.2)),
            Line::new("30 %", calm(0.3)),
            Line::new("seconds: tenant fails in 70 %", sick(0.7)),
            Line::new("100 %", sick(1.0)),
        ],
        marks: vec![Mark {
            at: f64::from(FAILURES.at_least),
            name: "default".to_owned(),
            line: None,
        }],
    }
}

/// Of a thousand tasks, how many are isolated where a part of all runs fails by chance.
fn isolated(part: f64, threshold: FailureThreshold, seed: u64) -> f64 {
    let scenario = Scenario {
        share: 0.0,
        unlucky: Unlucky {
            affected: 0.0,
            healthy: part,
        },
        tenants: Tenants {
            affected: 1,
            healthy: 50,
        },
        ..scenario(Fault::Fails, LOAD, [CALM_MINUTES * 60, 0, 0])
    };
    let tasks = scenario.tasks(seed);
    let observed = observed(&scenario, &tasks, threshold, seed);
    count(observed.isolated.len()) / count(tasks.len()) * 1000.0
}

/// Seconds until a tenant is isolated that has 7 % of the tasks and fails in a part of its runs.
fn until(part: f64, threshold: FailureThreshold, seed: u64) -> f64 {
    let scenario = Scenario {
        share: 0.07,
        unlucky: Unlucky {
            affected: part,
            healthy: 0.0,
        },
        tenants: Tenants {
            affected: 1,
            healthy: 20,
        },
        ..scenario(Fault::Fails, LOAD, [60, 0, 0])
    };
    let tasks = scenario.tasks(seed);
    let observed = observed(&scenario, &tasks, threshold, seed);
    let first = observed.isolated.first().map(|(at, _)| *at);
    first.unwrap_or(scenario.lasts).as_secs_f64()
}

fn observed(
    scenario: &Scenario,
    tasks: &[Task],
    threshold: FailureThreshold,
    seed: u64,
) -> Observed {
    let mut design = DesignKind::Ladder.design(HANGS_LONG.timeout, 1.0);
    design.stages[0].workers = isolates(PODS, threshold);
    design.stages[0].workers.seed = seed;
    let mut observed = Observed::default();
    simulate_observed(scenario, tasks, &design, &[], |now, event| {
        observed.note(now, event);
    });
    observed
}
