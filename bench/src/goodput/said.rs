//! What a course says of its design.

use incident::{Course, Scene, Span};

use crate::quantile::Sample;

/// In the figures' units: a second, milliseconds, seconds.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// Healthy tasks done a second, while the incident lasts and after it.
    pub goodput: [f64; 2],
    /// p99 of the latency of healthy tasks that come in the incident, and after it.
    pub p99: [f64; 2],
    /// From the incident's end until all tasks have ended that came before it; none if one never did.
    pub gone: Option<f64>,
}

impl Said {
    pub fn of(course: &Course, scene: &Scene) -> Self {
        let after = Span {
            from: scene.incident.until,
            until: scene.lasts,
        };
        let spans = [scene.incident, after];
        let ended = course.ended(scene.incident.until);
        Self {
            goodput: spans.map(|span| course.goodput(span)),
            p99: spans.map(|span| Sample::new(course.latencies(span)).percentile(99)),
            gone: ended.map(|at| at.saturating_sub(scene.incident.until).as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use incident::simulate;

    use super::*;
    use crate::goodput::designs::{FAILS, HANGS, Kind, LOAD, scene};

    /// The goals, in a short scene. Not in a small one: few tasks a second come more unevenly than many,
    /// and wait for each other where a rate is nearly used up.
    #[test]
    fn a_ladder_is_near_to_the_oracle_and_a_single_queue_is_not() {
        for trouble in [FAILS, HANGS] {
            let scene = scene(trouble.harm, LOAD, [5, 60, 20]);
            let tasks = scene.tasks(1);
            let [single, ladder, oracle] = Kind::ALL.map(|kind| {
                let design = kind.design(trouble.timeout, 1.0);
                Said::of(&simulate(&scene, &tasks, &design, &[]), &scene)
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
