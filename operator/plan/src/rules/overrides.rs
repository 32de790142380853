//! Which overrides are in force on a stage, and what they replace.
//!
//! By stage and setting the newest wins. When it ends, the one before is in force again, or the spec.

use std::collections::BTreeMap;
use std::time::Duration;

use crds::{Backoff, ChainOverride, ExecutorChainStatus, IN_FORCE, RateLimits, StageOverride};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::model::overrides::{
    Overridden, OverrideField, OverrideSettings, OverrideValue, seconds, settings_of,
    settings_of_override, with_rest,
};
use crate::model::{Desired, DesiredStage};

/// What a step multiplies a rate with that comes back: what Cloud Tasks advises every five minutes after a
/// pause.
const RAISE: f64 = 1.5;
/// A pause that comes back in steps begins with what this many of them make the spec's rate.
const STEPS_AFTER_A_PAUSE: u32 = 4;
/// What Cloud Tasks advises to begin with at most.
const BEGIN_AT_MOST: f64 = 500.0;
/// A rate that comes back from very little comes back in so many steps.
const MOST_STEPS: u32 = 12;

/// Where an override is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It is in force, until then.
    InForce(Timestamp),
    /// It is over since then, and a rate that it has lowered comes back in steps for so long.
    Restoring(Timestamp, Duration),
    /// It is over.
    Over,
}

/// Where an override is in its life.
pub fn phase(it: &ChainOverride, now: Timestamp) -> Phase {
    let until = until(it);
    let end = if it.spec.ended {
        // An end before its time that comes in steps begins when the operator sees it.
        let seen = it
            .status
            .as_ref()
            .and_then(|status| status.ended_at.as_ref());
        seen.map_or(now, |seen| seen.0).min(until).min(now)
    } else {
        until
    };
    let conditions = it.status.iter().flat_map(|status| &status.conditions);
    let mut conditions = conditions.filter(|it| it.type_ == IN_FORCE && it.status == "True");
    // Nothing comes back of what was never in force.
    let was_in_force = conditions.next().is_some();
    let restore = it.spec.restore.filter(|_| was_in_force);
    let over = restore.map_or(Duration::ZERO, |restore| restore.over.0);
    if it.metadata.deletion_timestamp.is_some() {
        Phase::Over
    } else if now < end {
        Phase::InForce(end)
    } else if now < after(end, over) {
        Phase::Restoring(end, over)
    } else {
        Phase::Over
    }
}

/// When an override ends by itself.
pub fn until(it: &ChainOverride) -> Timestamp {
    let begin = it.metadata.creation_timestamp.as_ref();
    let begin = begin.map(|begin| begin.0).unwrap_or_default();
    // As the API server keeps times.
    seconds(after(begin, it.spec.lasts.0))
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

/// Overrides, the oldest first: each takes precedence over those before it. Of two that were created in the
/// same second, the name decides.
pub fn oldest_first<'a>(
    overrides: impl IntoIterator<Item = &'a ChainOverride>,
) -> Vec<&'a ChainOverride> {
    let mut overrides: Vec<&ChainOverride> = overrides.into_iter().collect();
    overrides.sort_by_key(|it| (it.creation_timestamp().map(|time| time.0), it.name_any()));
    overrides
}

