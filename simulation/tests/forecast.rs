//! Forecasts of made-up chains.

use std::num::NonZeroU32;
use std::time::Duration;

use console::text::forecast as text;
use console::{Effect, Forecast, Known, LiveChain, Range, StageEffect, Time, Unknown};
use proptest::prelude::*;
use serde_json::{Value, json};
use simulation::forecast::{
    Condition, HORIZON, NoForecast, NotSimulated, Phase, Route, StageSettings, forecast,
};
use simulation::{Backoff, Exit, Limits};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A queue that was asked for its numbers.
fn queue(tasks: u64, lag: f64, in_flight: u64) -> Value {
    json!({
        "tasks": tasks, "firstDue": "2026-11-29T18:00:00Z", "lagSeconds": lag,
        "executedLastMinute": 0, "inFlight": in_flight, "effectiveRate": 500.0,
    })
}

/// Workers that were asked for theirs, of a minute: tasks a second from producers and by hand-overs, and
/// the runs that succeed, fail with 500, and time out.
fn workers([producer, hand_over]: [u64; 2], [succeeded, failed, timed_out]: [u64; 3]) -> Value {
    let runs = succeeded + failed + timed_out;
    let left = (producer + hand_over).saturating_sub(succeeded);
    let retried = (failed + timed_out).saturating_sub(left);
    let durations = |share: f64| if share > 0.5 { 10.0 } else { 0.02 };
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let slow = timed_out as f64 / runs.max(1) as f64;
    let mut of_runs = json!({
        "succeeded": succeeded * 60, "failed": failed * 60, "timedOut": timed_out * 60, "unreachable": 0,
        "failures": [
            {"reason": "timeout", "count": timed_out * 60},
            {"reason": "status", "status": 500, "count": failed * 60},
        ],
    });
    if runs > 0 {
        of_runs["p50Seconds"] = json!(durations(slow));
        of_runs["p95Seconds"] = json!(durations(slow * 10.0));
    }
    if succeeded + failed > 0 {
        of_runs["inTimeP50Seconds"] = json!(0.02);
        of_runs["inTimeP95Seconds"] = json!(0.04);
    }
    json!({
        "windowSeconds": 60.0, "podsAsked": 1, "runs": of_runs,
        "arrivals": {"producer": producer * 60, "handOver": hand_over * 60},
        "answers": {
            "done": (runs - retried) * 60, "failed": retried * 60, "notHandedOn": 0, "notNotified": 0,
            "unknown": 0, "noRoom": 0, "tooLarge": 0,
        },
        "handedOn": left * 60, "expiring": 0, "runsInProgress": 0, "runSlots": 1000,
    })
}

fn chain(stages: &[(&str, Value, Value)]) -> LiveChain {
    let stage = |(name, queue, workers): &(&str, Value, Value)| {
        json!({
            "name": name, "queue": name, "deployment": name, "state": {"is": "running"},
            "settings": {"maxAttempts": 3, "timeoutSeconds": 10.0},
            "pods": {"ready": 1, "desired": 1}, "queueNumbers": queue, "workerNumbers": workers,
        })
    };
    let chain = json!({
        "namespace": "shop", "name": "orders", "edit": {"state": "inForce"},
        "stages": stages.iter().map(stage).collect::<Vec<_>>(),
        "notifier": {"queue": "n", "paused": false, "queueNumbers": {"unknown": "quota"}},
        "findings": [],
    });
    serde_json::from_value(chain).expect("it is a chain")
}

fn settings(name: &str, rate: f64, concurrency: u32) -> StageSettings {
    StageSettings {
        name: name.to_owned(),
        limits: Limits {
            rate,
            concurrency,
            backoff: Backoff {
                max: seconds(60),
                ..Backoff::default()
            },
        },
        is_paused: false,
        attempts: NonZeroU32::new(3).expect("3 is not 0"),
        timeout: seconds(10),
        run_slots: concurrency,
        routes: Vec::new(),
        not_simulated: None,
    }
}

