//! Which overrides are in force.

use std::collections::BTreeSet;

use cloudtasks::Queue;
use crds::conditions::Reason;
use crds::{StageOverride, StageStatus};
use k8s_openapi::api::apps::v1::Deployment;

use super::finding::Finding;
use crate::model::overrides::{limits_of, seconds};
use crate::model::queue_headers;
use crate::model::{
    ChainView, DesiredStage, Overridden, OverrideField, OverrideSettings, PauseReason, Rollout,
};
use crate::objects::queue_settings::has_limits;
use crate::objects::replaced_settings::written;
use crate::rules::overrides::stage_overrides;
use crate::rules::pause::is_paused;

/// The overrides of a stage, with those of their settings that are in force.
pub(super) fn in_force(
    view: ChainView<'_>,
    stage: &DesiredStage,
    workers: Option<&Deployment>,
) -> Vec<StageOverride> {
    stage_overrides(stage, |field, it| {
        is_in_force(view, stage, workers, field, it)
    })
}

/// The settings that an override has left on a stage, and that have to come back.
pub(super) fn restoring(
    view: ChainView<'_>,
    stage: &DesiredStage,
    workers: Option<&Deployment>,
) -> Vec<String> {
    let found = view.observed.queues.get(&stage.queue);
    let recorded = found.map(written).unwrap_or_default();
    let mut left: BTreeSet<OverrideField> = recorded.into_keys().collect();
    // The operator's own pause for want of workers has another reason.
    let is_ours = |queue: &Queue| queue_headers::pause_reason(queue) == Some(PauseReason::Spec);
    if stage.paused != Some(true) && found.is_some_and(|it| is_paused(it) && is_ours(it)) {
        left.insert(OverrideField::Paused);
    }
    let wanted = workers.map(|_| Rollout::of(workers).wanted);
    if stage.replicas.is_some() && wanted.is_some() && wanted != stage.replicas {
        left.insert(OverrideField::Replicas);
    }
    let mut left: Vec<OverrideField> = left.into_iter().collect();
    // The other side of a backoff comes back with the one that is overridden.
    let has_backoff = stage
        .overridden
        .keys()
        .any(|field| matches!(field, OverrideField::BackoffMin | OverrideField::BackoffMax));
    left.retain(|field| {
        let is_side = matches!(field, OverrideField::BackoffMin | OverrideField::BackoffMax);
        let is_kept = stage.overridden.contains_key(field) || (is_side && has_backoff);
        !is_kept
    });
    left.iter().map(ToString::to_string).collect()
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
        let found = stages.iter().find(|it| it.name == stage.name);
        let applied = found.map_or(&[][..], |it| &it.overrides[..]);
        let overrides = stage_overrides(stage, |_, _| true).into_iter();
        let overrides = overrides.map(move |it| {
            let waits = !applied.contains(&it);
            sentence(stage, &it, waits)
        });
        let left = found.map_or(&[][..], |it| &it.restoring[..]);
        let left = (!left.is_empty()).then(|| {
            format!(
                "{}: {} not restored yet after an override",
                stage.name,
                left.join(", ")
            )
        });
        overrides.chain(left)
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
    let waits = if waits { ", not all in force yet" } else { "" };
    format!(
        "{}: {settings} until {} by {name}{waits}{}",
        stage.name,
        seconds(until.0),
        why.unwrap_or_default(),
    )
}
