//! A chain that is well, to be changed by tests.

use std::time::Duration;

use console::{
    Answers, Arrivals, Baseline, EditState, Isolated, Known, LiveChain, LiveNotifier, LiveStage,
    Pods, QueueNumbers, Runs, StageSettings, StageState, WorkerNumbers,
};
use jiff::Timestamp;

/// When numbers are read.
pub const NOW: i64 = 1_800_000_000;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Three stages. The first one runs 100 tasks a second, of which two need the second stage.
pub fn chain() -> LiveChain {
    LiveChain {
        namespace: "shop".into(),
        name: "orders".into(),
        edit: EditState::InForce,
        drift: None,
        unreachable: None,
        stages: vec![
            stage("fast", "incoming", busy()),
            stage("slow", "incoming-2", some()),
            stage("last", "incoming-3", idle()),
        ],
        draining: Vec::new(),
        notifier: LiveNotifier {
            queue: "orders-notifier".into(),
            paused: false,
            queue_numbers: Known::Known(QueueNumbers {
                executed_last_minute: 6_000,
                in_flight: 4,
                tasks: 5,
                ..empty(500.0)
            }),
        },
        parking: None,
        findings: Vec::new(),
    }
}

pub fn stage(name: &str, queue: &str, numbers: (QueueNumbers, WorkerNumbers)) -> LiveStage {
    let (of_queue, of_workers) = numbers;
    LiveStage {
        name: name.into(),
        queue: queue.into(),
        deployment: format!("orders-{name}"),
        state: StageState::Running,
        settings: StageSettings {
            max_dispatches_per_second: Some(of_queue.effective_rate),
            max_concurrent_dispatches: Some(200),
            max_attempts: 3,
            timeout: seconds(10.0),
            hold_on_outage: None,
        },
        pods: Pods {
            ready: 2,
            desired: 2,
        },
        isolates_to: Vec::new(),
        overrides: Vec::new(),
        queue_numbers: Known::Known(of_queue),
        worker_numbers: Known::Known(of_workers),
    }
}

pub fn empty(effective_rate: f64) -> QueueNumbers {
    QueueNumbers {
        tasks: 0,
        first_due: None,
        lag: None,
        executed_last_minute: 0,
        in_flight: 0,
        effective_rate,
    }
}

fn busy() -> (QueueNumbers, WorkerNumbers) {
    let queue = QueueNumbers {
        tasks: 25,
        first_due: Some(at(-1)),
        lag: Some(seconds(1.0)),
        executed_last_minute: 6_240,
        in_flight: 12,
        effective_rate: 500.0,
    };
    let workers = WorkerNumbers {
        runs: Runs {
            succeeded: 2_450,
            failed: 150,
            failures: vec![failure("status", Some(500), 150)],
            ..durations(0.03, 0.12)
        },
        arrivals: Arrivals {
            producer: 2_500,
            hand_over: 0,
        },
        answers: Answers {
            done: 2_500,
            failed: 100,
            ..Answers::default()
        },
        handed_on: 50,
        lag_p95: Some(seconds(0.1)),
        runs_in_progress: 12,
        silent_for: Duration::ZERO,
        ..quiet(25.0)
    };
    (queue, workers)
}

fn some() -> (QueueNumbers, WorkerNumbers) {
    let queue = QueueNumbers {
        tasks: 1,
        first_due: Some(at(2)),
        lag: Some(Duration::ZERO),
        executed_last_minute: 150,
        ..empty(20.0)
    };
    let workers = WorkerNumbers {
        runs: Runs {
            succeeded: 40,
            failed: 25,
            failures: vec![failure("status", Some(500), 25)],
            ..durations(0.5, 2.0)
        },
        arrivals: Arrivals {
            producer: 0,
            hand_over: 48,
        },
        answers: Answers {
            done: 46,
            failed: 19,
            ..Answers::default()
        },
        handed_on: 6,
        lag_p95: Some(seconds(0.1)),
        runs_in_progress: 1,
        before: Some(Baseline {
            window: seconds(3_600.0),
            producer_per_second: 0.0,
            runs: 9_000,
            p95: Some(seconds(2.0)),
        }),
        silent_for: Duration::ZERO,
        ..quiet(25.0)
    };
    (queue, workers)
}

fn idle() -> (QueueNumbers, WorkerNumbers) {
    (empty(5.0), quiet(300.0))
}

/// Workers to which nothing happens.
pub fn quiet(window: f64) -> WorkerNumbers {
    WorkerNumbers {
        window: seconds(window),
        age: Duration::ZERO,
        pods_asked: 2,
        silent_for: seconds(window),
        runs: Runs::default(),
        arrivals: Arrivals::default(),
        answers: Answers::default(),
        handed_on: 0,
        isolated: Isolated::default(),
        put_off: 0,
        parked: 0,
        not_parked: 0,
        refused: [].into(),
        lag_p95: None,
        expiring: 0,
        creates_failed: 0,
        look_ups_failed: 0,
        isolated_categories: 0,
        pods_holding: 0,
        runs_in_progress: 0,
        run_slots: 200,
        before: Some(Baseline {
            window: seconds(3_600.0),
            producer_per_second: 100.0,
            runs: 300_000,
            p95: Some(seconds(0.12)),
        }),
    }
}

pub fn durations(p50: f64, p95: f64) -> Runs {
    Runs {
        p50: Some(seconds(p50)),
        p95: Some(seconds(p95)),
        ..Runs::default()
    }
}

pub fn failure(reason: &str, status: Option<u16>, count: u64) -> console::FailureCount {
    console::FailureCount {
        reason: reason.into(),
        status,
        count,
    }
}

pub fn queue(chain: &mut LiveChain, stage: usize) -> &mut QueueNumbers {
    known(&mut chain.stages[stage].queue_numbers)
}

pub fn workers(chain: &mut LiveChain, stage: usize) -> &mut WorkerNumbers {
    known(&mut chain.stages[stage].worker_numbers)
}

fn known<T>(numbers: &mut Known<T>) -> &mut T {
    match numbers {
        Known::Known(numbers) => numbers,
        Known::Unknown { unknown } => panic!("unknown: {unknown}"),
    }
}
