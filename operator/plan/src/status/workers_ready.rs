//! Whether every stage has all its pods ready and up to date.

use std::collections::BTreeSet;

use crds::StageStatus;
use crds::conditions::Reason;

use super::finding::{Finding, list};
use super::stages::workers;
use crate::model::{ChainView, Concern, DesiredStage, Plan, Problem, Rollout, pod_refusal};

/// How many characters of a refusal are quoted: a webhook may say very much.
const MOST: usize = 1000;

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
    let behind = || view.desired.stages.iter().filter(|stage| !is_done(stage));
    let Some(names) = list(behind().map(|stage| stage.name.clone())) else {
        return Finding::new(
            Some(true),
            Reason::AsSpecified,
            "every stage has all its pods ready and up to date",
        );
    };
    let waits = plan
        .as_ref()
        .map_or_else(|_| Vec::new(), |plan| plan.waits_for(Concern::Workers));
    let refusals: Vec<String> = behind()
        .filter_map(|stage| {
            let words = pod_refusal(workers(view, stage)?)?;
            let words: String = words.chars().take(MOST).collect();
            Some(format!(
                "Kubernetes refuses pods of stage {}: {words}",
                stage.name
            ))
        })
        .collect();
    let blocked: Vec<String> = behind()
        .flat_map(|stage| {
            let pods = view.observed.pods.iter();
            let pods = pods.filter(|pod| pod.stage == stage.name);
            let all: BTreeSet<_> = pods.flat_map(|pod| &pod.blocked).collect();
            all.into_iter()
                .map(|it| format!("stage {} has pods with {it}", stage.name))
        })
        .collect();
    // What a person has to fix comes before what merely waits, perhaps for that.
    let reason = match (refusals.is_empty(), waits.is_empty()) {
        (false, _) => Reason::PodsRefused,
        (true, false) => Reason::Progressing,
        (true, true) => Reason::PodsNotReady,
    };
    let names = format!("stages whose pods are not all ready and up to date: {names}");
    let message = [vec![names], refusals, blocked, waits].concat().join("; ");
    Finding::new(Some(false), reason, message)
}