/// What overrides, the oldest first, replace of a stage's settings; and when that changes next by itself.
pub fn replaced(
    stage: &str,
    spec: &OverrideSettings,
    overrides: &[&ChainOverride],
    now: Timestamp,
) -> (BTreeMap<OverrideField, Overridden>, Option<Timestamp>) {
    let mut replaced: BTreeMap<OverrideField, Overridden> = BTreeMap::new();
    let mut changes: Vec<Timestamp> = Vec::new();
    for it in overrides.iter().filter(|it| it.names(stage)) {
        let ours = |field, value, until| Overridden {
            name: it.name_any(),
            reason: it.spec.reason.clone(),
            by: it.spec.by.clone(),
            until,
            value,
            spec: spec.get(&field).copied(),
        };
        match phase(it, now) {
            Phase::InForce(until) => {
                changes.push(until);
                for (field, value) in settings_of_override(it) {
                    if field != OverrideField::Replicas || spec.contains_key(&field) {
                        replaced.insert(field, ours(field, value, until));
                    }
                }
            }
            Phase::Restoring(since, over) => {
                let beneath = replaced.get(&OverrideField::Rate).map(|it| it.value);
                let beneath = beneath.or_else(|| spec.get(&OverrideField::Rate).copied());
                let Some(to) = beneath.and_then(OverrideValue::rate) else {
                    continue;
                };
                let Some(from) = from(it, to) else { continue };
                let steps = Steps::new(from, to, since, over);
                if let Some((rate, next)) = steps.at(now) {
                    changes.push(next);
                    let value = OverrideValue::Rate(rate);
                    let rate = ours(OverrideField::Rate, value, after(since, over));
                    replaced.insert(OverrideField::Rate, rate);
                }
            }
            Phase::Over => {}
        }
    }
    (replaced, changes.into_iter().min())
}

/// The rate that an override leaves behind, if it is below the one that comes back.
fn from(it: &ChainOverride, to: f64) -> Option<f64> {
    let limits = it.spec.rate_limits.unwrap_or_default();
    let after_pause = || to.min(BEGIN_AT_MOST) / RAISE.powi(STEPS_AFTER_A_PAUSE.cast_signed());
    let paused = (it.spec.paused == Some(true)).then(after_pause);
    let from = limits.max_dispatches_per_second.into_iter().chain(paused);
    from.min_by(f64::total_cmp).filter(|from| *from < to)
}

/// A rate that comes back in steps.
struct Steps {
    from: f64,
    to: f64,
    count: u32,
    since: Timestamp,
    over: Duration,
}

impl Steps {
    fn new(from: f64, to: f64, since: Timestamp, over: Duration) -> Self {
        let needed = (to / from).log(RAISE).ceil();
        let most = (1..MOST_STEPS).find(|count| f64::from(*count) >= needed);
        let count = most.unwrap_or(MOST_STEPS);
        Self {
            from,
            to,
            count,
            since,
            over,
        }
    }

    /// The rate now, and when the next step is; `None` after the last one.
    fn at(&self, now: Timestamp) -> Option<(f64, Timestamp)> {
        let end = |step| after(self.since, self.over * (step + 1) / self.count);
        let step = (0..self.count).find(|step| now < end(*step))?;
        let left = (self.count - step).cast_signed();
        let rate = (self.to / RAISE.powi(left)).max(self.from);
        // Cloud Tasks keeps no more digits than this of any rate that matters.
        Some(((rate * 1000.0).ceil() / 1000.0, end(step)))
    }
}

/// How long an override that is over is kept: it is the history.
const KEPT: Duration = Duration::from_hours(14 * 24);

/// Whether it has been over for so long that it is deleted.
pub fn is_forgotten(it: &ChainOverride, now: Timestamp) -> bool {
    let ended = it
        .status
        .as_ref()
        .and_then(|status| status.ended_at.as_ref());
    ended.is_some_and(|ended| now >= after(ended.0, KEPT)) && phase(it, now) == Phase::Over
}

/// Whether a status names other overrides than those that are to be in force, or other values.
pub fn overrides_differ(desired: &Desired, status: &ExecutorChainStatus) -> bool {
    desired.stages.iter().any(|stage| {
        let found = status.stages.iter().find(|it| it.name == stage.name);
        let found = found.map_or(&[][..], |found| &found.overrides[..]);
        found != stage_overrides(stage, |_, _| true)
    })
}

