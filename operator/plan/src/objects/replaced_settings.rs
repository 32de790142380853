//! What a queue had before an override: it is written on the queue in the call that replaces it, and comes
//! back in one call. So it is known after a crash, and whatever becomes of the spec meanwhile.

use std::collections::BTreeSet;

use cloudtasks::queue::{
    DEFAULT_CONCURRENT_DISPATCHES, DEFAULT_DISPATCHES_PER_SECOND, DEFAULT_MAX_BACKOFF,
    DEFAULT_MAX_DOUBLINGS, DEFAULT_MIN_BACKOFF,
};
use cloudtasks::{HttpTarget, Queue};
use crds::{Backoff, Duration, RateLimits};
use serde::{Deserialize, Serialize};

use crate::model::overrides::{OverrideSettings, limits_of, settings_of};
use crate::model::queue_headers::{REPLACED_HEADER, replaced_settings};
use crate::model::{DesiredStage, OverrideField, OverrideValue};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Replaced {
    rate_limits: RateLimits,
    backoff: Backoff,
}

/// What is written on a queue of this.
pub(crate) fn written(queue: &Queue) -> OverrideSettings {
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

/// What a queue had, or will have again, without overrides: as it is written on it, or else what it has.
fn without_overrides(found: Option<&Queue>) -> OverrideSettings {
    let mut settings = settings_now(found);
    settings.extend(found.map(written).unwrap_or_default());
    settings
}

/// The other side of a backoff of which an override sets one: Cloud Tasks refuses a minimum above the maximum.
fn other_side(
    stage: &DesiredStage,
    settings: &OverrideSettings,
    found: Option<&Queue>,
) -> Option<(OverrideField, OverrideValue)> {
    use OverrideField::{BackoffMax, BackoffMin};
    let (set, missing) = match (settings.get(&BackoffMin), settings.get(&BackoffMax)) {
        (Some(_), None) => (BackoffMin, BackoffMax),
        (None, Some(_)) => (BackoffMax, BackoffMin),
        (Some(_), Some(_)) | (None, None) => return None,
    };
    if !stage.overridden.contains_key(&set) {
        return None;
    }
    let value = *settings.get(&set)?;
    let (OverrideValue::Time(ours), OverrideValue::Time(theirs)) =
        (value, *without_overrides(found).get(&missing)?)
    else {
        return None;
    };
    let is_refused = if set == BackoffMin {
        theirs < ours
    } else {
        theirs > ours
    };
    is_refused.then_some((missing, value))
}

/// The limits and the backoff of a stage's queue: those of the spec and of overrides, and those that come
/// back.
pub(crate) fn with_restored(stage: &DesiredStage, found: Option<&Queue>) -> (RateLimits, Backoff) {
    let mut settings = settings_of(stage.rate_limits, stage.backoff);
    settings.extend(other_side(stage, &settings, found));
    for (field, value) in found.map(written).unwrap_or_default() {
        settings.entry(field).or_insert(value);
    }
    limits_of(&settings)
}

/// What is written on a stage's queue of what overrides replace. What the spec says is what it was; if it says
/// nothing any more, what it said last.
fn replaced(stage: &DesiredStage, found: Option<&Queue>) -> OverrideSettings {
    let before = without_overrides(found);
    let settings = settings_of(stage.rate_limits, stage.backoff);
    let other = other_side(stage, &settings, found).map(|(field, _)| field);
    let fields = stage.overridden.keys().copied().chain(other);
    let fields: BTreeSet<OverrideField> = fields.collect();
    let kept = fields.into_iter().filter_map(|field| {
        let spec = stage.overridden.get(&field).and_then(|it| it.spec);
        Some((field, spec.or_else(|| before.get(&field).copied())?))
    });
    kept.filter(|(field, _)| before.contains_key(field))
        .collect()
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
    set(target, &replaced);
}

fn set(target: &mut HttpTarget, replaced: &OverrideSettings) {
    if replaced.is_empty() {
        target.headers.remove(REPLACED_HEADER);
        return;
    }
    let (rate_limits, backoff) = limits_of(replaced);
    let text = serde_json::to_string(&Replaced {
        rate_limits,
        backoff,
    });
    let text = text.expect("numbers and texts are JSON");
    target.headers.insert(REPLACED_HEADER.to_owned(), text);
}

/// Whether a queue says something else of this than a target: then its limits are an edit in progress, and not
/// what another client has changed.
pub(crate) fn differs(found: Option<&Queue>, target: &HttpTarget) -> bool {
    let now = found.and_then(replaced_settings);
    now != target.headers.get(REPLACED_HEADER).map(String::as_str)
}

/// What comes back on the queue of a stage that has no overrides any more, such as a removed one: its limits, and
/// its target without the record.
pub(crate) fn restored(found: &Queue) -> Option<(RateLimits, Backoff, HttpTarget)> {
    let written = written(found);
    if written.is_empty() {
        return None;
    }
    let mut target = found.http_target.clone()?;
    target.headers.remove(REPLACED_HEADER);
    let (rate_limits, backoff) = limits_of(&written);
    Some((rate_limits, backoff, target))
}
