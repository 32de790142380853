//! What an edit of a chain would do: the next minutes, simulated with it and without it, from what is
//! measured now.
//!
//! How a task fares on a stage is drawn when it comes there. The workers' counts say which part of the
//! tasks that come to a stage doesn't succeed on it, and how many of its runs fail. Both together say
//! which failures are the task's, which fails in each run, and which are the run's, after which another may
//! succeed: see [`fates`]. What can't be told apart is taken for the task's: with one attempt, all of it.
//!
//! A chain of 500 tasks a second runs a million tasks in half an hour. So each simulated task may stand for
//! several: it takes as many tokens and slots, and comes when the last of them would. The waits that come
//! of it are those of a queue of the same rate, but for the time that its tokens take.

mod course;
mod durations;
mod effect;
pub mod fates;
mod interval;
mod measured;
mod no_forecast;
mod settings;
mod task;
mod tasks_at_start;

use std::time::Duration;

pub use no_forecast::NoForecast;
pub use settings::{Condition, NotSimulated, Phase, Route, StageSettings};

use console::{Effect, Forecast, LiveChain};
use course::{Counted, Course};
use interval::Chances;
use measured::Measured;

/// How far it looks ahead.
pub const HORIZON: Duration = Duration::from_mins(30);

/// Dispatches that one course simulates at most, about: fourteen of them take half a second.
const DISPATCHES: f64 = 100_000.0;
/// Courses by what is measured, which differ by chance alone.
const SEEDS: u64 = 3;

/// What `after` would do instead of `before`, from `now` on for the time of `horizon`. Both are settings
/// in force, by time: the first from the begin, others as overrides end or rates are restored in steps.
pub fn forecast(
    now: &LiveChain,
    before: &[Phase],
    after: &[Phase],
    horizon: Duration,
) -> Result<Forecast, NoForecast> {
    for phases in [before, after] {
        settings::check(now, phases)?;
    }
    let first = before.first().ok_or(NoForecast::NoSettings)?;
    let measured = Measured::of(now, &first.stages)?;
    let each = [before, after].map(|phases| weight(&measured, phases, horizon));
    let weight = each.into_iter().max().unwrap_or(1);
    let effect =
        |phases: &[Phase]| effect_of(now, &measured, &first.stages, phases, horizon, weight);
    Ok(Forecast {
        horizon_seconds: horizon.as_secs_f64(),
        before: effect(before)?,
        after: effect(after)?,
    })
}

fn effect_of(
    now: &LiveChain,
    measured: &Measured,
    settings: &[StageSettings],
    phases: &[Phase],
    horizon: Duration,
    weight: u32,
) -> Result<Effect, NoForecast> {
    let run = |chances: Chances, seed: u64| -> Result<Counted, NoForecast> {
        let likely = measured.with(chances);
        let counted = Course::run(&likely, settings, phases, horizon, weight, seed);
        counted.map_err(|stage| NoForecast::NoRuns {
            stage: now.stages[stage].name.clone(),
        })
    };
    // The same seeds with and without the edit, so that chance makes no difference between them.
    let usual = (0..SEEDS).map(|seed| run(Chances::AsMeasured, seed));
    let usual = usual.collect::<Result<Vec<_>, _>>()?;
    let edges = Chances::EDGES.map(|chances| run(chances, 0));
    let edges = edges.into_iter().collect::<Result<Vec<_>, _>>()?;
    let names = now.stages.iter().map(|stage| stage.name.as_str());
    Ok(effect::effect_of(&usual, &edges, names))
}

/// How many tasks one simulated task has to stand for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and rates are not negative"
)]
fn weight(measured: &Measured, phases: &[Phase], horizon: Duration) -> u32 {
    let seconds = horizon.as_secs_f64();
    let mut allowed = 0.0;
    let mut attempts = 0.0;
    for place in 0..measured.stages.len() {
        let settings = phases.iter().map(|phase| &phase.stages[place]);
        let rate = settings.clone().map(|it| it.limits.rate);
        allowed += rate.fold(0.0, f64::max) * seconds;
        let most = settings.map(|it| it.attempts.get()).max();
        attempts += f64::from(most.unwrap_or(1));
    }
    let stages = measured.stages.iter();
    let come: f64 = stages.map(|stage| stage.come_within(seconds)).sum();
    let dispatches = allowed.min(come * attempts).max(come.min(allowed * 4.0));
    (dispatches / DISPATCHES).ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use console::LiveChain;
    use serde_json::json;

    use super::*;
    use crate::queue::{Backoff, Limits};

    #[test]
    fn however_much_comes_not_much_is_simulated() {
        for (stages, tasks, per_minute) in [
            (1, 0, 600),
            (1, 0, 30_000),
            (16, 0, 30_000),
            (16, 10_000_000, 600_000),
        ] {
            let names: Vec<String> = (0..stages).map(|it| format!("s{it}")).collect();
            let stage = |name: &String| {
                json!({
                    "name": name, "queue": name, "deployment": name, "state": {"is": "running"},
                    "settings": {"maxAttempts": 3, "timeoutSeconds": 10.0},
                    "pods": {"ready": 1, "desired": 1},
                    "queueNumbers": {
                        "tasks": tasks, "lagSeconds": 900.0, "executedLastMinute": 0, "inFlight": 0,
                        "effectiveRate": 500.0,
                    },
                    "workerNumbers": {
                        "windowSeconds": 60.0, "podsAsked": 1,
                        "runs": {"succeeded": per_minute, "failed": 0, "timedOut": 0, "unreachable": 0},
                        "arrivals": {"producer": per_minute, "handOver": 0},
                        "answers": {
                            "done": per_minute, "failed": 0, "notHandedOn": 0, "notNotified": 0,
                            "unknown": 0, "noRoom": 0, "tooLarge": 0,
                        },
                        "handedOn": 0, "expiring": 0, "runsInProgress": 0, "runSlots": 1000,
                    },
                })
            };
            let chain = json!({
                "namespace": "n", "name": "c", "edit": {"state": "inForce"},
                "stages": names.iter().map(stage).collect::<Vec<_>>(),
                "notifier": {"queue": "n", "paused": false, "queueNumbers": {"unknown": "quota"}},
                "findings": [],
            });
            let chain: LiveChain = serde_json::from_value(chain).expect("it is a chain");
            let settings = |name: &String| StageSettings {
                name: name.clone(),
                limits: Limits {
                    rate: 500.0,
                    concurrency: 1000,
                    backoff: Backoff::default(),
                },
                is_paused: false,
                attempts: std::num::NonZeroU32::MIN,
                timeout: Duration::from_secs(10),
                run_slots: 1000,
                routes: Vec::new(),
                not_simulated: None,
            };
            let phase = Phase {
                from: Duration::ZERO,
                stages: names.iter().map(settings).collect(),
            };
            let measured = Measured::of(&chain, &phase.stages).expect("all is known");
            let weight = f64::from(weight(&measured, &[phase], HORIZON));
            let allowed = 500.0 * 1800.0 * f64::from(stages);
            let comes: f64 = measured
                .stages
                .iter()
                .map(|it| it.come_within(1800.0))
                .sum();
            assert!(
                allowed.min(comes) / weight <= DISPATCHES,
                "{stages} {tasks}: {weight}"
            );
            assert!(
                comes / weight <= allowed.max(DISPATCHES) * 4.0,
                "{stages} {tasks}: {weight}"
            );
            if per_minute == 600 {
                assert!((weight - 1.0).abs() < 1e-9, "each task by itself");
            }
        }
    }
}
