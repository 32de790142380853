//! How tasks fare on a stage, from what its workers have counted.
//!
//! Of the tasks that come, a share p fails in each run; of the runs of the others, a share q fails by bad
//! luck. With N attempts, a share h = p + (1−p) qᴺ of the tasks doesn't succeed, and a task fails
//! φ = p N + (1−p)(q + … + qᴺ) times. Both h and φ are measured, and give p and q.
//!
//! The simplest that fits is taken: all failures are those of tasks (q = 0) unless there are more of them
//! than such tasks could have. An incident strikes tasks of a kind, and one that has just begun has made
//! few retries yet.

use super::interval::{self, Edge};

/// What was counted on a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// The attempts of a task.
    pub attempts: u32,
    /// First dispatches.
    pub came: f64,
    /// Runs that succeeded.
    pub succeeded: f64,
    /// Runs that failed, by how.
    pub failures: Vec<Failures>,
    /// Of these, how many are followed by another attempt: answers with 477.
    pub retried: f64,
}

/// Runs that failed in one way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Failures {
    /// How many.
    pub count: f64,
    /// Whether a route takes such tasks off the stage at once.
    pub is_routed: bool,
}

/// How tasks fare on a stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Fates {
    /// The share of the tasks that fail in each run, by the way in which they do.
    pub failing: Vec<f64>,
    /// The share of the runs of all others that fail.
    pub unlucky: f64,
    /// In which ways those do: shares that sum up to 1, or none.
    pub unlucky_ways: Vec<f64>,
    /// The share of the failing tasks' runs after which the handler's verdict ends their attempts.
    pub leaving: f64,
    attempts: u32,
    came: f64,
    runs: f64,
}

/// A split is searched by so many halvings.
const HALVINGS: u32 = 40;
/// So many failures say whether verdicts end attempts.
const FEW: f64 = 20.0;

impl Fates {
    /// `None` if no run has ended.
    pub fn of(counted: &Counted) -> Option<Self> {
        let Counted {
            attempts,
            came,
            succeeded,
            ref failures,
            retried,
        } = *counted;
        let sum = |is_routed: bool| -> f64 {
            let those = failures.iter().filter(|it| it.is_routed == is_routed);
            those.map(|it| it.count).sum()
        };
        let (routed, failed) = (sum(true), sum(false));
        let runs = succeeded + routed + failed;
        if runs <= 0.0 {
            return None;
        }
        let left = (failed - retried).max(0.0);
        // When tasks leave faster than they come, those that leave say more.
        let came = came.max(succeeded + routed + left);
        let each = failed / came;
        // A task that has not failed is still under way.
        let used_up = (1.0 - (succeeded + routed) / came).clamp(0.0, each.min(1.0));
        let leaving = leaving(failed, left, attempts);
        let (share, unlucky) = split(used_up, each, attempts, tries(leaving, attempts), came);
        let part = |it: &Failures| match (it.is_routed, failed > 0.0) {
            (false, true) => it.count / failed,
            _ => 0.0,
        };
        let unlucky_ways = failures.iter().map(part).collect();
        let failing = failures.iter().map(|it| {
            if it.is_routed {
                it.count / came
            } else {
                share * part(it)
            }
        });
        Some(Self {
            failing: failing.collect(),
            unlucky,
            unlucky_ways,
            leaving,
            attempts,
            came,
            runs,
        })
    }

    /// The share of the tasks that fail in each run.
    pub fn all_failing(&self) -> f64 {
        self.failing.iter().sum()
    }

    /// Of the tasks that are tried again, the share of those that fail in each run.
    pub fn failing_of_retries(&self) -> f64 {
        let failing = self.all_failing();
        let retries = tries(self.leaving, self.attempts) - 1.0;
        let last = self.unlucky.powf(f64::from(self.attempts));
        let lucky = (1.0 - failing) * (powers(self.unlucky, self.attempts) - last);
        let all = failing * retries + lucky;
        if all > 0.0 {
            failing * retries / all
        } else {
            0.0
        }
    }

    /// The same at an edge of what may be so. What has never been seen stays unseen.
    pub(super) fn at(&self, edge: Edge) -> Self {
        let all = self.all_failing().min(1.0);
        let factor = |share: f64, of: f64| {
            if share > 0.0 {
                interval::share(share, of, edge) / share
            } else {
                1.0
            }
        };
        let by = factor(all, self.came);
        Self {
            failing: self.failing.iter().map(|share| share * by).collect(),
            unlucky: self.unlucky * factor(self.unlucky, self.runs),
            ..self.clone()
        }
    }
}

/// q + q² + … + qᴺ.
fn powers(q: f64, attempts: u32) -> f64 {
    let mut power = 1.0;
    let mut sum = 0.0;
    for _ in 0..attempts.min(1000) {
        power *= q;
        sum += power;
    }
    sum
}

/// How often a task runs that fails each time.
fn tries(leaving: f64, attempts: u32) -> f64 {
    1.0 + powers(1.0 - leaving, attempts.saturating_sub(1))
}

