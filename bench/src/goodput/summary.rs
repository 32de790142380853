//! What the results say of a design.

use simulation::{Results, Scenario, Window};

use crate::quantile::Sample;

/// In the figures' units: a second, milliseconds, seconds.
#[derive(Debug, Clone, Copy)]
pub struct Summary {
    /// Healthy tasks done a second, while the incident lasts and after it.
    pub goodput: [f64; 2],
    /// p99 of the latency of healthy tasks that come in the incident, and after it.
    pub p99: [f64; 2],
    /// From the incident's end until all tasks have ended that came before it; none if one never did.
    pub drained: Option<f64>,
}

impl Summary {
    pub fn of(results: &Results, scenario: &Scenario) -> Self {
        let after = Window {
            from: scenario.incident.until,
            until: scenario.lasts,
        };
        let windows = [scenario.incident, after];
        let ended = results.ended(scenario.incident.until);
        Self {
            goodput: windows.map(|window| results.goodput(window)),
            p99: windows.map(|window| Sample::new(results.latencies(window)).percentile(99)),
            drained: ended.map(|at| at.saturating_sub(scenario.incident.until).as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use simulation::simulate;

    use super::*;
    use crate::goodput::designs::{DesignKind, FAILS, HANGS, LOAD, scenario};

    /// The goals, in a short scenario. Not in a small one: few tasks a second come more unevenly than many,
    /// and wait for each other where a rate is nearly used up.
    #[test]
    fn a_ladder_is_near_to_the_oracle_and_a_single_queue_is_not() {
        for mode in [FAILS, HANGS] {
            let scenario = scenario(mode.fault, LOAD, [5, 60, 20]);
            let tasks = scenario.tasks(1);
            let [single, ladder, oracle] = DesignKind::ALL.map(|kind| {
                let design = kind.design(mode.timeout, 1.0);
                Summary::of(&simulate(&scenario, &tasks, &design, &[]), &scenario)
            });
            assert!(
                ladder.goodput[0] >= 0.97 * oracle.goodput[0],
                "{ladder:?}, {oracle:?}"
            );
            assert!(
                ladder.p99[0] <= 2.0 * oracle.p99[0],
                "{ladder:?}, {oracle:?}"
            );
            assert!(
                single.p99[0] > 100.0 * oracle.p99[0],
                "{single:?}, {oracle:?}"
            );
            assert!(
                single.goodput[1] > oracle.goodput[1],
                "what has waited comes after: {single:?}"
            );
        }
    }
}
