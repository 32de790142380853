//! Whether every stage has all its pods ready and up to date.

use crds::StageStatus;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use super::stages::workers;
use crate::model::{ChainView, Concern, DesiredStage, Plan, Problem, Rollout};

pub(super) fn finding(
    view: ChainView<'_>,
    plan: &Result<Plan, Problem>,
    stages: &[StageStatus],
) -> Finding {
    let is_done = |stage: &&DesiredStage| {
        let rollout = Rollout::of(workers(view, stage));
        let mut stages = stages.iter();
        let status = stages.find(|status| status.name == stage.name);
        status.is_some_and(|status| status.workers_up_to_date) && rollout.ready >= rollout.wanted
    };
    let behind = view.desired.stages.iter().filter(|stage| !is_done(stage));
    let Some(behind) = list(behind.map(|stage| stage.name.clone())) else {
        return Finding::new(
            Some(true),
            Reason::AsSpecified,
            "every stage has all its pods ready and up to date",
        );
    };
    let waits = plan
        .as_ref()
        .map_or_else(|_| Vec::new(), |plan| plan.waits_for(Concern::Workers));
    let message = format!("stages whose pods are not all ready and up to date: {behind}");
    let (reason, message) = if waits.is_empty() {
        (Reason::PodsNotReady, message)
    } else {
        (
            Reason::Progressing,
            format!("{message}; {}", waits.join("; ")),
        )
    };
    Finding::new(Some(false), reason, message)
}
