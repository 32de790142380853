//! The settings in force by time: overrides end by themselves, and rates come back in steps.

use std::time::Duration;

use cloudtasks::queue::{
    DEFAULT_CONCURRENT_DISPATCHES, DEFAULT_DISPATCHES_PER_SECOND, DEFAULT_MAX_BACKOFF,
    DEFAULT_MAX_DOUBLINGS, DEFAULT_MIN_BACKOFF,
};
use cloudtasks::{HttpTarget, Queue, QueuePath, QueueState};
use console::{LiveChain, LiveStage};
use crds::RouteMatch;
use jiff::Timestamp;
use plan::model::{PauseReason, queue_headers};
use plan::objects::queue_settings::stage_settings;
use plan::{Desired, DesiredStage, Observed, Target};
use simulation::forecast::{Condition, HORIZON, NotSimulated, Phase, Route, StageSettings};
use simulation::{Backoff, Exit, Limits};
use worker_contract::env::DEFAULT_CONCURRENCY;

use crate::version::Version;

/// More than the overrides of a chain make in half an hour.
const MOST: usize = 64;

/// The settings of a version from now on, as far as a forecast looks ahead.
pub(crate) fn phases(
    version: Version<'_>,
    observed: &Observed,
    live: &LiveChain,
    now: Timestamp,
) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut time = now;
    while phases.len() < MOST {
        let desired = version.at(time);
        let stages = desired.stages.iter().enumerate();
        let from = Duration::try_from(time.duration_since(now)).unwrap_or_default();
        phases.push(Phase {
            from,
            stages: stages
                .map(|(place, stage)| settings(&desired, stage, observed, live.stages.get(place)))
                .collect(),
        });
        match desired.overrides_change {
            Some(next) if next > time && next < now + HORIZON => time = next,
            Some(_) | None => break,
        }
    }
    phases
}

fn settings(
    desired: &Desired,
    stage: &DesiredStage,
    observed: &Observed,
    live: Option<&LiveStage>,
) -> StageSettings {
    let found = observed.queues.get(&stage.queue);
    let replicas = stage
        .replicas
        .and_then(|replicas| u32::try_from(replicas).ok());
    let replicas = replicas.or_else(|| live.map(|live| live.pods.desired));
    let concurrency = stage.concurrency.and_then(|it| u32::try_from(it).ok());
    StageSettings {
        name: stage.name.clone(),
        limits: limits(stage, found, observed.whole_seconds),
        is_paused: is_paused(stage, found),
        attempts: stage.max_attempts,
        timeout: stage.timeout,
        run_slots: replicas
            .unwrap_or(1)
            .saturating_mul(concurrency.unwrap_or(DEFAULT_CONCURRENCY)),
        routes: stage
            .routes
            .iter()
            .map(|(matches, to)| route(desired, matches, to))
            .collect(),
        not_simulated: not_simulated(stage),
    }
}

fn not_simulated(stage: &DesiredStage) -> Option<NotSimulated> {
    let isolates = (!stage.isolate.is_empty()).then_some(NotSimulated::Isolation);
    isolates.or(stage.delay.map(|_| NotSimulated::Delay))
}

/// What the queue will have: what is desired, or else what it has.
fn limits(stage: &DesiredStage, found: Option<&Queue>, whole_seconds: bool) -> Limits {
    let wanted = stage_settings(stage, found, HttpTarget::default(), whole_seconds);
    let rate = wanted.max_dispatches_per_second;
    let rate = rate.or(found.map(|queue| queue.max_dispatches_per_second));
    let concurrency = wanted.max_concurrent_dispatches;
    let concurrency = concurrency.or(found.map(|queue| queue.max_concurrent_dispatches));
    let min = wanted.min_backoff.or(found.map(|queue| queue.min_backoff));
    let max = wanted.max_backoff.or(found.map(|queue| queue.max_backoff));
    let doublings = wanted
        .max_doublings
        .or(found.map(|queue| queue.max_doublings));
    let count = |count: i32| u32::try_from(count).unwrap_or(0);
    Limits {
        rate: rate.unwrap_or(DEFAULT_DISPATCHES_PER_SECOND),
        concurrency: count(concurrency.unwrap_or(DEFAULT_CONCURRENT_DISPATCHES)),
        backoff: Backoff {
            min: min.unwrap_or(DEFAULT_MIN_BACKOFF),
            max: max.unwrap_or(DEFAULT_MAX_BACKOFF),
            doublings: count(doublings.unwrap_or(DEFAULT_MAX_DOUBLINGS)),
        },
    }
}

