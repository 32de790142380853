//! What a queue had before an override set what the spec doesn't: it is written on the queue in the same
//! call, and comes back in the same call. So it is known after a crash.

use cloudtasks::queue::{
    DEFAULT_CONCURRENT_DISPATCHES, DEFAULT_DISPATCHES_PER_SECOND, DEFAULT_MAX_BACKOFF,
    DEFAULT_MAX_DOUBLINGS, DEFAULT_MIN_BACKOFF,
};
use cloudtasks::{HttpTarget, Queue};
use crds::{Backoff, Duration, RateLimits};
use serde::{Deserialize, Serialize};

use crate::model::DesiredStage;
use crate::model::overrides::{OverrideSettings, limits_of, settings_of};
use crate::model::queue_headers::{REPLACED_HEADER, replaced_settings};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Replaced {
    rate_limits: RateLimits,
    backoff: Backoff,
}

/// What is written on a stage's queue of this.
fn replaced(stage: &DesiredStage, found: Option<&Queue>) -> OverrideSettings {
    let before = found.map(written).unwrap_or_default();
    let now = settings_now(found);
    let unset = stage.overridden.iter().filter(|(_, it)| it.spec.is_none());
    let kept = unset.filter_map(|(field, _)| {
        let value = before.get(field).or_else(|| now.get(field))?;
        Some((*field, *value))
    });
    kept.collect()
}

/// What is written on a queue of this.
fn written(queue: &Queue) -> OverrideSettings {
    let text = replaced_settings(queue);
    let read: Option<Replaced> = text.and_then(|text| serde_json::from_str(text).ok());
    let Replaced {
        rate_limits,
        backoff,
    } = read.unwrap_or_default();
    settings_of(Some(rate_limits), Some(backoff))
}

/// What a queue has; a new one has Cloud Tasks' defaults.
fn settings_now(found: Option<&Queue>) -> OverrideSettings {
    let limits = RateLimits {
        max_dispatches_per_second: Some(found.map_or(DEFAULT_DISPATCHES_PER_SECOND, |it| {
            it.max_dispatches_per_second
        })),
        max_concurrent_dispatches: Some(found.map_or(DEFAULT_CONCURRENT_DISPATCHES, |it| {
            it.max_concurrent_dispatches
        })),
    };
    let backoff = Backoff {
        min: Some(Duration(
            found.map_or(DEFAULT_MIN_BACKOFF, |it| it.min_backoff),
        )),
        max: Some(Duration(
            found.map_or(DEFAULT_MAX_BACKOFF, |it| it.max_backoff),
        )),
        max_doublings: Some(found.map_or(DEFAULT_MAX_DOUBLINGS, |it| it.max_doublings)),
    };
    settings_of(Some(limits), Some(backoff))
}

/// Writes on a target what an override replaces. `keeps`: what has been written stays, since it can't come
/// back yet.
pub(crate) fn write(
    target: &mut HttpTarget,
    stage: &DesiredStage,
    found: Option<&Queue>,
    keeps: bool,
) {
    let mut replaced = replaced(stage, found);
    if keeps {
        let mut all = found.map(written).unwrap_or_default();
        all.append(&mut replaced);
        replaced = all;
    }
    if replaced.is_empty() {
        target.headers.remove(REPLACED_HEADER);
        return;
    }
    let (rate_limits, backoff) = limits_of(&replaced);
    let text = serde_json::to_string(&Replaced {
        rate_limits,
        backoff,
    });
    let text = text.expect("numbers and texts are JSON");
    target.headers.insert(REPLACED_HEADER.to_owned(), text);
}

/// The limits and the backoff of a stage's queue: those of the spec and of overrides, and those that come
/// back.
pub(crate) fn with_restored(stage: &DesiredStage, found: Option<&Queue>) -> (RateLimits, Backoff) {
    let mut settings = settings_of(stage.rate_limits, stage.backoff);
    for (field, value) in found.map(written).unwrap_or_default() {
        settings.entry(field).or_insert(value);
    }
    limits_of(&settings)
}
