//! What the status says: only what was observed, never what was asked for.

use cloudtasks::{Queue, QueueState};
use crds::conditions as c;
use crds::{ExecutorChainStatus, StageStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::desired::{Desired, DesiredStage};
use crate::environment::variable;
use crate::observed::Observed;
use crate::order::plan;
use crate::problem::Problem;

/// A condition without its time. What could not be looked at is neither true nor false.
struct Finding {
    kind: &'static str,
    holds: Option<bool>,
    reason: &'static str,
    message: String,
}

/// The status of a chain. `desired` and `observed` are `None` as far as they could not be had;
/// what they told last is then kept, under a Ready that says why. Times change only where a
/// condition does.
pub fn status(
    previous: &ExecutorChainStatus,
    generation: Option<i64>,
    desired: Option<&Desired>,
    observed: Option<&Observed>,
    problem: Option<&Problem>,
    now: Timestamp,
) -> ExecutorChainStatus {
    let mut findings = Vec::new();
    let mut status = ExecutorChainStatus {
        observed_generation: generation,
        ..previous.clone()
    };
    if let (Some(desired), Some(observed)) = (desired, observed) {
        status.path = Some(path(desired));
        status.stages = stages(desired, observed);
        let removed = observed.removed_stages(desired);
        let draining: Vec<String> = removed
            .iter()
            .map(|(_, queue)| queue.id.to_string())
            .collect();
        let paused = paused(desired, observed);
        status.draining = list(&draining);
        status.paused = list(
            &paused
                .iter()
                .map(|(queue, _)| queue.clone())
                .collect::<Vec<_>>(),
        );
        findings.push(queues_ready(desired, observed));
        findings.push(workers_ready(desired, observed));
        findings.push(paused_finding(&paused));
        findings.push(draining_finding(&draining));
    } else if let Some(problem) = problem {
        findings.extend(unknown(problem));
    }
    let ready = ready(problem, &findings);
    findings.insert(0, ready);
    let kept = previous.conditions.clone();
    let fresh: Vec<Condition> = findings
        .iter()
        .map(|finding| condition(finding, &kept, generation, now))
        .collect();
    let is_fresh = |old: &Condition| fresh.iter().any(|new| new.type_ == old.type_);
    let stale = kept.into_iter().filter(|old| !is_fresh(old));
    status.conditions = fresh.iter().cloned().chain(stale).collect();
    status
}

/// Nothing was seen, so nothing is claimed.
fn unknown(problem: &Problem) -> impl Iterator<Item = Finding> {
    let Problem { reason, message } = problem.clone();
    [c::QUEUES_READY, c::WORKERS_READY, c::PAUSED, c::DRAINING]
        .into_iter()
        .map(move |kind| Finding {
            kind,
            holds: None,
            reason,
            message: format!("can't be told: {message}"),
        })
}

/// Derived from the others, and False while something stands in the way.
fn ready(problem: Option<&Problem>, findings: &[Finding]) -> Finding {
    if let Some(Problem { reason, message }) = problem {
        return Finding {
            kind: c::READY,
            holds: Some(false),
            reason,
            message: message.clone(),
        };
    }
    let missing = findings.iter().find(|finding| {
        matches!(finding.kind, c::QUEUES_READY | c::WORKERS_READY) && finding.holds == Some(false)
    });
    match missing {
        Some(finding) => Finding {
            kind: c::READY,
            holds: Some(false),
            reason: finding.reason,
            message: finding.message.clone(),
        },
        None => Finding {
            kind: c::READY,
            holds: Some(true),
            reason: c::AS_SPECIFIED,
            message: "every queue and every worker is as the spec says".into(),
        },
    }
}

fn queues_ready(desired: &Desired, observed: &Observed) -> Finding {
    let missing: Vec<String> = desired
        .queues()
        .filter(|queue| !observed.queues.contains_key(queue))
        .map(|queue| queue.id.to_string())
        .collect();
    if let Some(missing) = list(&missing) {
        return Finding {
            kind: c::QUEUES_READY,
            holds: Some(false),
            reason: c::QUEUE_MISSING,
            message: format!("not there: {missing}"),
        };
    }
    let disabled: Vec<String> = desired
        .queues()
        .filter(|queue| state(observed.queues.get(queue)) == "Disabled")
        .map(|queue| queue.id.to_string())
        .collect();
    if let Some(disabled) = list(&disabled) {
        return Finding {
            kind: c::QUEUES_READY,
            holds: Some(false),
            reason: c::QUEUE_DISABLED,
            message: format!(
                "disabled by Google, so that nothing is dispatched: {disabled}; resume the queue in the console, or see what is wrong with the project's billing and API"
            ),
        };
    }
    let pending = plan(desired, observed).map(|plan| plan.queue_steps().join("; "));
    match pending {
        Ok(steps) if steps.is_empty() => Finding {
            kind: c::QUEUES_READY,
            holds: Some(true),
            reason: c::AS_SPECIFIED,
            message: "every queue is as the spec says".into(),
        },
        Ok(steps) => Finding {
            kind: c::QUEUES_READY,
            holds: Some(false),
            reason: c::PROGRESSING,
            message: format!("still to do: {steps}"),
        },
        Err(Problem { reason, message }) => Finding {
            kind: c::QUEUES_READY,
            holds: Some(false),
            reason,
            message,
        },
    }
}

fn workers_ready(desired: &Desired, observed: &Observed) -> Finding {
    let behind: Vec<String> = desired
        .stages
        .iter()
        .filter(|stage| !rollout(stage, observed).is_done())
        .map(|stage| stage.name.clone())
        .collect();
    match list(&behind) {
        None => Finding {
            kind: c::WORKERS_READY,
            holds: Some(true),
            reason: c::AS_SPECIFIED,
            message: "every stage has its pods ready, with the newest values".into(),
        },
        Some(behind) => Finding {
            kind: c::WORKERS_READY,
            holds: Some(false),
            reason: c::PODS_NOT_READY,
            message: format!("stages without all their pods ready and up to date: {behind}"),
        },
    }
}

/// The queues that are paused, and whether the spec says so.
fn paused(desired: &Desired, observed: &Observed) -> Vec<(String, bool)> {
    let stages = desired
        .stages
        .iter()
        .map(|stage| (&stage.queue, stage.paused == Some(true)));
    stages
        .chain([(&desired.notifier.queue, false)])
        .filter(|(queue, _)| state(observed.queues.get(queue)) == "Paused")
        .map(|(queue, by_spec)| (queue.id.to_string(), by_spec))
        .collect()
}

fn paused_finding(paused: &[(String, bool)]) -> Finding {
    let names = |by_spec: bool| {
        let names: Vec<String> = paused
            .iter()
            .filter(|(_, spec)| *spec == by_spec)
            .map(|(queue, _)| queue.clone())
            .collect();
        list(&names)
    };
    let (reason, message) = match (names(false), names(true)) {
        (None, None) => (c::NOT_PAUSED, "no queue is paused".to_owned()),
        (None, Some(queues)) => (c::PAUSED_BY_SPEC, format!("paused by the spec: {queues}")),
        (Some(queues), _) => (
            c::PAUSED_OUTSIDE,
            format!(
                "paused by somebody else, and left so until they resume it, or its stage says paused: false: {queues}"
            ),
        ),
    };
    Finding {
        kind: c::PAUSED,
        holds: Some(!paused.is_empty()),
        reason,
        message,
    }
}

fn draining_finding(draining: &[String]) -> Finding {
    match list(draining) {
        None => Finding {
            kind: c::DRAINING,
            holds: Some(false),
            reason: c::NOTHING_DRAINS,
            message: "no removed stage is left".into(),
        },
        Some(queues) => Finding {
            kind: c::DRAINING,
            holds: Some(true),
            reason: c::STAGE_REMOVED,
            message: format!(
                "queues of removed stages, which keep their workers; delete these yourself when the queue is empty: {queues}"
            ),
        },
    }
}

fn stages(desired: &Desired, observed: &Observed) -> Vec<StageStatus> {
    desired
        .stages
        .iter()
        .map(|stage| {
            let queue = observed.queues.get(&stage.queue);
            let rollout = rollout(stage, observed);
            StageStatus {
                queue: stage.queue.id.to_string(),
                name: stage.name.clone(),
                state: state(queue).to_owned(),
                max_dispatches_per_second: queue.map(|queue| queue.max_dispatches_per_second),
                max_concurrent_dispatches: queue.map(|queue| queue.max_concurrent_dispatches),
                max_attempts: rollout.max_attempts,
                ready_replicas: Some(rollout.ready),
                workers_up_to_date: rollout.up_to_date,
            }
        })
        .collect()
}

/// How far the pods of a stage are.
struct Rollout {
    ready: i32,
    wanted: i32,
    up_to_date: bool,
    max_attempts: Option<i32>,
}

impl Rollout {
    fn is_done(&self) -> bool {
        self.up_to_date && self.ready >= self.wanted
    }
}

fn rollout(stage: &DesiredStage, observed: &Observed) -> Rollout {
    let found = observed.deployments.get(&stage.child);
    let spec = found.and_then(|deployment| deployment.spec.as_ref());
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let status = found.and_then(|deployment| deployment.status.as_ref());
    let seen = status.and_then(|status| status.observed_generation);
    let generation = found.and_then(|deployment| deployment.metadata.generation);
    let updated = status
        .and_then(|status| status.updated_replicas)
        .unwrap_or_default();
    let total = status
        .and_then(|status| status.replicas)
        .unwrap_or_default();
    Rollout {
        ready: status
            .and_then(|status| status.ready_replicas)
            .unwrap_or_default(),
        wanted,
        up_to_date: found.is_some() && seen == generation && updated >= wanted && total <= updated,
        max_attempts: found
            .and_then(|deployment| variable(deployment, "MAX_ATTEMPTS"))
            .and_then(|attempts| attempts.parse().ok()),
    }
}

fn state(queue: Option<&Queue>) -> &'static str {
    match queue.map(|queue| queue.state) {
        None => "Missing",
        Some(QueueState::Running) => "Running",
        Some(QueueState::Paused) => "Paused",
        Some(QueueState::Disabled) => "Disabled",
    }
}

fn path(desired: &Desired) -> String {
    let queues: Vec<&str> = desired
        .stages
        .iter()
        .map(|stage| stage.queue.id.as_str())
        .collect();
    queues.join(" → ")
}

fn list(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

/// The one place that sets `lastTransitionTime`.
fn condition(
    finding: &Finding,
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = match finding.holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let since = previous
        .iter()
        .find(|old| old.type_ == finding.kind && old.status == status)
        .map_or_else(|| Time(now), |old| old.last_transition_time.clone());
    Condition {
        type_: finding.kind.to_owned(),
        status: status.to_owned(),
        reason: finding.reason.to_owned(),
        message: finding.message.clone(),
        last_transition_time: since,
        observed_generation: generation,
    }
}