fn always(stages: Vec<StageSettings>) -> Vec<Phase> {
    let from = Duration::ZERO;
    vec![Phase { from, stages }]
}

/// One stage, edited from the begin on.
fn edited(
    chain: &LiveChain,
    before: &StageSettings,
    edit: impl FnOnce(&mut StageSettings),
) -> Forecast {
    let mut after = before.clone();
    edit(&mut after);
    let [before, after] = [before.clone(), after].map(|it| always(vec![it]));
    forecast(chain, &before, &after, HORIZON).expect("all is known")
}

fn near(value: f64, wanted: f64, off: f64) {
    assert!((value - wanted).abs() <= off, "{value}, not {wanted}");
}

/// A chain of one stage to which 100 healthy tasks a second come.
fn calm() -> (LiveChain, StageSettings) {
    let calm = ("fast", queue(0, 0.0, 0), workers([100, 0], [100, 0, 0]));
    (chain(&[calm]), settings("fast", 500.0, 1000))
}

/// A ladder, of whose first stage a third of the tasks hang. It is overloaded: 1000 slots of 10 s each.
fn incident() -> (LiveChain, Vec<StageSettings>) {
    let fast = workers([250, 0], [92, 0, 100]);
    let mut chain = chain(&[
        ("fast", queue(26_000, 75.0, 1000), fast),
        ("slow", queue(0, 0.0, 0), workers([0, 20], [0, 0, 20])),
    ]);
    if let Known::Known(numbers) = &mut chain.stages[0].worker_numbers {
        // Of those that are dispatched, first dispatches: 92 succeed and 46 hang.
        numbers.arrivals.producer = 138 * 60;
        numbers.answers.failed = 66 * 60;
        numbers.answers.done = 126 * 60;
        numbers.lag_p95 = Some(seconds(75));
    }
    (
        chain,
        vec![settings("fast", 500.0, 1000), settings("slow", 100.0, 200)],
    )
}

#[test]
fn nothing_changes_where_nothing_is_edited() {
    let (chain, stage) = calm();
    let forecast = edited(&chain, &stage, |_| ());
    assert_eq!(forecast.before, forecast.after);
    near(forecast.before.healthy_per_second.value, 100.0, 2.0);
    near(
        forecast.before.stages[0].dispatches_per_second.value,
        100.0,
        2.0,
    );
    near(forecast.before.failed.value, 0.0, 0.0);
    assert_eq!(
        forecast.before.stages[0].backlog_gone_seconds.value,
        Some(0.0)
    );
}

#[test]
fn a_throttle_lets_through_its_rate_and_the_rest_waits() {
    let (chain, stage) = calm();
    let after = edited(&chain, &stage, |it| it.limits.rate = 20.0).after;
    near(after.healthy_per_second.value, 20.0, 0.2);
    assert_eq!(after.stages[0].backlog_gone_seconds.value, None);
    // At the end, those are dispatched that came after a fifth of the time.
    near(
        after.healthy_p99_seconds.value.expect("some are done"),
        1426.0,
        30.0,
    );
}

#[test]
fn a_pause_delays_by_its_length_and_what_has_waited_comes_after() {
    let (chain, stage) = calm();
    let mut paused = stage.clone();
    paused.is_paused = true;
    let before = always(vec![stage.clone()]);
    let after = [(0, paused), (60, stage)].map(|(from, stage)| Phase {
        from: seconds(from),
        stages: vec![stage],
    });
    let after = forecast(&chain, &before, &after, seconds(600))
        .expect("all is known")
        .after;
    // 6,000 wait, and 400 more a second are dispatched than come. Of 60,000 tasks, 7,500 are late.
    near(
        after.stages[0].backlog_gone_seconds.value.expect("it goes"),
        75.0,
        5.0,
    );
    near(
        after.healthy_p99_seconds.value.expect("some are done"),
        55.2,
        2.0,
    );
    near(after.healthy_per_second.value, 100.0, 2.0);
}

