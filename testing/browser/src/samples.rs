//! Chains in every state that the page can show.

use std::collections::BTreeMap;
use std::time::Duration;

use console::{
    Answers, Arrivals, Baseline, Cause, EditState, FailureCount, Finding, Isolated, Known,
    LiveChain, LiveNotifier, LiveStage, Pods, QueueNumbers, Runs, StageSettings, StageState,
    TREND_POINTS, Trends, Unknown, WorkerNumbers,
};
use crds::PausedBy;
use jiff::{SignedDuration, Timestamp};

const RESOLUTION: Duration = Duration::from_secs(15);

/// So many chains: first those that are in trouble, each in its own, then ones that are well. And their
/// last minutes.
pub fn samples(count: usize) -> (Vec<LiveChain>, Trends) {
    let now = Timestamp::now();
    let mut chains = vec![
        timing_out(now),
        paused(now),
        edit_waits(now),
        well("mail"),
        unknown(),
    ];
    for number in chains.len()..count {
        chains.push(well(&format!("tenant-{number}")));
    }
    chains.truncate(count);
    let trends = trends(&chains, now);
    (chains, trends)
}

/// From now on every run of the first stage fails.
pub fn fault(chain: &mut LiveChain) {
    let stage = &mut chain.stages[0];
    stage.worker_numbers = workers(360, 0, 360, 100);
    let message = "the handler fails: 360 of 360 runs in 30s, all with status 503.";
    let command = format!(
        "kubectl logs -n {} deployment/{} -c handler --since=15m --tail=200",
        chain.namespace, stage.deployment
    );
    let found = finding(Cause::HandlerFails, &stage.name, None, message, &command);
    chain.findings = vec![found];
}

/// The last minutes: what is so now began after two thirds of them.
fn trends(chains: &[LiveChain], now: Timestamp) -> Trends {
    let mut trends = Trends::new(RESOLUTION);
    let points = i64::try_from(TREND_POINTS).expect("60 points");
    for point in 0..points {
        let at = now - SignedDuration::from_secs(15 * (points - 1 - point));
        let chains: Vec<LiveChain> = chains
            .iter()
            .map(|chain| earlier(chain, point, points))
            .collect();
        trends.record(&chains, at);
    }
    trends
}

fn earlier(chain: &LiveChain, point: i64, points: i64) -> LiveChain {
    let mut chain = chain.clone();
    let wave = [0, 3, 1, 4, 2, 5, 1, 3, 6, 2];
    for stage in &mut chain.stages {
        let is_before = point < points * 2 / 3;
        if let Known::Known(workers) = &mut stage.worker_numbers {
            let noise = wave[usize::try_from(point).unwrap_or_default() % wave.len()];
            workers.answers.done += workers.answers.done * noise / 40;
            if is_before {
                let failed = workers.runs.all_failed();
                workers.runs.failed = failed / 20;
                workers.runs.timed_out = 0;
            }
        }
        if let Known::Known(queue) = &mut stage.queue_numbers {
            let share = if is_before { 0 } else { point - points * 2 / 3 };
            let lag = queue.lag.unwrap_or_default();
            queue.lag = Some(lag * u32::try_from(share).unwrap_or_default() / 20);
            queue.tasks = queue.tasks * u64::try_from(share).unwrap_or_default() / 20;
        }
    }
    chain
}

fn stage(chain: &str, name: &str, queue: &str, rate: f64, concurrent: u32) -> LiveStage {
    LiveStage {
        name: name.to_owned(),
        queue: queue.to_owned(),
        deployment: format!("{chain}-{name}"),
        state: StageState::Running,
        settings: StageSettings {
            max_dispatches_per_second: Some(rate),
            max_concurrent_dispatches: Some(concurrent),
            max_attempts: 3,
            timeout: Duration::from_secs(10),
            hold_on_outage: None,
        },
        pods: Pods {
            ready: 2,
            desired: 2,
        },
        isolates_to: Vec::new(),
        overrides: Vec::new(),
        queue_numbers: queue_numbers(rate, 0, 0, 0),
        worker_numbers: workers(0, 0, 0, 0),
    }
}

fn queue_numbers(rate: f64, tasks: u64, lag: u64, in_flight: u64) -> Known<QueueNumbers> {
    Known::Known(QueueNumbers {
        tasks,
        first_due: None,
        lag: (tasks > 0).then(|| Duration::from_secs(lag)),
        executed_last_minute: 0,
        in_flight,
        effective_rate: rate,
    })
}

