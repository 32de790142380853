//! What the API server has of a chain.

use console::live::live;
use console::{
    Baseline, Cause, EditState, Known, LiveChain, Pods, StageState, Unknown, WorkerNumbers,
};
use crds::conditions::Reason;
use crds::{ExecutorChain, PausedBy};
use serde_json::{Value, json};

use crate::chains::{at, durations, empty, quiet, seconds};

fn condition(is: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": is, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": at(-60).to_string(), "observedGeneration": 3,
    })
}

fn ready() -> Vec<Value> {
    ["Ready", "QueuesReady", "WorkersReady"]
        .map(|is| condition(is, "True", "AsSpecified", "all is as the spec says"))
        .to_vec()
}

fn manifest() -> Value {
    let stage = |name: &str, queue: &str| {
        json!({
            "queue": queue, "name": name, "state": "Running",
            "maxDispatchesPerSecond": 20.0, "maxConcurrentDispatches": 30, "maxAttempts": 2,
            "readyReplicas": 2, "workersUpToDate": true,
        })
    };
    json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": "ExecutorChain",
        "metadata": {"name": "orders", "namespace": "shop", "generation": 3},
        "spec": {
            "notifier": {"queue": "orders-notifier", "url": "https://api.example.com/events"},
            "stages": [
                {
                    "name": "fast", "queue": "incoming", "maxAttempts": 3, "replicas": 2,
                    "rateLimits": {"maxDispatchesPerSecond": 500.0}, "handler": {"timeout": "10s"},
                },
                {"name": "slow", "queue": "incoming-2", "maxAttempts": 2},
            ],
        },
        "status": {
            "observedGeneration": 3,
            "conditions": ready(),
            "stages": [stage("fast", "incoming"), stage("slow", "incoming-2")],
        },
    })
}

/// Seen with idle queues and workers.
fn seen(manifest: Value) -> LiveChain {
    let chain: ExecutorChain = serde_json::from_value(manifest).unwrap();
    live(&chain, &|_| Known::Known(empty(20.0)), &|_| {
        Known::Known(quiet(300.0))
    })
}

fn set(manifest: &mut Value, conditions: Vec<Value>) {
    let mut all = conditions;
    for condition in ready() {
        if all.iter().all(|it| it["type"] != condition["type"]) {
            all.push(condition);
        }
    }
    manifest["status"]["conditions"] = Value::Array(all);
}

#[test]
fn no_run_takes_longer_than_its_time_out() {
    let chain: ExecutorChain = serde_json::from_value(manifest()).unwrap();
    let queues = |_: &str| Known::Known(empty(20.0));
    let workers = |_: &str| {
        let before = Baseline {
            window: seconds(3600.0),
            producer_per_second: 1.0,
            runs: 100,
            p95: Some(seconds(12.0)),
        };
        Known::Known(WorkerNumbers {
            runs: durations(9.0, 16.0),
            before: Some(before),
            ..quiet(300.0)
        })
    };
    let live = live(&chain, &queues, &workers);
    let of = |stage: usize| {
        let numbers = live.stages[stage].worker_numbers.value().unwrap();
        let before = numbers.before.unwrap().p95;
        [numbers.runs.p50, numbers.runs.p95, before].map(|it| it.unwrap().as_secs())
    };
    // 10 s, and the default of a minute.
    assert_eq!(of(0), [9, 10, 10]);
    assert_eq!(of(1), [9, 16, 12]);
}

#[test]
fn numbers_are_asked_by_the_queues_id_and_the_stages_name() {
    let chain: ExecutorChain = serde_json::from_value(manifest()).unwrap();
    let queues = |queue: &str| match queue {
        "incoming" => Known::Known(empty(7.0)),
        "orders-notifier" => Known::Unknown {
            unknown: Unknown::Quota,
        },
        _ => Known::Unknown {
            unknown: Unknown::Absent,
        },
    };
    let workers = |stage: &str| match stage {
        "slow" => Known::Known(quiet(60.0)),
        _ => Known::Unknown {
            unknown: Unknown::NoPods,
        },
    };
    let live = live(&chain, &queues, &workers);
    let [fast, slow] = &live.stages[..] else {
        panic!("{live:#?}")
    };
    assert_eq!(fast.queue_numbers, Known::Known(empty(7.0)));
    assert_eq!(fast.worker_numbers.unknown(), Some(Unknown::NoPods));
    assert_eq!(slow.queue_numbers.unknown(), Some(Unknown::Absent));
    assert_eq!(slow.worker_numbers, Known::Known(quiet(60.0)));
    let notifier = live.notifier.queue_numbers.unknown();
    assert_eq!(notifier, Some(Unknown::Quota));
}