#[test]
fn an_override_that_ends_is_one_more_phase() {
    let (chain, stage) = calm();
    let mut slow = stage.clone();
    slow.limits.rate = 10.0;
    let before = always(vec![stage.clone()]);
    let after = [(0, slow), (600, stage)].map(|(from, stage)| Phase {
        from: seconds(from),
        stages: vec![stage],
    });
    let after = forecast(&chain, &before, &after, HORIZON)
        .expect("all is known")
        .after;
    // 54,000 have waited.
    near(
        after.stages[0].backlog_gone_seconds.value.expect("it goes"),
        735.0,
        20.0,
    );
    near(after.healthy_per_second.value, 100.0, 2.0);
}

#[test]
fn a_backlog_is_gone_when_the_rate_allows_it() {
    let workers = workers([50, 0], [50, 0, 0]);
    let chain = chain(&[("fast", queue(30_000, 600.0, 0), workers)]);
    let forecast = edited(&chain, &settings("fast", 50.0, 1000), |it| {
        it.limits.rate = 100.0;
    });
    assert_eq!(forecast.before.stages[0].backlog_gone_seconds.value, None);
    near(
        forecast.after.stages[0]
            .backlog_gone_seconds
            .value
            .expect("it goes"),
        600.0,
        20.0,
    );
    near(forecast.before.healthy_per_second.value, 50.0, 0.5);
}

#[test]
fn fewer_attempts_free_the_slots_of_tasks_that_hang() {
    let (chain, stages) = incident();
    let before = always(stages.clone());
    let mut after = stages;
    after[0].attempts = NonZeroU32::MIN;
    let forecast = forecast(&chain, &before, &always(after), HORIZON).expect("all is known");
    let (before, after) = (&forecast.before, &forecast.after);
    // 1000 slots for 10 s each: of 250 tasks a second, 83 hang three times.
    assert_eq!(before.stages[0].backlog_gone_seconds.value, None);
    assert!(before.healthy_per_second.value < 140.0, "{before:?}");
    assert!(after.healthy_per_second.value > 160.0, "{after:?}");
    assert!(
        after.stages[0].backlog_gone_seconds.value.is_some(),
        "{after:?}"
    );
    // All of those that hang on the first stage hang on the second: 200 slots for 30 s.
    assert!(
        after.stages[1].dispatches_per_second.value < 21.0,
        "{after:?}"
    );
}

#[test]
fn a_route_takes_tasks_off_a_stage_after_one_run() {
    let (chain, stages) = incident();
    let before = always(stages.clone());
    let with_route = |when: Condition, to: Exit| {
        let mut after = stages.clone();
        after[0].routes = vec![Route { when, to }];
        forecast(&chain, &before, &always(after), HORIZON).map(|it| it.after)
    };
    let timeout = || Condition::Reason("timeout".to_owned());
    let to_next = with_route(timeout(), Exit::Stage(1)).expect("all is known");
    assert!(to_next.healthy_per_second.value > 160.0, "{to_next:?}");
    let to_end = with_route(timeout(), Exit::Failed).expect("all is known");
    // A third of those that come, and of the 26,000 that wait.
    near(to_end.failed.value, 92.0 * 1800.0 + 9_000.0, 10_000.0);
    let status = with_route(Condition::Status("5xx".to_owned()), Exit::Stage(1));
    assert!(status.expect("all is known").healthy_per_second.value < 140.0);
    let error = with_route(Condition::Header, Exit::Stage(1)).unwrap_err();
    assert!(error.to_string().contains("route by header"), "{error}");
}

#[test]
fn what_is_not_simulated_has_no_forecast() {
    let (chain, stages) = incident();
    for (what, sentence) in [
        (
            NotSimulated::Isolation,
            "no forecast: stage slow isolates categories, and the number of tasks in each is not measured",
        ),
        (
            NotSimulated::Delay,
            "no forecast: stage slow has a delay, which is not simulated",
        ),
    ] {
        let mut after = stages.clone();
        after[1].not_simulated = Some(what);
        let error = forecast(&chain, &always(stages.clone()), &always(after), HORIZON);
        assert_eq!(error.unwrap_err().to_string(), sentence);
    }
}