/// What workers have done in 30 s.
fn workers(new: u64, succeeded: u64, failed: u64, handed_on: u64) -> Known<WorkerNumbers> {
    let failures = FailureCount {
        reason: "status".into(),
        status: Some(503),
        count: failed,
    };
    Known::Known(WorkerNumbers {
        window: Duration::from_secs(30),
        age: Duration::ZERO,
        pods_asked: 2,
        silent_for: Duration::ZERO,
        runs: Runs {
            succeeded,
            failed,
            timed_out: 0,
            unreachable: 0,
            failures: if failed > 0 { vec![failures] } else { vec![] },
            p50: (succeeded > 0).then(|| Duration::from_millis(20)),
            p95: (succeeded > 0).then(|| Duration::from_millis(180)),
            in_time_p50: (succeeded > 0).then(|| Duration::from_millis(20)),
            in_time_p95: (succeeded > 0).then(|| Duration::from_millis(180)),
        },
        arrivals: Arrivals {
            producer: new,
            hand_over: 0,
        },
        answers: Answers {
            done: succeeded + handed_on,
            failed: failed.saturating_sub(handed_on),
            ..Answers::default()
        },
        handed_on,
        isolated: Isolated::default(),
        put_off: 0,
        parked: 0,
        not_parked: 0,
        refused: BTreeMap::new(),
        lag_p95: Some(Duration::from_millis(120)),
        expiring: 0,
        creates_failed: 0,
        look_ups_failed: 0,
        isolated_categories: 0,
        pods_holding: 0,
        runs_in_progress: 3,
        run_slots: 200,
        before: None,
    })
}

fn chain(namespace: &str, name: &str, stages: Vec<LiveStage>) -> LiveChain {
    LiveChain {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        edit: EditState::InForce,
        drift: None,
        unreachable: None,
        stages,
        draining: vec![],
        notifier: LiveNotifier {
            queue: format!("{name}-notifier"),
            paused: false,
            queue_numbers: queue_numbers(500.0, 0, 0, 1),
        },
        parking: None,
        findings: vec![],
    }
}

fn finding(
    cause: Cause,
    stage: &str,
    since: Option<Timestamp>,
    message: &str,
    command: &str,
) -> Finding {
    Finding {
        cause,
        stage: Some(stage.to_owned()),
        since,
        message: message.to_owned(),
        command: command.to_owned(),
    }
}

fn timing_out(now: Timestamp) -> LiveChain {
    let began = Some(now - SignedDuration::from_mins(14));
    let mut fast = stage("orders", "fast", "incoming", 500.0, 200);
    fast.pods = Pods {
        ready: 4,
        desired: 4,
    };
    fast.queue_numbers = queue_numbers(500.0, 1_204, 0, 31);
    fast.worker_numbers = workers(4_770, 4_760, 2_430, 2_430);
    let mut slow = stage("orders", "slow", "incoming-2", 20.0, 200);
    slow.queue_numbers = queue_numbers(20.0, 18_403, 14 * 60, 200);
    slow.worker_numbers = workers(0, 0, 600, 0);
    if let Known::Known(numbers) = &mut slow.worker_numbers {
        numbers.runs.failed = 18;
        numbers.runs.timed_out = 582;
        numbers.runs.p50 = Some(Duration::from_secs(10));
        numbers.runs.p95 = Some(Duration::from_secs(10));
        numbers.runs.failures = vec![
            FailureCount {
                reason: "timeout".into(),
                status: None,
                count: 582,
            },
            FailureCount {
                reason: "status".into(),
                status: Some(500),
                count: 18,
            },
        ];
        numbers.answers = Answers {
            failed: 600,
            no_room: 14,
            ..Answers::default()
        };
        numbers.arrivals.hand_over = 2_430;
        numbers.runs_in_progress = 200;
        numbers.before = Some(Baseline {
            window: Duration::from_hours(1),
            producer_per_second: 0.0,
            runs: 1_804,
            p95: Some(Duration::from_millis(1_310)),
        });
    }
    let mut last = stage("orders", "last", "incoming-3", 5.0, 5);
    last.worker_numbers = workers(0, 3, 0, 0);
    let mut chain = chain("shop", "orders", vec![fast, slow, last]);
    chain.findings = vec![
        finding(
            Cause::HandlerTimesOut,
            "slow",
            began,
            "the handler runs into its time-out of 10s: 582 of 600 runs in 30s, 97% with reason timeout; p95 was 1.3s in the hour before.",
            "kubectl logs -n shop deployment/orders-slow -c handler --since=15m --tail=200",
        ),
        finding(
            Cause::AtRate,
            "slow",
            began,
            "dispatches at its own limit: 20/s of 20/s; 18.4k due, 14m late, 81/s arrive: it will not catch up.",
            r#"kubectl patch chain orders -n shop --type=json -p '[{"op":"replace","path":"/spec/stages/1/rateLimits/maxDispatchesPerSecond","value":100}]'"#,
        ),
        finding(
            Cause::NextStageFills,
            "fast",
            began,
            "81/s are handed over to slow, which ends 20/s.",
            "kubectl describe chain orders -n shop",
        ),
    ];
    chain
}

