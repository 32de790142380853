//! What an edit of a chain would do: the steps of the operator's own plan, and what would then become of the
//! tasks, simulated from what is measured now.
//!
//! Pure: what is desired with the edit and without it, and what was observed in; the answer out.

mod edited;
mod settings_by_time;
mod version;

use console::{LiveChain, PlanReply, PlannedRound, PlannedStep};
use crds::ChainOverride;
use jiff::Timestamp;
use plan::{Desired, DesiredStage, Observed, Plan, Problem, preview, restarts};
use simulation::forecast::{HORIZON, forecast};

pub use edited::{Edited, edited};
use settings_by_time::phases;
pub use version::Version;

/// What is known of a chain that exists.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// As it is served now.
    pub version: Version<'a>,
    /// What it does now, if that is known.
    pub live: Option<&'a LiveChain>,
}

/// What an edit would do. `present` is `None` for a chain that doesn't exist yet.
pub fn reply(
    present: Option<Present<'_>>,
    edited: Version<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Result<PlanReply, Problem> {
    let desired = edited.at(now);
    let plans = preview(&desired, observed)?;
    let mut reply = PlanReply {
        rounds: plans.iter().map(round).collect(),
        ..PlanReply::default()
    };
    let Some(Present { version, live }) = present else {
        return Ok(reply);
    };
    reply.restarts = restarts(&version.at(now), observed, &plans);
    let changes = plans.iter().any(|plan| !plan.is_empty());
    let Some(live) = live.filter(|_| changes) else {
        return Ok(reply);
    };
    let before = phases(version, observed, live, now);
    let after = phases(edited, observed, live, now);
    match forecast(live, &before, &after, HORIZON) {
        Ok(effect) => reply.effect = Some(effect),
        Err(unknown) => reply.no_effect = Some(unknown.to_string()),
    }
    Ok(reply)
}

/// What an override doesn't do that its maker may expect.
pub fn notes(desired: &Desired, it: &ChainOverride) -> Vec<String> {
    let named = || desired.stages.iter().filter(|stage| it.names(&stage.name));
    let mut notes = Vec::new();
    if it.spec.replicas.is_some() {
        let without = named().filter(|stage| stage.replicas.is_none());
        notes.extend(without.map(|stage| {
            format!("replicas of stage {} isn't set in the chain, which leaves it to an autoscaler: the override doesn't change it", stage.name)
        }));
    }
    if it.spec.restore.is_some() {
        let rate = |stage: &&DesiredStage| {
            let limits = stage.rate_limits.unwrap_or_default();
            limits.max_dispatches_per_second.is_none()
        };
        let without = named().filter(rate);
        notes.extend(without.map(|stage| {
            format!("maxDispatchesPerSecond of stage {} isn't set in the chain: at the end of the override, the rate is restored at once, not in steps", stage.name)
        }));
    }
    notes
}

fn round(plan: &Plan) -> PlannedRound {
    let steps = plan.steps.iter().map(|planned| PlannedStep {
        step: planned.step.to_string(),
        reason: planned.reason.to_owned(),
    });
    let waits = plan.waits.iter().map(|wait| wait.reason.to_string());
    PlannedRound {
        steps: steps.collect(),
        waits: waits.collect(),
    }
}