#[test]
fn a_shorter_time_out_frees_slots() {
    let (chain, stages) = incident();
    let before = always(stages.clone());
    let mut after = stages;
    after[0].timeout = seconds(2);
    let after = forecast(&chain, &before, &always(after), HORIZON)
        .expect("all is known")
        .after;
    assert!(after.healthy_per_second.value > 160.0, "{after:?}");
}

#[test]
fn a_run_that_hangs_is_not_taken_for_a_task_that_waits() {
    // 2,000 are due. What is in flight has been for up to 10 s, so the first may wait since 10 s.
    let come = |timed_out, seen| {
        let numbers = workers([160, 0], [160, 0, timed_out]);
        let mut chain = chain(&[("fast", queue(2100, 20.0, 100), numbers)]);
        if let Known::Known(numbers) = &mut chain.stages[0].worker_numbers {
            numbers.lag_p95 = Some(Duration::from_millis(seen));
            numbers.arrivals.producer = 9600 + 60 * timed_out;
            numbers.answers.failed = 0;
        }
        let stage = StageSettings {
            attempts: NonZeroU32::MIN,
            ..settings("fast", 500.0, 1000)
        };
        let forecast = edited(&chain, &stage, |_| ());
        forecast.before.stages[0].dispatches_per_second
    };
    // Nothing hangs: it is the lag.
    near(come(0, 20_000).value, 101.0, 4.0);
    // The workers have seen no push that was later than 10 s.
    near(come(1, 9_000).value, 195.0, 6.0);
    let either = come(1, 20_000);
    assert!(either.least < 101.0 && either.most > 190.0, "{either:?}");
}

#[test]
fn too_few_run_slots_are_dispatches_without_a_run() {
    let mut chain = chain(&[("fast", queue(0, 0.0, 0), workers([100, 0], [100, 0, 0]))]);
    if let Known::Known(numbers) = &mut chain.stages[0].worker_numbers {
        numbers.runs.in_time_p50 = Some(seconds(1));
        numbers.runs.in_time_p95 = Some(seconds(1));
    }
    // 100 tasks a second of 1 s each, on 50 slots and on 200.
    let forecast = edited(&chain, &settings("fast", 500.0, 50), |it| {
        it.run_slots = 200;
        it.limits.concurrency = 200;
    });
    near(forecast.before.healthy_per_second.value, 50.0, 3.0);
    near(forecast.after.healthy_per_second.value, 100.0, 3.0);
    let mut few = settings("fast", 500.0, 1000);
    few.run_slots = 50;
    let unfit = edited(&chain, &few, |_| ()).before;
    near(unfit.healthy_per_second.value, 50.0, 5.0);
    assert!(
        unfit.stages[0].dispatches_per_second.value > 100.0,
        "{unfit:?}"
    );
}

#[test]
fn what_is_unknown_is_named() {
    let (chain, stage) = calm();
    let phases = always(vec![stage.clone()]);
    let refused = |chain: &LiveChain, after: &[Phase]| {
        forecast(chain, &phases, after, HORIZON)
            .unwrap_err()
            .to_string()
    };
    let mut no_queue = chain.clone();
    no_queue.stages[0].queue_numbers = Unknown::Quota.into();
    let text = refused(&no_queue, &phases);
    assert_eq!(
        text,
        "no forecast: the backlog of stage fast is unknown: a quota of Cloud Tasks is exhausted"
    );
    let mut no_workers = chain.clone();
    no_workers.stages[0].worker_numbers = Unknown::NoPods.into();
    assert!(refused(&no_workers, &phases).contains("the stage has no ready pod"));
    let mut no_runs = chain.clone();
    if let Known::Known(numbers) = &mut no_runs.stages[0].worker_numbers {
        numbers.runs = console::Runs::default();
    }
    assert!(refused(&no_runs, &phases).contains("no run has ended on stage fast"));
    let mut refusing = chain.clone();
    if let Known::Known(numbers) = &mut refusing.stages[0].worker_numbers {
        numbers.answers.unknown = 3000;
    }
    assert!(refused(&refusing, &phases).contains("3000 of 9000 pushes"));
    let other = always(vec![settings("other", 1.0, 1)]);
    assert!(refused(&chain, &other).contains("adds, removes, or reorders stages"));
    assert_eq!(
        forecast(&chain, &phases, &[], HORIZON),
        Err(NoForecast::NoSettings)
    );
    let mut missing = chain.clone();
    missing.stages[0].state = console::StageState::Missing;
    assert!(refused(&missing, &phases).contains("doesn't exist"));
}

