//! What overrides replace on a stage.

use std::collections::BTreeMap;
use std::fmt;

use crds::{Backoff, ChainOverride, Duration, RateLimits, Stage};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// A setting that an override can replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OverrideField {
    /// `rateLimits.maxDispatchesPerSecond`.
    Rate,
    /// `rateLimits.maxConcurrentDispatches`.
    Concurrency,
    /// `backoff.min`.
    BackoffMin,
    /// `backoff.max`.
    BackoffMax,
    /// `backoff.maxDoublings`.
    BackoffDoublings,
    /// `paused`.
    Paused,
    /// `replicas`.
    Replicas,
}

/// The value of such a setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OverrideValue {
    /// Dispatches a second.
    Rate(f64),
    /// Dispatches, doublings or pods.
    Count(i32),
    /// Of a backoff.
    Time(Duration),
    /// Whether the queue is paused.
    Paused(bool),
}

/// Settings of a stage that can be overridden: those that are set.
pub type OverrideSettings = BTreeMap<OverrideField, OverrideValue>;

/// A setting of a stage that an override replaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Overridden {
    /// The name of the override.
    pub name: String,
    /// Why, in the words of who made it.
    pub reason: String,
    /// Who made it, if they said so.
    pub by: Option<String>,
    /// When it ends by itself.
    pub until: Timestamp,
    /// What is in force.
    pub value: OverrideValue,
    /// What the spec says, if it says something.
    pub spec: Option<OverrideValue>,
}

/// The settings of limits and of a backoff.
pub fn settings_of(limits: Option<RateLimits>, backoff: Option<Backoff>) -> OverrideSettings {
    let limits = limits.unwrap_or_default();
    let backoff = backoff.unwrap_or_default();
    let count = |count: Option<i32>| count.map(OverrideValue::Count);
    let time = |time: Option<Duration>| time.map(OverrideValue::Time);
    let rate = limits.max_dispatches_per_second.map(OverrideValue::Rate);
    let all = [
        (OverrideField::Rate, rate),
        (
            OverrideField::Concurrency,
            count(limits.max_concurrent_dispatches),
        ),
        (OverrideField::BackoffMin, time(backoff.min)),
        (OverrideField::BackoffMax, time(backoff.max)),
        (
            OverrideField::BackoffDoublings,
            count(backoff.max_doublings),
        ),
    ];
    let set = all
        .into_iter()
        .filter_map(|(field, value)| Some((field, value?)));
    set.collect()
}

/// The settings of an override.
pub fn settings_of_override(it: &ChainOverride) -> OverrideSettings {
    let spec = &it.spec;
    with_rest(
        settings_of(spec.rate_limits, spec.backoff),
        spec.paused,
        spec.replicas,
    )
}

/// What a chain's spec says of a stage.
pub fn settings_of_stage(stage: &Stage) -> OverrideSettings {
    with_rest(
        settings_of(stage.rate_limits, stage.backoff),
        stage.paused,
        stage.replicas,
    )
}

/// With a pause and replicas.
pub fn with_rest(
    mut settings: OverrideSettings,
    paused: Option<bool>,
    replicas: Option<i32>,
) -> OverrideSettings {
    let paused = paused.map(OverrideValue::Paused);
    settings.extend(paused.map(|paused| (OverrideField::Paused, paused)));
    let replicas = replicas.map(OverrideValue::Count);
    settings.extend(replicas.map(|replicas| (OverrideField::Replicas, replicas)));
    settings
}

/// The limits and the backoff among settings.
pub fn limits_of(settings: &OverrideSettings) -> (RateLimits, Backoff) {
    let get = |field| settings.get(&field).copied();
    let count = |field| match get(field)? {
        OverrideValue::Count(count) => Some(count),
        OverrideValue::Rate(_) | OverrideValue::Time(_) | OverrideValue::Paused(_) => None,
    };
    let time = |field| match get(field)? {
        OverrideValue::Time(time) => Some(time),
        OverrideValue::Rate(_) | OverrideValue::Count(_) | OverrideValue::Paused(_) => None,
    };
    let limits = RateLimits {
        max_dispatches_per_second: get(OverrideField::Rate).and_then(OverrideValue::rate),
        max_concurrent_dispatches: count(OverrideField::Concurrency),
    };
    let backoff = Backoff {
        min: time(OverrideField::BackoffMin),
        max: time(OverrideField::BackoffMax),
        max_doublings: count(OverrideField::BackoffDoublings),
    };
    (limits, backoff)
}

impl OverrideValue {
    /// Dispatches a second, if it is a rate.
    pub fn rate(self) -> Option<f64> {
        match self {
            Self::Rate(rate) => Some(rate),
            Self::Count(_) | Self::Time(_) | Self::Paused(_) => None,
        }
    }
}

impl OverrideField {
    /// A value of this setting in a few words.
    pub fn text(self, value: OverrideValue) -> String {
        match (self, value) {
            (_, OverrideValue::Rate(rate)) => format!("{rate}/s"),
            (_, OverrideValue::Paused(true)) => "paused".to_owned(),
            (_, OverrideValue::Paused(false)) => "not paused".to_owned(),
            (Self::Concurrency, OverrideValue::Count(count)) => format!("{count} at once"),
            (Self::Replicas, OverrideValue::Count(1)) => "1 replica".to_owned(),
            (Self::Replicas, OverrideValue::Count(count)) => format!("{count} replicas"),
            (_, OverrideValue::Count(count)) => format!("{self} {count}"),
            (_, OverrideValue::Time(time)) => format!("{self} {time}"),
        }
    }
}

impl fmt::Display for OverrideField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rate => "maxDispatchesPerSecond",
            Self::Concurrency => "maxConcurrentDispatches",
            Self::BackoffMin => "backoff.min",
            Self::BackoffMax => "backoff.max",
            Self::BackoffDoublings => "backoff.maxDoublings",
            Self::Paused => "paused",
            Self::Replicas => "replicas",
        })
    }
}

impl Overridden {
    /// What the spec says, and what is in force: `15/s, overridden with 5/s`.
    pub fn text(&self, field: OverrideField) -> String {
        let value = field.text(self.value);
        match self.spec {
            Some(spec) => format!("{}, overridden with {value}", field.text(spec)),
            None => format!("{field} isn't set, overridden with {value}"),
        }
    }
}

/// A time to the second, never in the future of it.
pub fn seconds(time: Timestamp) -> Timestamp {
    let to_second = TimestampRound::new().smallest(Unit::Second);
    time.round(to_second.mode(RoundMode::Trunc)).unwrap_or(time)
}
