//! What the status says: only what was observed, never what was asked for.

mod draining;
mod drifted;
mod paused;
mod pushes;
mod pushes_reachable;
mod queues_ready;
mod workers_ready;

use crds::ExecutorChainStatus;
use crds::conditions as c;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::model::{ChainView, Desired, Plan, Problem};
use crate::objects::queue_settings::settings_hash;
use crate::rules::drain::{Drain, drain};

/// A condition without its time. What could not be looked at is neither true nor false.
struct Finding {
    kind: &'static str,
    holds: Option<bool>,
    reason: &'static str,
    message: String,
}

/// A chain as it was seen, and the plan that was made from that.
#[derive(Debug, Clone, Copy)]
pub struct PlannedView<'a> {
    /// What was seen.
    pub view: ChainView<'a>,
    /// What [`plan`](fn@crate::plan) made of it.
    pub plan: &'a Result<Plan, Problem>,
}

/// The status of a chain. `seen` is `None` where it could not be had;
/// what was told last is then kept, under a Ready that says why. Times change only where a
/// condition does.
pub fn status(
    previous: &ExecutorChainStatus,
    generation: Option<i64>,
    seen: Option<PlannedView<'_>>,
    problem: Option<&Problem>,
    now: Timestamp,
) -> ExecutorChainStatus {
    let mut findings = Vec::new();
    let mut status = ExecutorChainStatus {
        observed_generation: generation,
        ..previous.clone()
    };
    if let Some(PlannedView { view, plan }) = seen {
        let desired = view.desired;
        status.path = Some(path(desired));
        let removed = view.removed_stages();
        status.stages = workers_ready::stages(view, &removed);
        let drains = removed
            .iter()
            .filter(|removed| drain(view, removed) != Drain::Drained);
        status.draining = list(drains.map(|removed| removed.queue.id.to_string()));
        let paused = paused::paused(view, &removed);
        status.paused = list(paused.iter().map(|(queue, _)| queue.clone()));
        let queues_ready = queues_ready::ready(view, plan);
        let hash = Some(settings_hash(desired));
        if queues_ready.holds == Some(true) {
            status.queues_hash = hash;
        } else if status.queues_hash != hash {
            // Half of an edit may be done: whoever takes it back finds no drift, but another edit.
            status.queues_hash = None;
        }
        findings.push(queues_ready);
        findings.push(workers_ready::ready(view, plan, &status.stages));
        findings.push(pushes_reachable::finding(view));
        findings.push(drifted::finding(view));
        findings.push(paused::finding(desired, &paused));
        findings.push(draining::finding(view, &removed));
        findings.push(workers_ready::undersized(view));
        findings.push(pushes::unauthenticated(view));
        findings.push(pushes::refused(view));
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
    [
        c::QUEUES_READY,
        c::WORKERS_READY,
        c::PUSHES_REACHABLE,
        c::DRIFTED,
        c::PAUSED,
        c::DRAINING,
        c::UNDERSIZED,
        c::PUSHES_UNAUTHENTICATED,
        c::PUSHES_REFUSED,
    ]
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
    // What a person has to mend comes before what may merely be on its way.
    let parts = [c::PUSHES_REACHABLE, c::QUEUES_READY, c::WORKERS_READY];
    let missing = parts.iter().find_map(|part| {
        let mut findings = findings.iter();
        findings.find(|finding| finding.kind == *part && finding.holds == Some(false))
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