#[test]
fn settings_are_those_in_force() {
    let live = seen(manifest());
    assert_eq!((&*live.namespace, &*live.name), ("shop", "orders"));
    assert_eq!(live.edit, EditState::InForce);
    assert_eq!(live.findings, []);
    let fast = &live.stages[0];
    assert_eq!(fast.deployment, "orders-fast");
    assert_eq!(fast.state, StageState::Running);
    assert_eq!(fast.settings.max_dispatches_per_second, Some(20.0));
    assert_eq!(fast.settings.max_concurrent_dispatches, Some(30));
    assert_eq!(fast.settings.max_attempts, 2);
    assert_eq!(fast.settings.timeout.as_secs(), 10);
    assert_eq!(live.stages[1].settings.timeout.as_secs(), 60);
}

#[test]
fn what_a_stage_does_on_bad_days_is_what_its_spec_says() {
    let live = seen(manifest());
    assert_eq!(live.stages[0].settings.hold_on_outage, None);
    assert_eq!(live.stages[0].isolates_to, [""; 0]);
    let mut manifest = manifest();
    let mut last = manifest["spec"]["stages"][1].clone();
    last["name"] = "last".into();
    manifest["spec"]["stages"]
        .as_array_mut()
        .unwrap()
        .push(last);
    let fast = &mut manifest["spec"]["stages"][0];
    fast["holdOnOutage"] = "30m".into();
    let rule = |to: Value| json!({"by": {"header": "X-Tenant"}, "maxShare": "25%", "to": to});
    fast["isolate"] = json!([rule(json!("last")), rule(Value::Null), rule(json!("slow"))]);
    let fast = &seen(manifest).stages[0];
    assert_eq!(fast.settings.hold_on_outage, Some(seconds(1_800.0)));
    assert_eq!(fast.isolates_to, ["last", "slow"]);
}

#[test]
fn what_is_not_reported_is_unknown() {
    for status in [Value::Null, json!({"observedGeneration": -1})] {
        let mut manifest = manifest();
        manifest["status"] = status;
        let live = seen(manifest);
        assert_eq!(live.edit, EditState::Pending);
        let fast = &live.stages[0];
        assert_eq!(fast.state, StageState::Unknown);
        assert_eq!(fast.pods, Pods::default());
        assert_eq!(fast.settings.max_dispatches_per_second, None);
        assert_eq!(fast.settings.max_attempts, 3);
        assert_eq!(live.findings, []);
    }
}

#[test]
fn an_edit_waits_pends_or_is_in_force() {
    let waits = [
        Reason::InvalidSpec,
        Reason::NotAllowed,
        Reason::ProjectNotFound,
        Reason::PermissionDenied,
        Reason::QuotaExceeded,
        Reason::QueueNameBlocked,
        Reason::QueueRefused,
        Reason::QueueOwnedByAnother,
        Reason::NameTaken,
        Reason::GatewayApiMissing,
        Reason::CloudTasksAway,
        Reason::KubernetesError,
        Reason::PodsRefused,
    ];
    let pends = [
        Reason::Progressing,
        Reason::PodsNotReady,
        Reason::QueueMissing,
        Reason::RoutePending,
    ];
    for reason in Reason::ALL {
        let mut manifest = manifest();
        let ready = condition("Ready", "False", reason.as_str(), "why");
        set(&mut manifest, vec![ready]);
        let live = seen(manifest.clone());
        if waits.contains(reason) {
            let wanted = EditState::Waits {
                reason: reason.to_string(),
                message: "why".into(),
                since: Some(at(-60)),
            };
            assert_eq!(live.edit, wanted);
            assert_eq!(live.findings[0].cause, Cause::EditWaits, "{reason}");
            assert_eq!(live.findings[0].since, Some(at(-60)));
        } else {
            assert_eq!(live.edit, EditState::InForce, "{reason}");
            assert_eq!(live.findings, [], "{reason}");
        }
        // Pods that aren't of the newest version.
        manifest["status"]["stages"][1]["workersUpToDate"] = false.into();
        let is_pending = seen(manifest.clone()).edit == EditState::Pending;
        assert_eq!(is_pending, pends.contains(reason), "{reason}");
        manifest["metadata"]["generation"] = 4.into();
        assert_eq!(seen(manifest).edit, EditState::Pending, "{reason}");
    }
}

