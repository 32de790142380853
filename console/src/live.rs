//! From a chain, as the API server has it, and its numbers to a chain as it is now.

use std::time::Duration;

use crds::conditions::{ConditionType, Reason};
use crds::{ExecutorChain, ExecutorChainStatus, PausedBy, Stage, StageStatus, child_name};
use jiff::Timestamp;
use worker_contract::env::DEFAULT_HANDLER_TIMEOUT;

use crate::model::{
    EditState, Known, LiveChain, LiveNotifier, LiveOverride, LiveParking, LiveStage, Pods,
    QueueNumbers, StageSettings, StageState, WorkerNumbers,
};
use crate::why::why;

/// A chain as it is now, with its findings. `queues` has the numbers of a queue by its ID, `workers` those
/// of a stage by its name.
pub fn live(
    chain: &ExecutorChain,
    queues: &dyn Fn(&str) -> Known<QueueNumbers>,
    workers: &dyn Fn(&str) -> Known<WorkerNumbers>,
) -> LiveChain {
    let nothing = ExecutorChainStatus::default();
    let status = chain.status.as_ref().unwrap_or(&nothing);
    let name = chain.metadata.name.clone().unwrap_or_default();
    let notifier = &chain.spec.notifier.queue;
    let stage = |stage: &Stage| {
        let settings = settings(stage, reported(status, stage));
        LiveStage {
            name: stage.name.clone(),
            queue: stage.queue.clone(),
            deployment: child_name(&name, &stage.name),
            state: state(status, reported(status, stage)),
            settings,
            pods: pods(status, stage),
            isolates_to: isolates_to(chain, stage),
            overrides: overrides(reported(status, stage)),
            queue_numbers: queues(&stage.queue),
            worker_numbers: within(settings.timeout, workers(&stage.name)),
        }
    };
    let mut live = LiveChain {
        namespace: chain.metadata.namespace.clone().unwrap_or_default(),
        edit: edit(chain.metadata.generation, status),
        drift: message_if(status, ConditionType::Drifted, "True"),
        unreachable: unreachable(status),
        stages: chain.spec.stages.iter().map(stage).collect(),
        draining: draining(chain, status),
        notifier: LiveNotifier {
            queue: notifier.clone(),
            paused: paused_queues(status).any(|queue| queue == notifier),
            queue_numbers: queues(notifier),
        },
        parking: chain.spec.parking.as_ref().map(|parking| LiveParking {
            queue: parking.queue.clone(),
            queue_numbers: queues(&parking.queue),
        }),
        findings: Vec::new(),
        name,
    };
    live.findings = why(&live);
    live
}

/// No run takes longer than its time-out. Durations are interpolated between bounds that don't know it.
fn within(timeout: Duration, mut workers: Known<WorkerNumbers>) -> Known<WorkerNumbers> {
    if let Known::Known(WorkerNumbers { runs, before, .. }) = &mut workers {
        let before = before.as_mut().map(|before| &mut before.p95);
        let in_time = [&mut runs.in_time_p50, &mut runs.in_time_p95];
        let all = [&mut runs.p50, &mut runs.p95].into_iter().chain(in_time);
        for duration in all.map(Some).chain([before]) {
            if let Some(Some(duration)) = duration {
                *duration = timeout.min(*duration);
            }
        }
    }
    workers
}

/// A condition of a status.
struct Seen<'a> {
    status: &'a str,
    reason: Option<Reason>,
    message: &'a str,
    since: Timestamp,
}

fn condition(status: &ExecutorChainStatus, wanted: ConditionType) -> Option<Seen<'_>> {
    let mut conditions = status.conditions.iter();
    let found = conditions.find(|it| it.type_ == wanted.as_str())?;
    Some(Seen {
        status: &found.status,
        reason: Reason::named(&found.reason),
        message: &found.message,
        since: found.last_transition_time.0,
    })
}

fn holds(status: &ExecutorChainStatus, wanted: ConditionType) -> bool {
    condition(status, wanted).is_some_and(|it| it.status == "True")
}

fn message_if(status: &ExecutorChainStatus, of: ConditionType, is: &str) -> Option<String> {
    let found = condition(status, of).filter(|it| it.status == is)?;
    Some(found.message.to_owned())
}