/// After which share of the failed runs the attempts end by a verdict, if it is clear that some do: the
/// last attempt of N ends them too.
fn leaving(failed: f64, left: f64, attempts: u32) -> f64 {
    let each = if left > 0.0 { failed / left } else { f64::MAX };
    if failed < FEW || each * 1.5 >= f64::from(attempts) {
        return 0.0;
    }
    bisect(|leaving| tries(leaving, attempts) < each)
}

/// The share of the tasks that always fail, and the share of the others' runs that do.
fn split(used_up: f64, each: f64, attempts: u32, tries: f64, came: f64) -> (f64, f64) {
    let all_of_tasks = used_up * tries;
    let noise = 2.0 * tries * (used_up * (1.0 - used_up) / came).max(0.0).sqrt();
    if attempts == 1 || each <= all_of_tasks + noise {
        return (used_up, 0.0);
    }
    let share = |q: f64| {
        let all = q.powf(f64::from(attempts));
        if all < 1.0 {
            ((used_up - all) / (1.0 - all)).max(0.0)
        } else {
            0.0
        }
    };
    let q = bisect(|q| {
        let share = share(q);
        share * tries + (1.0 - share) * powers(q, attempts) > each
    });
    (share(q), q)
}

/// From where on it holds, of a condition that doesn't hold at 0.
fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut least, mut most) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(least, most);
        if holds(middle) {
            most = middle;
        } else {
            least = middle;
        }
    }
    f64::midpoint(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stage counts on which 1000 tasks come, after long.
    fn counted(failing: f64, unlucky: f64, attempts: u32) -> Counted {
        let all = unlucky.powf(f64::from(attempts));
        let used_up = failing + (1.0 - failing) * all;
        let failures = failing * f64::from(attempts) + (1.0 - failing) * powers(unlucky, attempts);
        Counted {
            attempts,
            came: 1000.0,
            succeeded: 1000.0 * (1.0 - used_up),
            failures: vec![Failures {
                count: 1000.0 * failures,
                is_routed: false,
            }],
            retried: 1000.0 * (failures - used_up),
        }
    }

    #[test]
    fn what_fails_each_time_and_what_fails_by_chance_are_told_apart() {
        for (failing, unlucky, attempts) in [
            (0.0, 0.0, 3),
            (1.0 / 3.0, 0.0, 3),
            (1.0, 0.0, 3),
            (0.0, 0.3, 3),
            (0.0, 0.9, 5),
            (0.2, 0.4, 4),
        ] {
            let fates = Fates::of(&counted(failing, unlucky, attempts)).unwrap();
            let off = (fates.all_failing() - failing).abs() + (fates.unlucky - unlucky).abs();
            assert!(off < 1e-3, "{failing} {unlucky} {attempts}: {fates:?}");
            assert!(fates.leaving.abs() < 1e-9);
        }
    }

    #[test]
    fn with_one_attempt_all_failures_are_those_of_tasks() {
        let fates = Fates::of(&counted(0.0, 0.3, 1)).unwrap();
        assert!((fates.all_failing() - 0.3).abs() < 1e-9 && fates.unlucky.abs() < 1e-9);
    }

    #[test]
    fn an_incident_that_has_just_begun_strikes_tasks_too() {
        // A third hangs, and no retry has ended yet.
        let mut just_begun = counted(1.0 / 3.0, 0.0, 3);
        just_begun.failures[0].count = 333.0;
        just_begun.retried = 333.0;
        let fates = Fates::of(&just_begun).unwrap();
        assert!((fates.all_failing() - 0.333).abs() < 0.01, "{fates:?}");
        assert!(fates.unlucky.abs() < 0.01, "{fates:?}");
    }

    #[test]
    fn a_verdict_that_ends_attempts_shows_in_what_leaves() {
        let counted = Counted {
            attempts: 5,
            came: 1000.0,
            succeeded: 800.0,
            failures: vec![Failures {
                count: 200.0,
                is_routed: false,
            }],
            retried: 0.0,
        };
        let fates = Fates::of(&counted).unwrap();
        assert!((fates.all_failing() - 0.2).abs() < 1e-9);
        assert!(fates.leaving > 0.99, "{fates:?}");
        assert!(fates.failing_of_retries().abs() < 1e-9 || fates.leaving < 1.0);
    }

    #[test]
    fn what_a_route_takes_at_once_fails_once() {
        let mut counted = counted(0.1, 0.0, 3);
        counted.came += 500.0;
        counted.failures.push(Failures {
            count: 500.0,
            is_routed: true,
        });
        let fates = Fates::of(&counted).unwrap();
        assert!((fates.failing[1] - 1.0 / 3.0).abs() < 1e-3, "{fates:?}");
        assert!((fates.failing[0] - 0.1 / 1.5).abs() < 1e-3, "{fates:?}");
    }

    #[test]
    fn without_a_run_nothing_is_known() {
        let mut nothing = counted(0.0, 0.0, 3);
        nothing.succeeded = 0.0;
        assert_eq!(Fates::of(&nothing), None);
    }
}