/// The overrides of a stage, by name, with the settings of which they are the newest: those of them that are
/// `wanted`.
pub fn stage_overrides(
    stage: &DesiredStage,
    wanted: impl Fn(OverrideField, &Overridden) -> bool,
) -> Vec<StageOverride> {
    let mut by_name: BTreeMap<&str, Vec<(OverrideField, &Overridden)>> = BTreeMap::new();
    let overridden = stage.overridden.iter();
    for (field, overridden) in overridden.filter(|(field, it)| wanted(**field, it)) {
        let settings = by_name.entry(&overridden.name).or_default();
        settings.push((*field, overridden));
    }
    let overrides = by_name.into_iter().filter_map(|(name, settings)| {
        let until = settings.iter().map(|(_, it)| it.until).max()?;
        let texts: Vec<String> = settings.iter().map(|(field, it)| it.text(*field)).collect();
        Some(StageOverride {
            name: name.to_owned(),
            until: Time(until),
            fields: settings
                .iter()
                .map(|(field, _)| field.to_string())
                .collect(),
            settings: texts.join("; "),
        })
    });
    overrides.collect()
}

/// Replaces what overrides of the chain replace.
pub fn override_stages<'a>(
    desired: &mut Desired,
    overrides: impl IntoIterator<Item = &'a ChainOverride>,
    now: Timestamp,
) {
    let chain = desired.name.clone();
    let ours = overrides.into_iter().filter(|it| it.spec.chain == chain);
    let overrides = oldest_first(ours);
    let stages = desired.stages.iter_mut().filter_map(|stage| {
        let limits = settings_of(stage.rate_limits, stage.backoff);
        let spec = with_rest(limits, stage.paused, stage.replicas);
        let (replaced, change) = replaced(&stage.name, &spec, &overrides, now);
        for (field, overridden) in &replaced {
            set(stage, *field, overridden.value);
        }
        keep_backoff_in_order(stage, &replaced);
        if stage.replicas.is_none() {
            stage.replicas = replicas_before(&stage.name, &overrides, now);
        }
        stage.overridden = replaced;
        change
    });
    desired.overrides_change = stages.min();
}

fn set(stage: &mut DesiredStage, field: OverrideField, value: OverrideValue) {
    let limits = stage.rate_limits.get_or_insert_with(RateLimits::default);
    let backoff = stage.backoff.get_or_insert_with(Backoff::default);
    match (field, value) {
        (_, OverrideValue::Rate(rate)) => limits.max_dispatches_per_second = Some(rate),
        (_, OverrideValue::Paused(paused)) => stage.paused = Some(paused),
        (OverrideField::Replicas, OverrideValue::Count(count)) => stage.replicas = Some(count),
        (OverrideField::BackoffDoublings, OverrideValue::Count(count)) => {
            backoff.max_doublings = Some(count);
        }
        (_, OverrideValue::Count(count)) => limits.max_concurrent_dispatches = Some(count),
        (OverrideField::BackoffMin, OverrideValue::Time(time)) => backoff.min = Some(time),
        (_, OverrideValue::Time(time)) => backoff.max = Some(time),
    }
}

/// What the chain said of a stage's replicas when an override began to replace them. If it says nothing any more,
/// the pods that are there are those of the override, and nobody else may set them.
fn replicas_before(stage: &str, overrides: &[&ChainOverride], now: Timestamp) -> Option<i32> {
    let mut newest = overrides.iter().rev();
    newest.find_map(|it| {
        let is_live = matches!(phase(it, now), Phase::InForce(_)) && it.spec.replicas.is_some();
        let was = it.status.iter().filter(|_| is_live && it.names(stage));
        let mut was = was.flat_map(|status| &status.was);
        was.find(|was| was.stage == stage)?.replicas
    })
}

/// Cloud Tasks refuses a backoff whose minimum is above its maximum. What is overridden stays.
fn keep_backoff_in_order(stage: &mut DesiredStage, replaced: &BTreeMap<OverrideField, Overridden>) {
    let Some(backoff) = &mut stage.backoff else {
        return;
    };
    if let (Some(min), Some(max)) = (backoff.min, backoff.max) {
        if replaced.contains_key(&OverrideField::BackoffMax)
            && !replaced.contains_key(&OverrideField::BackoffMin)
        {
            backoff.min = Some(min.min(max));
        } else {
            backoff.max = Some(max.max(min));
        }
    }
}
