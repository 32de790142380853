//! The scenes: a chain in trouble, and an edit.

use std::num::NonZeroU32;
use std::time::Duration;

use simulation::forecast::{Condition, Phase, Route, StageSettings};
use simulation::{Backoff, Exit, Fault, Limits};

/// Tasks a second that producers create.
const LOAD: f64 = 100.0;
/// Of these, the part that fails on each stage.
const SHARE: f64 = 1.0 / 3.0;
const PAUSE: Duration = Duration::from_mins(1);

pub struct Scene {
    pub name: &'static str,
    pub load: f64,
    pub share: f64,
    pub fault: Fault,
    pub success_takes: Duration,
    pub stages: Vec<StageSettings>,
    /// The first stage with the edit.
    pub edited: StageSettings,
    /// After which time the queue is resumed that the edit pauses.
    pub resumed: Option<Duration>,
    pub horizon: Duration,
}

impl Scene {
    pub fn before(&self) -> Vec<Phase> {
        vec![Phase {
            from: Duration::ZERO,
            stages: self.stages.clone(),
        }]
    }

    pub fn after(&self) -> Vec<Phase> {
        let edited = |from, first: &StageSettings| {
            let mut stages = self.stages.clone();
            stages[0] = first.clone();
            Phase { from, stages }
        };
        let mut phases = vec![edited(Duration::ZERO, &self.edited)];
        if let Some(from) = self.resumed {
            phases.push(edited(from, &self.stages[0]));
        }
        phases
    }
}

/// All of them, in a part of their size.
pub fn scenes(size: f64, horizon: Duration) -> Vec<Scene> {
    let scene = |name, fault, first: StageSettings, edit: &dyn Fn(&mut StageSettings)| {
        let mut edited = first.clone();
        edit(&mut edited);
        Scene {
            name,
            load: LOAD * size,
            share: SHARE,
            fault,
            success_takes: Duration::from_millis(50),
            stages: vec![first, stage("slow", 60.0 * size, 200.0 * size)],
            edited,
            resumed: None,
            horizon,
        }
    };
    let (fails, hangs) = (Fault::Fails, Fault::Hangs);
    let first = |rate: f64, slots: f64| stage("fast", rate * size, slots * size);
    // A third hangs for 4 s, three times: 400 slots, of 300.
    let hanging = || first(400.0, 300.0);
    let slow_handler = Scene {
        share: 0.1,
        success_takes: Duration::from_millis(500),
        ..scene("run slots 30 to 120", fails, first(400.0, 30.0), &|it| {
            it.run_slots = whole(120.0 * size);
            it.limits.concurrency = it.run_slots;
        })
    };
    vec![
        scene("no edit", fails, first(400.0, 300.0), &|_| ()),
        scene(
            "throttle 400/s to 80/s",
            fails,
            first(400.0, 300.0),
            &|it| {
                it.limits.rate = 80.0 * size;
            },
        ),
        // A third fails three times: 167 dispatches a second.
        scene("raise 120/s to 300/s", fails, first(120.0, 300.0), &|it| {
            it.limits.rate = 300.0 * size;
        }),
        scene("attempts 3 to 1", hangs, hanging(), &|it| {
            it.attempts = NonZeroU32::MIN;
        }),
        scene("timeout 4 s to 1 s", hangs, hanging(), &|it| {
            it.timeout = Duration::from_secs(1);
        }),
        scene("route timeouts on", hangs, hanging(), &|it| {
            it.routes = vec![Route {
                when: Condition::Reason("timeout".to_owned()),
                to: Exit::Stage(1),
            }];
        }),
        Scene {
            resumed: Some(PAUSE),
            horizon: horizon.max(PAUSE * 2),
            ..scene("pause for 60 s", fails, first(400.0, 300.0), &|it| {
                it.is_paused = true;
            })
        },
        slow_handler,
        scene("backoff 0.1 s to 8 s", fails, first(140.0, 300.0), &|it| {
            it.limits.backoff.min = Duration::from_secs(8);
        }),
    ]
}

fn stage(name: &str, rate: f64, slots: f64) -> StageSettings {
    StageSettings {
        name: name.to_owned(),
        limits: Limits {
            rate,
            concurrency: whole(slots),
            backoff: Backoff {
                max: Duration::from_secs(30),
                ..Backoff::default()
            },
        },
        is_paused: false,
        attempts: NonZeroU32::new(3).expect("3 is not 0"),
        timeout: Duration::from_secs(4),
        run_slots: whole(slots),
        routes: Vec::new(),
        not_simulated: None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to 1000"
)]
fn whole(number: f64) -> u32 {
    number.round().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_eight_edits_of_different_kinds() {
        let scenes = scenes(1.0, Duration::from_mins(1));
        let edits = scenes.iter().filter(|it| it.edited != it.stages[0]);
        assert_eq!(edits.count(), 8);
        assert_eq!(scenes.len(), 9);
    }
}