/// A pause of the spec or of an override ends with it. Another one lasts.
fn is_paused(stage: &DesiredStage, found: Option<&Queue>) -> bool {
    stage.paused.unwrap_or_else(|| {
        found.is_some_and(|queue| {
            queue.state == QueueState::Paused
                && queue_headers::pause_reason(queue) != Some(PauseReason::Spec)
        })
    })
}

fn route(desired: &Desired, matches: &RouteMatch, to: &Target) -> Route {
    let when = match (&matches.reason, &matches.status) {
        (Some(reason), _) => Condition::Reason(reason.clone()),
        (None, Some(status)) => Condition::Status(status.clone()),
        (None, None) => Condition::Header,
    };
    let place = |queue: &QueuePath| {
        desired
            .stages
            .iter()
            .position(|stage| stage.queue == *queue)
    };
    let to = match to {
        Target::Queue(queue) => place(queue).map_or(Exit::Failed, Exit::Stage),
        Target::Fail => Exit::Failed,
    };
    Route { when, to }
}

#[cfg(test)]
mod tests {
    use crds::ChainOverride;
    use plan::{Settings, Tenants, Timing};
    use serde_json::json;

    use super::*;

    const BEGIN: &str = "2026-11-29T18:00:00Z";
    const ORDERS: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders, namespace: shop, uid: 1f0c}
spec:
  project: my-project
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 500}, replicas: 2,
     routes: [{match: {status: 4xx}, to: fail}, {match: {reason: timeout}, to: slow}]}
  - {name: slow, queue: incoming-2, maxAttempts: 2, concurrency: 7}