/// What is reported of a stage of the spec. A name may be used again with another queue.
fn reported<'a>(status: &'a ExecutorChainStatus, stage: &Stage) -> Option<&'a StageStatus> {
    let mut stages = status.stages.iter();
    stages.find(|it| it.queue == stage.queue && it.name == stage.name)
}

fn state(status: &ExecutorChainStatus, reported: Option<&StageStatus>) -> StageState {
    let Some(reported) = reported else {
        return StageState::Unknown;
    };
    match reported.state.as_str() {
        "Running" => StageState::Running,
        "Paused" => StageState::Paused {
            // An operator that doesn't say who has paused it hasn't done so itself.
            by: reported.paused_by.unwrap_or(PausedBy::Outside),
            message: message_if(status, ConditionType::Paused, "True"),
            since: paused_since(status),
        },
        "Disabled" => StageState::Disabled,
        "Missing" => StageState::Missing,
        _ => StageState::Unknown,
    }
}

/// The condition has one time for all queues: it says nothing of the second one that is paused.
fn paused_since(status: &ExecutorChainStatus) -> Option<Timestamp> {
    let is_only = paused_queues(status).count() == 1;
    let paused = condition(status, ConditionType::Paused).filter(|it| it.status == "True")?;
    is_only.then_some(paused.since)
}

fn paused_queues(status: &ExecutorChainStatus) -> impl Iterator<Item = &str> {
    let queues = status.paused.as_deref().unwrap_or_default().split(',');
    queues.map(str::trim).filter(|queue| !queue.is_empty())
}

/// Those in force, as far as they are reported.
fn settings(stage: &Stage, reported: Option<&StageStatus>) -> StageSettings {
    let handler = stage.handler.as_ref();
    let timeout = handler.and_then(|handler| handler.timeout);
    let attempts = reported.and_then(|it| it.max_attempts);
    StageSettings {
        max_dispatches_per_second: reported.and_then(|it| it.max_dispatches_per_second),
        max_concurrent_dispatches: reported
            .and_then(|it| it.max_concurrent_dispatches)
            .and_then(|it| u32::try_from(it).ok()),
        max_attempts: count(attempts.unwrap_or(stage.max_attempts)),
        timeout: timeout.map_or(DEFAULT_HANDLER_TIMEOUT, |it| it.0),
        hold_on_outage: stage.hold_on_outage.map(|it| it.0),
    }
}