#[test]
fn a_stage_without_tasks_needs_no_runs_until_an_edit_sends_it_some() {
    let idle = workers([0, 0], [0, 0, 0]);
    let failing = workers([10, 0], [10, 0, 0]);
    let mut chain = chain(&[
        ("fast", queue(0, 0.0, 0), failing),
        ("slow", queue(0, 0.0, 0), idle),
    ]);
    let stages = vec![settings("fast", 50.0, 10), settings("slow", 50.0, 10)];
    let phases = always(stages.clone());
    assert!(forecast(&chain, &phases, &phases, HORIZON).is_ok());
    // A tenth of the runs fail, and succeed when they are tried again.
    if let Known::Known(numbers) = &mut chain.stages[0].worker_numbers {
        numbers.runs.failed = 66;
        numbers.runs.failures[1].count = 66;
        numbers.answers.failed = 66;
    }
    assert!(forecast(&chain, &phases, &phases, HORIZON).is_ok());
    let mut once = stages;
    once[0].attempts = NonZeroU32::MIN;
    let error = forecast(&chain, &phases, &always(once), HORIZON).unwrap_err();
    assert_eq!(
        error,
        NoForecast::NoRuns {
            stage: "slow".to_owned()
        }
    );
}

#[test]
fn a_short_measurement_gives_a_range() {
    let forecast_of = |scale: u64| {
        let mut chain = chain(&[("fast", queue(0, 0.0, 0), workers([5, 0], [4, 1, 0]))]);
        if let Known::Known(numbers) = &mut chain.stages[0].worker_numbers {
            numbers.arrivals.producer = 10 * scale;
            numbers.runs.succeeded = 8 * scale;
            numbers.runs.failed = 2 * scale;
            numbers.runs.failures[1].count = 2 * scale;
            numbers.answers.failed = 0;
            numbers.window = seconds(2 * scale);
        }
        let mut stage = settings("fast", 50.0, 100);
        stage.attempts = NonZeroU32::MIN;
        let failed = edited(&chain, &stage, |_| ()).before.failed;
        near(failed.value, 1800.0, 200.0);
        (failed.most - failed.least) / failed.value
    };
    let (short, long) = (forecast_of(1), forecast_of(100));
    assert!(short > 2.0 && long < 0.4, "{short} {long}");
}

#[test]
fn tasks_that_stand_for_several_give_the_same() {
    // A short time is simulated task by task, a long one isn't.
    let workers = workers([400, 0], [300, 100, 0]);
    let chain = chain(&[("fast", queue(0, 0.0, 0), workers)]);
    let mut stage = settings("fast", 450.0, 40);
    stage.attempts = NonZeroU32::MIN;
    let phases = always(vec![stage]);
    let of = |horizon| {
        forecast(&chain, &phases, &phases, horizon)
            .expect("all is known")
            .before
    };
    let (exact, coarse) = (of(seconds(200)), of(HORIZON));
    near(
        coarse.healthy_per_second.value,
        exact.healthy_per_second.value,
        6.0,
    );
    near(
        coarse.failed.value / 1800.0,
        exact.failed.value / 200.0,
        3.0,
    );
    let wait = |effect: &Effect| effect.healthy_p99_seconds.value.expect("some are done");
    near(wait(&coarse), wait(&exact), 0.1);
}

fn range(value: f64, least: f64, most: f64) -> Range {
    Range { value, least, most }
}