";

    fn desired() -> Desired {
        desired_of(ORDERS)
    }

    fn desired_of(yaml: &str) -> Desired {
        let settings = Settings {
            project: None,
            location: None,
            worker_image: "executor-worker:test".into(),
            worker_template: crds::WorkerTemplate::default(),
            tenants: Tenants::default(),
            cluster: "cluster-a".into(),
            cluster_domain: "cluster.local".into(),
            emulator_host: None,
            timing: Timing::default(),
        };
        let chain = serde_saphyr::from_str(yaml).expect("it is a chain");
        Desired::new(&chain, &settings).expect("it can be served")
    }

    fn live() -> LiveChain {
        let stage = |name: &str, queue: &str| {
            json!({
                "name": name, "queue": queue, "deployment": name, "state": {"is": "running"},
                "settings": {"maxAttempts": 3, "timeoutSeconds": 10.0},
                "pods": {"ready": 3, "desired": 4},
                "queueNumbers": {"unknown": "quota"}, "workerNumbers": {"unknown": "noPods"},
            })
        };
        let chain = json!({
            "namespace": "shop", "name": "orders", "edit": {"state": "inForce"},
            "stages": [stage("fast", "incoming"), stage("slow", "incoming-2")],
            "notifier": {"queue": "n", "paused": false, "queueNumbers": {"unknown": "quota"}},
            "findings": [],
        });
        serde_json::from_value(chain).expect("it is a live chain")
    }

    fn of(overrides: &[ChainOverride]) -> Vec<Phase> {
        let desired = desired();
        let version = Version {
            desired: &desired,
            overrides,
        };
        let now = BEGIN.parse().expect("a time");
        phases(version, &Observed::default(), &live(), now)
    }

    fn inc(spec: &serde_json::Value) -> ChainOverride {
        let mut all = json!({"chain": "orders", "stages": ["fast"], "reason": "INC-42"});
        let fields = spec.as_object().expect("fields").clone();
        all.as_object_mut().expect("a spec").extend(fields);
        serde_json::from_value(json!({
            "apiVersion": "executor-chain.dev/v1alpha1", "kind": "ChainOverride",
            "metadata": {"name": "inc-42", "creationTimestamp": BEGIN}, "spec": all,
            "status": {"conditions": [{
                "type": "InForce", "status": "True", "reason": "Applied", "message": "",
                "lastTransitionTime": BEGIN,
            }]},
        }))
        .expect("an override")
    }

    fn rates(phases: &[Phase]) -> Vec<(u64, String)> {
        let rate = |it: &Phase| (it.from.as_secs(), it.stages[0].limits.rate.to_string());
        phases.iter().map(rate).collect()
    }

    #[test]
    fn a_chain_has_one_phase_with_what_it_says_or_else_what_its_queues_have() {
        let [only] = &of(&[])[..] else {
            panic!("one phase")
        };
        let [fast, slow] = &only.stages[..] else {
            panic!("two stages")
        };
        assert_eq!((fast.run_slots, slow.run_slots), (200, 28));
        assert_eq!((fast.attempts.get(), slow.attempts.get()), (3, 2));
        assert!((slow.limits.rate - DEFAULT_DISPATCHES_PER_SECOND).abs() < f64::EPSILON);
        let routes = [
            Route {
                when: Condition::Status("4xx".into()),
                to: Exit::Failed,
            },
            Route {
                when: Condition::Reason("timeout".into()),
                to: Exit::Stage(1),
            },
        ];
        assert_eq!(fast.routes, routes);
        assert_eq!((fast.not_simulated, slow.not_simulated), (None, None));
    }

    #[test]
    fn a_stage_says_what_of_it_is_not_simulated() {
        let isolate = "maxAttempts: 3, isolate: [{by: {header: X-Tenant}, failures: {}}]";
        let of = |from: &str, to: &str| {
            let desired = desired_of(&ORDERS.replace(from, to));
            let stages = desired.stages.iter().map(not_simulated);
            stages.collect::<Vec<_>>()
        };
        let isolation = Some(NotSimulated::Isolation);
        assert_eq!(of("maxAttempts: 3", isolate), [isolation, None]);
        let delay = Some(NotSimulated::Delay);
        assert_eq!(
            of("maxAttempts: 2", "maxAttempts: 2, delay: 1m"),
            [None, delay]
        );
        assert_eq!(
            of("maxAttempts: 2", "maxAttempts: 2, holdOnOutage: 1m"),
            [None, None]
        );
    }

    #[test]
    fn an_override_that_ends_meanwhile_is_a_phase() {
        let throttle = json!({"for": "10m", "rateLimits": {"maxDispatchesPerSecond": 5}});
        let phases = of(&[inc(&throttle)]);
        assert_eq!(rates(&phases), [(0, "5".into()), (600, "500".into())]);
        let pause = of(&[inc(&json!({"for": "10m", "paused": true, "stages": ["*"]}))]);
        let paused: Vec<bool> = pause.iter().map(|it| it.stages[1].is_paused).collect();
        assert_eq!(paused, [true, false]);
        let long = of(&[inc(&json!({"for": "31m", "paused": true}))]);
        assert_eq!(long.len(), 1);
    }

    #[test]
    fn a_rate_that_comes_back_has_a_phase_for_each_step() {
        let spec = json!({
            "for": "10m", "rateLimits": {"maxDispatchesPerSecond": 200}, "restore": {"over": "2m"},
        });
        let phases = of(&[inc(&spec)]);
        let expected = [
            (0, "200".into()),
            (600, "200".into()),
            (640, "222.223".into()),
            (680, "333.334".into()),
            (720, "500".into()),
        ];
        assert_eq!(rates(&phases), expected);
    }
}