fn paused(now: Timestamp) -> LiveChain {
    let since = Some(now - SignedDuration::from_mins(180));
    let mut only = stage("refunds", "refund", "refunds", 50.0, 10);
    only.state = StageState::Paused {
        by: PausedBy::Outside,
        message: Some("the queue was paused outside the operator: resume it, or set paused: false on its stage".into()),
        since,
    };
    only.queue_numbers = queue_numbers(50.0, 4_310, 3 * 3_600, 0);
    only.worker_numbers = workers(0, 0, 0, 0);
    let mut chain = chain("billing", "refunds", vec![only]);
    chain.drift = Some("queue refunds: paused by another client".into());
    chain.findings = vec![finding(
        Cause::PausedOutside,
        "refund",
        since,
        "queue refunds was paused outside the operator; 4.3k tasks wait, the first for 3h.",
        "gcloud tasks queues resume refunds --project=my-project --location=europe-west1",
    )];
    chain
}

fn edit_waits(now: Timestamp) -> LiveChain {
    let since = Some(now - SignedDuration::from_mins(3));
    let mut first = stage("thumbnails", "first", "thumbnails", 100.0, 40);
    first.queue_numbers = queue_numbers(62.0, 320, 4, 12);
    first.worker_numbers = workers(1_800, 1_750, 40, 25);
    let mut second = stage("thumbnails", "second", "thumbnails-2", 10.0, 5);
    second.worker_numbers = workers(0, 24, 1, 0);
    let message = "two stages use the same queue: give each stage its own queue";
    let mut chain = chain("media", "thumbnails", vec![first, second]);
    chain.edit = EditState::Waits {
        reason: "InvalidSpec".into(),
        message: message.into(),
        since,
    };
    chain.draining = vec!["old: 10-99 tasks".into()];
    chain.findings = vec![
        Finding {
            cause: Cause::EditWaits,
            stage: None,
            since,
            message: format!("an edit of the spec is not in force: {message}."),
            command: "kubectl describe chain thumbnails -n media".into(),
        },
        finding(
            Cause::Throttled,
            "first",
            since,
            "Cloud Tasks allows 62/s of 100/s.",
            "gcloud tasks queues describe thumbnails --project=my-project --location=europe-west1",
        ),
    ];
    chain
}

fn well(name: &str) -> LiveChain {
    let mut first = stage(name, "first", &format!("{name}-in"), 100.0, 50);
    first.queue_numbers = queue_numbers(100.0, 12, 0, 3);
    first.worker_numbers = workers(360, 352, 8, 2);
    let mut retry = stage(name, "retry", &format!("{name}-retry"), 10.0, 10);
    retry.worker_numbers = workers(0, 2, 0, 0);
    chain("crm", name, vec![first, retry])
}

fn unknown() -> LiveChain {
    let mut first = stage("search-index", "index", "search-index", 10.0, 10);
    first.queue_numbers = Known::Unknown {
        unknown: Unknown::Quota,
    };
    first.worker_numbers = Known::Unknown {
        unknown: Unknown::NoPods,
    };
    first.pods = Pods {
        ready: 0,
        desired: 0,
    };
    let mut chain = chain("search", "search-index", vec![first]);
    chain.notifier.queue_numbers = Known::Unknown {
        unknown: Unknown::Quota,
    };
    chain
}