fn time(value: Option<f64>, least: Option<f64>, most: Option<f64>) -> Time {
    Time { value, least, most }
}

#[test]
fn people_read_a_table_and_programs_json() {
    let stage = |name: &str, dispatches, gone| StageEffect {
        stage: name.to_owned(),
        dispatches_per_second: dispatches,
        backlog_gone_seconds: gone,
    };
    let forecast = Forecast {
        horizon_seconds: 1800.0,
        before: Effect {
            healthy_per_second: range(99.2, 98.0, 101.0),
            healthy_p99_seconds: time(Some(745.0), Some(740.0), Some(750.0)),
            stages: vec![
                stage("fast", range(199.0, 198.0, 201.0), time(None, None, None)),
                stage(
                    "slow",
                    range(19.0, 18.9, 19.4),
                    time(Some(1700.0), Some(1500.0), None),
                ),
            ],
            failed: range(34_600.0, 34_000.0, 35_000.0),
        },
        after: Effect {
            healthy_per_second: range(167.0, 140.0, 190.0),
            healthy_p99_seconds: time(Some(0.08), Some(0.08), Some(0.09)),
            stages: vec![
                stage(
                    "fast",
                    range(253.0, 250.0, 255.0),
                    time(Some(300.0), Some(240.0), Some(360.0)),
                ),
                stage(
                    "slow",
                    range(20.0, 20.0, 20.0),
                    time(Some(0.0), Some(0.0), Some(0.0)),
                ),
            ],
            failed: range(0.0, 0.0, 0.0),
        },
    };
    insta::assert_snapshot!(text(&forecast));
    let json = serde_json::to_value(&forecast).expect("it is JSON");
    assert_eq!(
        json["before"]["stages"][0]["backlogGoneSeconds"]["value"],
        Value::Null
    );
    assert_eq!(json["after"]["failed"]["most"], json!(0.0));
    assert_eq!(
        serde_json::from_value::<Forecast>(json).expect("it is read"),
        forecast
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn more_rate_is_never_less_goodput_where_runs_succeed(come in 1..60_u64, rate in 5.0..100.0_f64) {
        let chain = chain(&[("fast", queue(0, 0.0, 0), workers([come, 0], [come, 0, 0]))]);
        let forecast = edited(&chain, &settings("fast", rate, 1000), |it| it.limits.rate *= 1.5);
        let [before, after] = [&forecast.before, &forecast.after].map(|it| it.healthy_per_second.value);
        prop_assert!(after >= before * 0.995, "{before} {after}");
    }

    #[test]
    fn ranges_hold_their_values_and_no_more_is_done_than_comes(
        come in 0..50_u64,
        failing in 0..50_u64,
        hanging in 0..50_u64,
        backlog in 0..5000_u64,
        rate in 1.0..100.0_f64,
        slots in 1..100_u32,
    ) {
        let succeeded = come.saturating_sub(failing.min(come));
        let chain = chain(&[
            ("fast", queue(backlog, 30.0, 0), workers([come, 0], [succeeded, failing, hanging])),
            ("slow", queue(0, 0.0, 0), workers([0, 1], [1, 1, 0])),
        ]);
        let stages = vec![settings("fast", rate, slots), settings("slow", rate, slots)];
        let phases = always(stages);
        let horizon = seconds(300);
        let Ok(forecast) = forecast(&chain, &phases, &phases, horizon) else {
            prop_assert!(come + failing + hanging == 0);
            return Ok(());
        };
        prop_assert_eq!(&forecast.before, &forecast.after);
        let Effect { healthy_per_second, failed, stages, .. } = forecast.before;
        for range in stages.iter().map(|it| it.dispatches_per_second).chain([healthy_per_second, failed]) {
            prop_assert!(range.least <= range.value && range.value <= range.most, "{range:?}");
        }
        // The burst, a token's rounding, and the rate.
        let most = rate + (rate / 5.0).max(10.0) / 300.0 + 0.1;
        for stage in &stages {
            prop_assert!(stage.dispatches_per_second.most <= most, "{stage:?}");
        }
    }
}
