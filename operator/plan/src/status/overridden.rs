//! Which overrides are in force.

use crds::conditions::Reason;
use crds::{StageOverride, StageStatus};
use k8s_openapi::api::apps::v1::Deployment;

use super::finding::Finding;
use crate::model::overrides::{limits_of, seconds};
use crate::model::{ChainView, DesiredStage, Overridden, OverrideField, OverrideSettings, Rollout};
use crate::objects::queue_settings::has_limits;
use crate::rules::overrides::stage_overrides;
use crate::rules::pause::is_paused;

/// The overrides of a stage of which every setting that no newer one replaces is in force.
pub(super) fn in_force(
    view: ChainView<'_>,
    stage: &DesiredStage,
    workers: Option<&Deployment>,
) -> Vec<StageOverride> {
    let mut overrides = stage_overrides(stage);
    overrides.retain(|it| {
        let mut settings = stage.overridden.iter();
        settings.all(|(field, setting)| {
            setting.name != it.name || is_in_force(view, stage, workers, *field, setting)
        })
    });
    overrides
}

/// Whether a setting is what the override says: on the queue, or on the Deployment.
fn is_in_force(
    view: ChainView<'_>,
    stage: &DesiredStage,
    workers: Option<&Deployment>,
    field: OverrideField,
    overridden: &Overridden,
) -> bool {
    let found = view.observed.queues.get(&stage.queue);
    match field {
        OverrideField::Paused => {
            found.is_some_and(|queue| is_paused(queue) == (stage.paused == Some(true)))
        }
        OverrideField::Replicas => {
            workers.is_some() && Some(Rollout::of(workers).wanted) == stage.replicas
        }
        OverrideField::Rate
        | OverrideField::Concurrency
        | OverrideField::BackoffMin
        | OverrideField::BackoffMax
        | OverrideField::BackoffDoublings => {
            let one = OverrideSettings::from([(field, overridden.value)]);
            let (rates, backoff) = limits_of(&one);
            let whole_seconds = view.observed.whole_seconds;
            found.is_some_and(|queue| has_limits(queue, rates, backoff, whole_seconds))
        }
    }
}

pub(super) fn finding(view: ChainView<'_>, stages: &[StageStatus]) -> Finding {
    let sentences = view.desired.stages.iter().flat_map(|stage| {
        let applied = stages.iter().find(|it| it.name == stage.name);
        let applied = applied.map_or(&[][..], |it| &it.overrides[..]);
        let overrides = stage_overrides(stage).into_iter();
        overrides.map(move |it| {
            let waits = !applied.iter().any(|its| its.name == it.name);
            sentence(stage, &it, waits)
        })
    });
    let sentences: Vec<String> = sentences.collect();
    if sentences.is_empty() {
        let message = "no ChainOverride replaces a setting";
        return Finding::new(Some(false), Reason::NotOverridden, message);
    }
    Finding::new(Some(true), Reason::OverrideInForce, sentences.join("; "))
}

fn sentence(stage: &DesiredStage, it: &StageOverride, waits: bool) -> String {
    let StageOverride {
        name,
        until,
        fields: _,
        settings,
    } = it;
    let mut overridden = stage.overridden.values();
    let why = overridden.find(|it| it.name == *name).map(|it| {
        let by = it.by.as_ref().map(|by| format!(", by {by}"));
        format!(" ({}{})", it.reason, by.unwrap_or_default())
    });
    let waits = if waits { ", not in force yet" } else { "" };
    format!(
        "{}: {settings} until {} by {name}{waits}{}",
        stage.name,
        seconds(until.0),
        why.unwrap_or_default(),
    )
}