#[test]
fn a_pause_has_its_time_if_it_is_the_only_one() {
    let mut manifest = manifest();
    let paused = condition(
        "Paused",
        "True",
        "PausedByOperator",
        "paused by the operator",
    );
    set(&mut manifest, vec![paused]);
    let status = &mut manifest["status"];
    status["paused"] = "incoming-2".into();
    status["stages"][1]["state"] = "Paused".into();
    status["stages"][1]["pausedBy"] = "Operator".into();
    let live = seen(manifest.clone());
    let wanted = StageState::Paused {
        by: PausedBy::Operator,
        message: Some("paused by the operator".into()),
        since: Some(at(-60)),
    };
    assert_eq!(live.stages[1].state, wanted);
    assert!(!live.notifier.paused);
    manifest["status"]["paused"] = "orders-notifier, incoming-2".into();
    let live = seen(manifest);
    assert!(matches!(
        live.stages[1].state,
        StageState::Paused { since: None, .. }
    ));
    assert!(live.notifier.paused);
    assert_eq!(live.findings[0].cause, Cause::PausedOutside);
}

#[test]
fn an_autoscaler_may_want_no_pod() {
    for (replicas, ready, workers_ready, desired) in [
        (json!(3), 1, "False", 3),
        (json!(3), 0, "False", 3),
        (json!(0), 0, "True", 0),
        (Value::Null, 5, "True", 5),
        (Value::Null, 0, "True", 0),
        (Value::Null, 0, "False", 1),
        (Value::Null, 2, "False", 2),
    ] {
        let mut manifest = manifest();
        let stage = manifest["spec"]["stages"][0].as_object_mut().unwrap();
        stage.insert("replicas".into(), replicas.clone());
        manifest["status"]["stages"][0]["readyReplicas"] = ready.into();
        let workers = condition("WorkersReady", workers_ready, "PodsNotReady", "");
        set(&mut manifest, vec![workers]);
        let pods = seen(manifest).stages[0].pods;
        assert_eq!(pods, Pods { ready, desired }, "{replicas} {ready}");
    }
}

#[test]
fn drift_drains_and_addresses_are_those_of_the_conditions() {
    let mut manifest = manifest();
    let conditions = [
        condition("Drifted", "True", "QueueChanged", "incoming has rate 5/s"),
        condition("PushesReachable", "False", "PrivateAddress", "10.0.0.1"),
    ];
    set(&mut manifest, conditions.to_vec());
    let stages = manifest["status"]["stages"].as_array_mut().unwrap();
    let mut removed = stages[1].clone();
    removed["queue"] = "former".into();
    removed["name"] = "".into();
    removed["draining"] = "10-99".into();
    stages.push(removed.clone());
    removed["queue"] = "other".into();
    removed["name"] = "other".into();
    stages.push(removed);
    let live = seen(manifest.clone());
    assert_eq!(live.drift.as_deref(), Some("incoming has rate 5/s"));
    assert_eq!(live.unreachable.as_deref(), Some("10.0.0.1"));
    assert_eq!(live.draining, ["former: 10-99 tasks", "other: 10-99 tasks"]);
    assert_eq!(live.stages.len(), 2);
    let causes: Vec<Cause> = live.findings.iter().map(|it| it.cause).collect();
    assert_eq!(causes, [Cause::PushesNotArriving, Cause::Drifted]);

    let pending = condition("PushesReachable", "False", "RoutePending", "no route yet");
    set(&mut manifest, vec![pending]);
    let live = seen(manifest);
    assert_eq!(live.unreachable, None);
    assert_eq!(live.findings, []);
}

/// The name of a removed stage may be used again, with another queue.
#[test]
fn a_stage_is_found_by_its_name_and_its_queue() {
    let mut manifest = manifest();
    manifest["status"]["stages"][0]["queue"] = "former".into();
    let live = seen(manifest);
    assert_eq!(live.stages[0].state, StageState::Unknown);
    assert_eq!(live.stages[1].state, StageState::Running);
}
