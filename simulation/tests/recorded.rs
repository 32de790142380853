//! Forecasts from what was measured in real chains, against what then happened there: scenes of
//! `make bench-forecast`, at two fifths of their size, 40 s ahead.

use std::num::NonZeroU32;
use std::time::Duration;

use console::{Effect, LiveChain, Range, Time};
use serde_json::{Value, json};
use simulation::forecast::{Condition, Phase, Route, StageSettings, forecast};
use simulation::{Backoff, Exit, Limits};

const HORIZON: Duration = Duration::from_secs(40);

fn settings(name: &str, rate: f64, slots: u32) -> StageSettings {
    StageSettings {
        name: name.to_owned(),
        limits: Limits {
            rate,
            concurrency: slots,
            backoff: Backoff {
                max: Duration::from_secs(30),
                ..Backoff::default()
            },
        },
        is_paused: false,
        attempts: NonZeroU32::new(3).expect("3 is not 0"),
        timeout: Duration::from_secs(4),
        run_slots: slots,
        routes: Vec::new(),
        not_simulated: None,
    }
}

/// A stage of which a third of the tasks hangs for 4 s: tasks, lag and those in flight; then, of 19 s, the
/// tasks of producers and those handed over, successes, time-outs, those tried again, and the p95 of the lag.
fn stage(name: &str, queue: (u64, f64, u64), workers: (u64, u64, u64, u64, u64, f64)) -> Value {
    let (tasks, lag, in_flight) = queue;
    let (producer, hand_over, succeeded, timed_out, failed, seen) = workers;
    let mut runs = json!({
        "succeeded": succeeded, "failed": 0, "timedOut": timed_out, "unreachable": 0,
        "failures": [{"reason": "timeout", "count": timed_out}],
    });
    if succeeded > 0 {
        runs["inTimeP50Seconds"] = json!(0.055);
        runs["inTimeP95Seconds"] = json!(0.15);
    }
    let done = succeeded + timed_out - failed;
    json!({
        "name": name, "queue": name, "deployment": name, "state": {"is": "running"},
        "settings": {"maxAttempts": 3, "timeoutSeconds": 4.0},
        "pods": {"ready": 1, "desired": 1},
        "queueNumbers": {
            "tasks": tasks, "lagSeconds": lag, "executedLastMinute": 0, "inFlight": in_flight,
            "effectiveRate": 160.0,
        },
        "workerNumbers": {
            "windowSeconds": 19.0, "podsAsked": 1, "runs": runs,
            "arrivals": {"producer": producer, "handOver": hand_over},
            "answers": {
                "done": done, "failed": failed, "notHandedOn": 0, "notNotified": 0, "unknown": 0,
                "noRoom": 0, "tooLarge": 0,
            },
            "handedOn": 0, "lagP95Seconds": seen, "expiring": 0, "runsInProgress": in_flight,
            "runSlots": in_flight,
        },
    })
}

fn foreseen(stages: &[Value; 2], edit: impl FnOnce(&mut StageSettings)) -> Effect {
    let chain = json!({
        "namespace": "bench", "name": "orders", "edit": {"state": "inForce"}, "stages": stages,
        "notifier": {"queue": "n", "paused": false, "queueNumbers": {"unknown": "quota"}},
        "findings": [],
    });
    let chain: LiveChain = serde_json::from_value(chain).expect("it is a chain");
    let stages = vec![settings("fast", 160.0, 120), settings("slow", 24.0, 80)];
    let mut edited = stages.clone();
    edit(&mut edited[0]);
    let [before, after] = [stages, edited].map(|stages| {
        let from = Duration::ZERO;
        vec![Phase { from, stages }]
    });
    let forecast = forecast(&chain, &before, &after, HORIZON);
    forecast.expect("all is known").after
}

/// As the benchmark demands it.
fn holds(range: Range, real: f64, noise: f64) {
    let is_held = real <= range.most * 1.05 + noise && real >= range.least * 0.95 - noise;
    assert!(is_held, "{real}, foreseen {range:?}");
}

fn holds_p99(time: Time, real: f64) {
    let [least, most] = [time.least, time.most].map(|it| it.expect("some are done"));
    let is_held = real <= most * 1.25 + 0.05 && real >= least / 1.25 - 0.05;
    assert!(is_held, "{real}, foreseen {time:?}");
}

#[test]
fn a_shorter_time_out() {
    let effect = foreseen(
        &[
            stage("fast", (352, 7.98, 120), (595, 0, 407, 524, 397, 4.67)),
            stage("slow", (94, 4.97, 80), (0, 127, 0, 175, 141, 2.04)),
        ],
        |it| it.timeout = Duration::from_secs(1),
    );
    holds(effect.healthy_per_second, 28.5, 0.0);
    holds(effect.stages[0].dispatches_per_second, 80.1, 0.0);
    holds(effect.stages[1].dispatches_per_second, 20.0, 0.0);
    holds(effect.failed, 102.0, 20.0);
    holds_p99(effect.healthy_p99_seconds, 4.33);
}

#[test]
fn fewer_attempts() {
    let effect = foreseen(
        &[
            stage("fast", (356, 7.09, 120), (655, 0, 450, 553, 402, 4.76)),
            stage("slow", (123, 5.72, 80), (0, 136, 0, 207, 177, 2.3)),
        ],
        |it| it.attempts = NonZeroU32::MIN,
    );
    holds(effect.healthy_per_second, 27.7, 0.0);
    holds(effect.stages[0].dispatches_per_second, 48.1, 0.0);
    holds(effect.stages[1].dispatches_per_second, 20.0, 0.0);
    holds(effect.failed, 101.0, 20.0);
    holds_p99(effect.healthy_p99_seconds, 3.56);
}

#[test]
fn fewer_attempts_while_the_lag_grows() {
    let effect = foreseen(
        &[
            stage("fast", (299, 6.07, 120), (638, 0, 427, 548, 393, 2.48)),
            stage("slow", (133, 5.5, 80), (0, 137, 0, 214, 187, 2.7)),
        ],
        |it| it.attempts = NonZeroU32::MIN,
    );
    holds(effect.healthy_per_second, 27.4, 0.0);
    holds(effect.stages[0].dispatches_per_second, 45.55, 0.0);
    holds(effect.stages[1].dispatches_per_second, 19.8, 0.0);
    holds(effect.failed, 110.0, 21.0);
    holds_p99(effect.healthy_p99_seconds, 3.18);
}

#[test]
fn a_route_for_those_that_hang() {
    let effect = foreseen(
        &[
            stage("fast", (389, 8.25, 120), (621, 0, 415, 507, 379, 4.74)),
            stage("slow", (104, 5.51, 80), (0, 121, 0, 182, 160, 2.2)),
        ],
        |it| {
            it.routes = vec![Route {
                when: Condition::Reason("timeout".to_owned()),
                to: Exit::Stage(1),
            }];
        },
    );
    holds(effect.healthy_per_second, 28.9, 0.0);
    holds(effect.stages[0].dispatches_per_second, 49.0, 0.0);
    holds(effect.failed, 128.0, 22.0);
    let gone = effect.stages[0].backlog_gone_seconds.most;
    assert!(gone.is_some_and(|it| it * 1.1 + 3.2 >= 19.3), "{gone:?}");
}