/// Each stage once, in the order of the rules. Without a name it is the next one.
fn isolates_to(chain: &ExecutorChain, stage: &Stage) -> Vec<String> {
    let mut stages = chain.spec.stages.iter();
    stages.find(|it| it.name == stage.name);
    let next = stages.next().map(|it| &it.name);
    let rules = stage.isolate.iter();
    let mut names = Vec::new();
    for name in rules.filter_map(|rule| rule.to.as_ref().or(next)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

fn overrides(reported: Option<&StageStatus>) -> Vec<LiveOverride> {
    let overrides = reported.iter().flat_map(|it| &it.overrides);
    let overrides = overrides.map(|it| LiveOverride {
        name: it.name.clone(),
        until: it.until.0,
        fields: it.fields.clone(),
        settings: it.settings.clone(),
        comparison: None,
    });
    overrides.collect()
}

/// The pods of a stage. An operator that doesn't say how many there are to be is older: where the spec leaves
/// it to an autoscaler, these are the ready ones; and at least one, unless the operator is content with none.
fn pods(status: &ExecutorChainStatus, stage: &Stage) -> Pods {
    let Some(ready) = reported(status, stage).and_then(|it| it.ready_replicas) else {
        return Pods::default();
    };
    let ready = count(ready);
    let is_content = holds(status, ConditionType::WorkersReady);
    let wanted = reported(status, stage).and_then(|it| it.replicas);
    let desired = match wanted.or(stage.replicas) {
        Some(replicas) => count(replicas),
        None if is_content => ready,
        None => ready.max(1),
    };
    Pods { ready, desired }
}

fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn edit(generation: Option<i64>, status: &ExecutorChainStatus) -> EditState {
    let ready = condition(status, ConditionType::Ready);
    let Some(ready) = ready.filter(|_| status.observed_generation == generation) else {
        return EditState::Pending;
    };
    if ready.status == "True" {
        return EditState::InForce;
    }
    match ready.reason.map(obstacle) {
        Some(Obstacle::Edit) => EditState::Waits {
            reason: ready.reason.map(|it| it.to_string()).unwrap_or_default(),
            message: ready.message.to_owned(),
            since: Some(ready.since),
        },
        Some(Obstacle::Other) => EditState::InForce,
        // Pods that aren't ready are no edit, if they are of the newest version.
        Some(Obstacle::Time) | None if is_rolled(status) => EditState::InForce,
        Some(Obstacle::Time) | None => EditState::Pending,
    }
}

fn is_rolled(status: &ExecutorChainStatus) -> bool {
    let mut stages = status.stages.iter();
    holds(status, ConditionType::QueuesReady) && stages.all(|stage| stage.workers_up_to_date)
}

/// What keeps a chain from being ready.
enum Obstacle {
    /// An edit that isn't made.
    Edit,
    /// It is on its way.
    Time,
    /// What another field of [`LiveChain`] has.
    Other,
}

fn obstacle(reason: Reason) -> Obstacle {
    match reason {
        Reason::PodsRefused
        | Reason::GatewayApiMissing
        | Reason::InvalidSpec
        | Reason::NotAllowed
        | Reason::ProjectNotFound
        | Reason::PermissionDenied
        | Reason::QuotaExceeded
        | Reason::QueueNameBlocked
        | Reason::QueueRefused
        | Reason::QueueOwnedByAnother
        | Reason::NameTaken
        | Reason::CloudTasksAway
        | Reason::KubernetesError => Obstacle::Edit,
        Reason::Progressing
        | Reason::PodsNotReady
        | Reason::QueueMissing
        | Reason::RoutePending => Obstacle::Time,
        Reason::QueueDisabled
        | Reason::QueueChanged
        | Reason::ClusterAddress
        | Reason::PrivateAddress
        | Reason::RouteNotAccepted
        // Never a reason why Ready is False.
        | Reason::AsSpecified
        | Reason::PausedBySpec
        | Reason::PausedByOverride
        | Reason::OverrideInForce
        | Reason::NotOverridden
        | Reason::PausedByOperator
        | Reason::PausedOutside
        | Reason::NoDrift
        | Reason::NotPaused
        | Reason::NothingDrains
        | Reason::StageRemoved
        | Reason::ChainFinishes
        | Reason::EnoughPlaces
        | Reason::TooFewPlaces
        | Reason::IsolationTargetTooSlow
        | Reason::NoTokenDemanded
        | Reason::TokenNotDemandedYet
        | Reason::TokensDemanded
        | Reason::PushesInternal
        | Reason::TokensRefused
        | Reason::NoneRefused
        | Reason::WorkersNotAsked
        | Reason::CategoriesFail
        | Reason::NotIsolating
        | Reason::HandlerFails
        | Reason::NotHeld
        | Reason::TasksParked
        | Reason::NothingParked
        | Reason::ParkingRemoved
        | Reason::ParkedUnknown
        | Reason::OwnIngress
        | Reason::RoutesAccepted => Obstacle::Other,
    }
}

/// A new route takes minutes, which is nothing to be fixed.
fn unreachable(status: &ExecutorChainStatus) -> Option<String> {
    let found = condition(status, ConditionType::PushesReachable)?;
    let is_new = found.reason == Some(Reason::RoutePending);
    (found.status == "False" && !is_new).then(|| found.message.to_owned())
}

/// Removed stages. Those of a deleted chain that finishes its tasks drain too, and are in the spec.
fn draining(chain: &ExecutorChain, status: &ExecutorChainStatus) -> Vec<String> {
    let in_spec = |it: &StageStatus| {
        let mut stages = chain.spec.stages.iter();
        stages.any(|stage| stage.queue == it.queue)
    };
    let removed = status.stages.iter().filter(|it| !in_spec(it));
    let line = |it: &StageStatus| {
        let name = if it.name.is_empty() {
            &it.queue
        } else {
            &it.name
        };
        let left = it.draining.as_ref()?;
        Some(format!("{name}: {left} tasks"))
    };
    removed.filter_map(line).collect()
}
