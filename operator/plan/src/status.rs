//! The status: observed state, never desired state.

mod draining;
mod drifted;
mod finding;
mod held;
mod isolating;
mod overridden;
pub mod override_status;
mod parked;
mod paused;
mod pushes_reachable;
mod pushes_refused;
mod pushes_unauthenticated;
mod queues_ready;
mod stages;
mod undersized;
mod workers_ready;

use crds::conditions::{ConditionType, Reason};
use crds::{ExecutorChainStatus, StageStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::model::{ChainView, Desired, Plan, Problem};
use crate::objects::queue_settings::settings_hash;
use crate::rules::drain::{Drain, drain};
use crate::rules::ladder_time::ladder_time;
use finding::{Finding, list};

/// A chain as it was seen, and the plan that was made from that.
#[derive(Debug, Clone, Copy)]
pub struct PlannedView<'a> {
    /// What was seen.
    pub view: ChainView<'a>,
    /// What [`plan`](fn@crate::plan) made of it.
    pub plan: &'a Result<Plan, Problem>,
}

/// The status of a chain. `seen` is `None` where it could not be had; what was reported last is then
/// kept, under a Ready that says why. Times change only where a condition does.
pub fn status(
    previous: &ExecutorChainStatus,
    generation: Option<i64>,
    seen: Option<PlannedView<'_>>,
    problem: Option<&Problem>,
    now: Timestamp,
) -> ExecutorChainStatus {
    let mut status = ExecutorChainStatus {
        observed_generation: generation,
        ..previous.clone()
    };
    let parts = ConditionType::ALL.iter().copied();
    let mut findings: Vec<(ConditionType, Finding)> = match (seen, problem) {
        (Some(seen), _) => {
            fill(&mut status, seen.view);
            let finding = |part| Some((part, finding(part, seen, &status.stages)?));
            parts.filter_map(finding).collect()
        }
        (None, Some(problem)) => parts
            .filter(|part| *part != ConditionType::Ready)
            .filter(|part| !depends_on_spec(*part) || has(&previous.conditions, *part))
            .map(|part| (part, unknown(problem)))
            .collect(),
        (None, None) => Vec::new(),
    };
    if let Some(seen) = seen {
        let hash = Some(settings_hash(seen.view.desired));
        let mut findings = findings.iter();
        let queues = findings.find(|(part, _)| *part == ConditionType::QueuesReady);
        if queues.is_some_and(|(_, finding)| finding.holds == Some(true)) {
            status.queues_hash = hash;
        } else if status.queues_hash != hash {
            // Half of an edit may be applied: taking it back is another edit, not drift.
            status.queues_hash = None;
        }
    }
    findings.insert(0, (ConditionType::Ready, ready(problem, &findings)));
    let kept = previous.conditions.clone();
    let fresh: Vec<Condition> = findings
        .iter()
        .map(|(part, finding)| condition(*part, finding, &kept, generation, now))
        .collect();
    let is_fresh = |old: &Condition| fresh.iter().any(|new| new.type_ == old.type_);
    // The spec no longer asks for what it was about.
    let is_over = |old: &Condition| {
        let part = ConditionType::named(&old.type_);
        seen.is_some() && part.is_some_and(depends_on_spec)
    };
    let stale = kept
        .into_iter()
        .filter(|old| !is_fresh(old) && !is_over(old));
    status.conditions = fresh.iter().cloned().chain(stale).collect();
    status
}

/// All but the conditions.
fn fill(status: &mut ExecutorChainStatus, view: ChainView<'_>) {
    status.path = Some(path(view.desired));
    status.fails_after = ladder_time(view).map(|time| time.to_string());
    let removed = view.removed_stages();
    status.stages = stages::stages(view, &removed);
    let drains = removed
        .iter()
        .filter(|removed| drain(view, removed) != Drain::Drained);
    status.draining = list(drains.map(|removed| removed.queue.id.to_string()));
    let paused = paused::paused(view);
    status.overridden = overridden_stages(&status.stages);
    status.paused = list(paused.iter().map(|(queue, _)| queue.clone()));
}

/// The stages that overrides change: `fast by inc-42`.
fn overridden_stages(stages: &[StageStatus]) -> Option<String> {
    let overridden = stages.iter().filter(|stage| !stage.overrides.is_empty());
    list(overridden.map(|stage| {
        let names: Vec<&str> = stage.overrides.iter().map(|it| it.name.as_str()).collect();
        format!("{} by {}", stage.name, names.join(" and "))
    }))
}

/// Whether only some chains have the condition: those whose spec asks for what it is about.
fn depends_on_spec(part: ConditionType) -> bool {
    matches!(
        part,
        ConditionType::Isolating | ConditionType::Held | ConditionType::Parked
    )
}

fn has(conditions: &[Condition], part: ConditionType) -> bool {
    conditions.iter().any(|it| it.type_ == part.as_str())
}

/// What was found of a condition; nothing of the one that is derived from the others, nor of what the spec
/// doesn't ask for.
fn finding(part: ConditionType, seen: PlannedView<'_>, stages: &[StageStatus]) -> Option<Finding> {
    let PlannedView { view, plan } = seen;
    Some(match part {
        ConditionType::Ready => return None,
        ConditionType::QueuesReady => queues_ready::finding(view, plan),
        ConditionType::WorkersReady => workers_ready::finding(view, plan, stages),
        ConditionType::PushesReachable => pushes_reachable::finding(view),
        ConditionType::Drifted => drifted::finding(view),
        ConditionType::Paused => paused::finding(view),
        ConditionType::Overridden => overridden::finding(view, stages),
        ConditionType::Draining => draining::finding(view),
        ConditionType::Undersized => undersized::finding(view),
        ConditionType::PushesUnauthenticated => pushes_unauthenticated::finding(view),
        ConditionType::PushesRefused => pushes_refused::finding(view),
        ConditionType::Isolating => isolating::finding(view)?,
        ConditionType::Held => held::finding(view)?,
        ConditionType::Parked => parked::finding(view)?,
    })
}

/// Nothing was seen, so nothing is claimed.
fn unknown(problem: &Problem) -> Finding {
    let Problem { reason, message } = problem;
    Finding::new(None, *reason, format!("unknown: {message}"))
}

/// Derived from the others, and False while something stands in the way.
fn ready(problem: Option<&Problem>, findings: &[(ConditionType, Finding)]) -> Finding {
    if let Some(Problem { reason, message }) = problem {
        return Finding::new(Some(false), *reason, message);
    }
    // What a person has to fix comes before what may merely be on its way.
    let parts = [
        ConditionType::PushesReachable,
        ConditionType::QueuesReady,
        ConditionType::WorkersReady,
    ];
    let missing = parts.iter().find_map(|wanted| {
        let mut findings = findings.iter();
        findings.find(|(part, finding)| part == wanted && finding.holds == Some(false))
    });
    match missing {
        Some((_, finding)) => Finding::new(Some(false), finding.reason, &finding.message),
        None => Finding::new(
            Some(true),
            Reason::AsSpecified,
            "every queue and every worker is as the spec says",
        ),
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

/// The one place that sets `lastTransitionTime`.
fn condition(
    part: ConditionType,
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
        .find(|old| old.type_ == part.as_str() && old.status == status)
        .map_or_else(|| Time(now), |old| old.last_transition_time.clone());
    Condition {
        type_: part.to_string(),
        status: status.to_owned(),
        reason: finding.reason.to_string(),
        message: finding.message.clone(),
        last_transition_time: since,
        observed_generation: generation,
    }
}
