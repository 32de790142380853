//! What the status says: only what was observed, never what was asked for.

use cloudtasks::{Queue, QueuePath, QueueState};
use crds::conditions as c;
use crds::{ExecutorChainStatus, StageStatus};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;

use crate::deployment::deployment;
use crate::desired::Desired;
use crate::environment::{Retired, hands_to, variable};
use crate::observed::{Observed, Removed};
use crate::order::{is_applied, plan};
use crate::problem::Problem;
use crate::queue;

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
        let rollouts = rollouts(desired, observed);
        status.stages = stages(desired, observed, &rollouts);
        let removed = observed.removed_stages(desired);
        let queues = removed.iter().map(|removed| removed.queue.id.to_string());
        status.draining = list(queues);
        let paused = paused(desired, observed, &removed);
        status.paused = list(paused.iter().map(|(queue, _)| queue.clone()));
        findings.push(queues_ready(desired, observed));
        findings.push(workers_ready(desired, &rollouts));
        findings.push(paused_finding(&paused));
        findings.push(draining_finding(desired, observed, &removed));
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
    let in_state = |word: &'static str| {
        let queues = desired
            .queues()
            .filter(move |queue| state(observed.queues.get(queue)) == word);
        list(queues.map(|queue| queue.id.to_string()))
    };
    if let Some(missing) = in_state("Missing") {
        return Finding {
            kind: c::QUEUES_READY,
            holds: Some(false),
            reason: c::QUEUE_MISSING,
            message: format!("not there: {missing}"),
        };
    }
    if let Some(disabled) = in_state("Disabled") {
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

fn workers_ready(desired: &Desired, rollouts: &[Rollout]) -> Finding {
    let stages = desired.stages.iter().zip(rollouts);
    let behind = stages.filter(|(_, rollout)| !rollout.is_done());
    match list(behind.map(|(stage, _)| stage.name.clone())) {
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

/// Who paused a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PausedBy {
    Spec,
    Operator,
    SomebodyElse,
}

/// The queues of the chain that are paused, those of removed stages too.
fn paused(desired: &Desired, observed: &Observed, removed: &[Removed]) -> Vec<(String, PausedBy)> {
    let by_spec = |queue: &QueuePath| {
        let mut stages = desired.stages.iter();
        stages.any(|stage| stage.queue == *queue && stage.paused == Some(true))
    };
    desired
        .queues()
        .chain(removed.iter().map(|removed| &removed.queue))
        .filter_map(|path| observed.queues.get(path))
        .filter(|queue| queue.state == QueueState::Paused)
        .map(|queue| {
            let by = if by_spec(&queue.path) {
                PausedBy::Spec
            } else if queue::pause_reason(queue).is_some() {
                PausedBy::Operator
            } else {
                PausedBy::SomebodyElse
            };
            (queue.path.id.to_string(), by)
        })
        .collect()
}

fn paused_finding(paused: &[(String, PausedBy)]) -> Finding {
    let names = |who: PausedBy| {
        let theirs = paused.iter().filter(|(_, by)| *by == who);
        list(theirs.map(|(queue, _)| queue.clone()))
    };
    let (reason, message) = if let Some(queues) = names(PausedBy::SomebodyElse) {
        (
            c::PAUSED_OUTSIDE,
            format!(
                "paused by somebody else, and left so until they resume it, or its stage says paused: false: {queues}"
            ),
        )
    } else if let Some(queues) = names(PausedBy::Operator) {
        (
            c::PAUSED_BY_OPERATOR,
            format!("paused by the operator, until there are workers to serve it: {queues}"),
        )
    } else if let Some(queues) = names(PausedBy::Spec) {
        (c::PAUSED_BY_SPEC, format!("paused by the spec: {queues}"))
    } else {
        (c::NOT_PAUSED, "no queue is paused".to_owned())
    };
    Finding {
        kind: c::PAUSED,
        holds: Some(!paused.is_empty()),
        reason,
        message,
    }
}

/// What is left of stages that were removed or renamed, with what a person may do about it.
fn draining_finding(desired: &Desired, observed: &Observed, removed: &[Removed]) -> Finding {
    let is_fed = |removed: &Removed| {
        let mut others = observed.deployments.values();
        others.any(|deployment| {
            Some(deployment.name_any()) != removed.deployment
                && hands_to(deployment, &removed.queue)
        })
    };
    let queues = |wanted: &dyn Fn(&Removed) -> bool| {
        let found = removed.iter().filter(|removed| wanted(removed));
        list(found.map(|removed| removed.queue.id.to_string()))
    };
    let parts = [
        (
            "removed, with workers; when it has been empty for a day, delete Deployment, Service and queue",
            queues(&|removed| removed.deployment.is_some() && !is_fed(removed)),
        ),
        (
            "removed, and other workers still hand tasks to it: keep it",
            queues(&|removed| removed.deployment.is_some() && is_fed(removed)),
        ),
        (
            "removed, without workers: put the stage back to serve what is in it, or delete the queue",
            queues(&|removed| removed.deployment.is_none()),
        ),
        (
            "of a renamed stage, whose queue has new workers: once these are ready, delete the Deployment and the Service, and not the queue",
            list(observed.renamed_stages(desired).into_iter()),
        ),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter_map(|(what, names)| Some(format!("{what}: {}", names?)))
        .collect();
    let (reason, message) = if said.is_empty() {
        (c::NOTHING_DRAINS, "no removed stage is left".into())
    } else {
        (c::STAGE_REMOVED, said.join(". "))
    };
    Finding {
        kind: c::DRAINING,
        holds: Some(!said.is_empty()),
        reason,
        message,
    }
}

fn stages(desired: &Desired, observed: &Observed, rollouts: &[Rollout]) -> Vec<StageStatus> {
    let stages = desired.stages.iter().zip(rollouts);
    stages
        .map(|(stage, rollout)| {
            let queue = observed.queues.get(&stage.queue);
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
#[derive(Default)]
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

/// Of every stage, in the order of the ladder.
fn rollouts(desired: &Desired, observed: &Observed) -> Vec<Rollout> {
    let retired = Retired::of(desired, observed);
    let stages = desired.stages.iter().enumerate();
    stages
        .map(|(index, stage)| {
            let found = observed.deployments.get(&stage.child);
            // A Deployment may be well and still not be the one that the spec asks for: where a step
            // before it failed, or the API server refuses it.
            let wanted = deployment(desired, index, &retired, found);
            found.map_or_else(Rollout::default, |found| {
                rollout(found, is_applied(found, &wanted))
            })
        })
        .collect()
}

fn rollout(found: &Deployment, is_applied: bool) -> Rollout {
    let wanted = found.spec.as_ref().and_then(|spec| spec.replicas);
    let wanted = wanted.unwrap_or(1);
    let status = found.status.clone().unwrap_or_default();
    let is_seen = status.observed_generation == found.metadata.generation;
    let updated = status.updated_replicas.unwrap_or_default();
    let total = status.replicas.unwrap_or_default();
    Rollout {
        ready: status.ready_replicas.unwrap_or_default(),
        wanted,
        up_to_date: is_applied && is_seen && updated >= wanted && total <= updated,
        max_attempts: variable(found, "MAX_ATTEMPTS").and_then(|attempts| attempts.parse().ok()),
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

fn list(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
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
