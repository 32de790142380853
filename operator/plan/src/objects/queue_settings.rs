//! What a queue should have, and what it lacks.

use std::time::Duration;

use cloudtasks::queue::{DEFAULT_CONCURRENT_DISPATCHES, DEFAULT_DISPATCHES_PER_SECOND};
use cloudtasks::{Address, HttpTarget, OidcToken, Queue, QueueSettings, Scheme};
use crds::{Backoff, RateLimits};
use jiff::Timestamp;

use crate::model::queue_headers::{
    DRAINED_HEADER, LIMITS_HEADER, NOBODY, NOTIFIER_HEADER, OWNER_HEADER, PARKING_HEADER,
    PAUSE_HEADER, PauseReason, TOKEN_HEADER, limits_holder, limits_set, owner,
};
use crate::model::{Desired, DesiredStage, LimitsHolder, LocationQueues, hash};
use crate::objects::replaced_settings;

/// The limits that the spec sets, on a queue that never deletes a task by itself.
///
/// Cloud Tasks silently deletes a task that exhausts its attempts, and the last attempt may never have
/// reached a worker: so the worker counts attempts, and the queue's are unlimited. While a retry
/// duration is set the attempts are not exact, so it is removed.
fn limits(
    rates: Option<RateLimits>,
    backoff: Option<Backoff>,
    http_target: Option<HttpTarget>,
) -> QueueSettings {
    let RateLimits {
        max_dispatches_per_second,
        max_concurrent_dispatches,
    } = rates.unwrap_or_default();
    let Backoff {
        min,
        max,
        max_doublings,
    } = backoff.unwrap_or_default();
    QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        max_attempts: Some(-1),
        max_retry_duration: Some(None),
        min_backoff: min.map(|time| time.0),
        max_backoff: max.map(|time| time.0),
        max_doublings,
        http_target,
    }
}

/// What every queue of a chain has, whatever its spec says.
pub fn unlimited() -> QueueSettings {
    limits(None, None, None)
}

/// What the queue of a removed stage should have: no limit of attempts, and no limit of an override.
pub fn removed_settings(found: &Queue) -> QueueSettings {
    match replaced_settings::restored(found) {
        Some((rates, backoff, target)) => limits(Some(rates), Some(backoff), Some(target)),
        None => unlimited(),
    }
}

/// What the notifier's queue should have. Its tasks carry their own URLs, and several chains may
/// share it: so it gets no address and no owner, only a mark that keeps it from becoming a stage's,
/// and that names the chain which sets its limits. Two that did would undo each other's changes.
pub fn notifier_settings(
    desired: &Desired,
    found: Option<&Queue>,
    holder: LimitsHolder<'_>,
) -> QueueSettings {
    let mut target = found_target(found);
    let before = found.map(limits_set).unwrap_or_default();
    let spec = desired.notifier.rate_limits.unwrap_or_default();
    let (sets, rates) = match holder {
        LimitsHolder::Other(_) => {
            let headers = &mut target.headers;
            let mark = headers.entry(NOTIFIER_HEADER.to_owned());
            mark.or_insert_with(|| NOBODY.to_owned());
            return limits(None, None, Some(target));
        }
        // A limit that the spec no longer has stays, as on every queue.
        LimitsHolder::Ours => (or(spec, before), spec),
        LimitsHolder::Follows => (spec, or(spec, defaults(left(before, found)))),
    };
    set(&mut target, NOTIFIER_HEADER, &desired.queue_owner);
    if sets == RateLimits::default() {
        target.headers.remove(LIMITS_HEADER);
    } else {
        let text = serde_json::to_string(&sets).expect("two numbers are JSON");
        set(&mut target, LIMITS_HEADER, &text);
    }
    limits(Some(rates), None, Some(target))
}

/// What a parking queue should have: nothing that it could push with, and no limit of attempts.
pub fn parking_settings(queue_owner: &str, found: Option<&Queue>) -> QueueSettings {
    let mut target = found_target(found);
    set(&mut target, OWNER_HEADER, queue_owner);
    set(&mut target, PARKING_HEADER, "keeps");
    set_reason(&mut target, Some(PauseReason::Parking));
    limits(None, None, Some(target))
}

/// Whether a target of a notifier's queue says something else of the limits that its chain has set, and
/// is otherwise as the queue has it.
pub fn differs_in_limits_alone(found: &Queue, wanted: &HttpTarget) -> bool {
    let mut target = found_target(Some(found));
    match wanted.headers.get(LIMITS_HEADER) {
        Some(limits) => set(&mut target, LIMITS_HEADER, limits),
        None => drop(target.headers.remove(LIMITS_HEADER)),
    }
    target == *wanted
}

/// The limits of the spec for the notifier's queue.
pub fn notifier_rates(desired: &Desired) -> QueueSettings {
    rates(desired.notifier.rate_limits.unwrap_or_default())
}

fn rates(limits: RateLimits) -> QueueSettings {
    let RateLimits {
        max_dispatches_per_second,
        max_concurrent_dispatches,
    } = limits;
    QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        ..QueueSettings::default()
    }
}

/// The limits of `first`, and those of `second` that it lacks.
fn or(first: RateLimits, second: RateLimits) -> RateLimits {
    RateLimits {
        max_dispatches_per_second: first
            .max_dispatches_per_second
            .or(second.max_dispatches_per_second),
        max_concurrent_dispatches: first
            .max_concurrent_dispatches
            .or(second.max_concurrent_dispatches),
    }
}

/// Which of these limits a queue still has.
fn left(limits: RateLimits, found: Option<&Queue>) -> RateLimits {
    let Some(found) = found else {
        return RateLimits::default();
    };
    let all = rates(limits);
    let changed = all.difference(found);
    let left = all.without(&changed);
    RateLimits {
        max_dispatches_per_second: left.max_dispatches_per_second,
        max_concurrent_dispatches: left.max_concurrent_dispatches,
    }
}

/// Cloud Tasks' defaults for these limits.
fn defaults(limits: RateLimits) -> RateLimits {
    RateLimits {
        max_dispatches_per_second: limits
            .max_dispatches_per_second
            .map(|_| DEFAULT_DISPATCHES_PER_SECOND),
        max_concurrent_dispatches: limits
            .max_concurrent_dispatches
            .map(|_| DEFAULT_CONCURRENT_DISPATCHES),
    }
}

/// The target of a notifier's queue whose limits its chain no longer sets. The limits stay until the
/// next chain follows: notifications that are left must not flood their receiver.
pub fn released_target(queue: &Queue) -> HttpTarget {
    let mut target = found_target(Some(queue));
    set(&mut target, NOTIFIER_HEADER, NOBODY);
    target
}

/// The notifier's queues whose limits a chain of this name sets.
pub fn held_queues<'a>(
    queues: &'a LocationQueues,
    queue_owner: &'a str,
) -> impl Iterator<Item = &'a Queue> {
    let is_held = move |found: &&Queue| {
        limits_holder(found) == Some(queue_owner)
            && owner(found).is_none_or(|owner| owner == queue_owner)
    };
    queues.naming(queue_owner).filter(is_held)
}

/// A hash of what the spec says of the chain's queues. Nothing that the operator itself writes there is
/// in it: a version that writes more would take limits that were set by hand for an edit in progress.
pub fn settings_hash(desired: &Desired) -> String {
    let notifier = &desired.notifier;
    let rates = notifier.rate_limits.unwrap_or_default();
    let token = desired.token();
    let token = token.map(|it| (it.service_account_email, it.audience));
    let stages = desired.stages.iter().map(|stage| {
        let Address { scheme, host, port } = &stage.address;
        let address = (*scheme == Scheme::Https, host, port);
        let rates = stage.rate_limits.unwrap_or_default();
        let backoff = stage.backoff.unwrap_or_default();
        (stage.queue.to_string(), address, rates, backoff)
    });
    let stages: Vec<_> = stages.collect();
    let all = (notifier.queue.to_string(), rates, token, stages);
    let text = serde_json::to_string(&all).expect("texts and numbers are JSON");
    match desired.parking_queue() {
        // As versions without parking made it: an upgrade is no edit.
        None => hash(&text),
        Some(parking) => hash(&format!("{text}{parking}")),
    }
}

/// What a stage's queue should have, as Cloud Tasks keeps it.
pub fn stage_settings(
    stage: &DesiredStage,
    found: Option<&Queue>,
    target: HttpTarget,
    whole_seconds: bool,
) -> QueueSettings {
    let (rates, backoff) = replaced_settings::with_restored(stage, found);
    let mut settings = limits(Some(rates), Some(backoff), Some(target));
    if whole_seconds {
        truncate(&mut settings);
    }
    settings
}

fn truncate(settings: &mut QueueSettings) {
    for backoff in [&mut settings.min_backoff, &mut settings.max_backoff] {
        *backoff = backoff.map(truncated);
    }
}

/// Whether a queue has these limits, as Cloud Tasks keeps them.
pub fn has_limits(queue: &Queue, rates: RateLimits, backoff: Backoff, whole_seconds: bool) -> bool {
    let mut settings = limits(Some(rates), Some(backoff), None);
    settings.max_attempts = None;
    settings.max_retry_duration = None;
    if whole_seconds {
        truncate(&mut settings);
    }
    settings.difference(queue).is_empty()
}

/// Whether an answer to these settings shows that Cloud Tasks keeps whole seconds only.
pub fn keeps_whole_seconds(sent: &QueueSettings, answered: &Queue) -> bool {
    let pairs = [
        (sent.min_backoff, answered.min_backoff),
        (sent.max_backoff, answered.max_backoff),
    ];
    let is_cut = |(sent, kept): (Option<Duration>, Duration)| {
        sent.is_some_and(|sent| sent != kept && truncated(sent) == kept)
    };
    pairs.into_iter().any(is_cut)
}

fn truncated(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

fn found_target(found: Option<&Queue>) -> HttpTarget {
    found
        .and_then(|queue| queue.http_target.clone())
        .unwrap_or_default()
}

fn set(target: &mut HttpTarget, header: &str, value: &str) {
    target.headers.insert(header.to_owned(), value.to_owned());
}

/// A target with the reason of a pause, or without one.
pub(crate) fn with_pause_reason(
    target: &HttpTarget,
    pause: Option<PauseReason>,
    now: Timestamp,
) -> HttpTarget {
    let mut target = target.clone();
    set_reason(&mut target, pause);
    if pause == Some(PauseReason::Drained) {
        // Since when it was for the first time.
        let before = target.headers.get(DRAINED_HEADER);
        let now = before.and_then(|it| it.parse().ok()).unwrap_or(now);
        let seconds = now.round(jiff::Unit::Second).unwrap_or(now);
        set(&mut target, DRAINED_HEADER, &seconds.to_string());
    }
    target
}

fn set_reason(target: &mut HttpTarget, pause: Option<PauseReason>) {
    match pause {
        Some(pause) => set(target, PAUSE_HEADER, pause.as_str()),
        None => drop(target.headers.remove(PAUSE_HEADER)),
    }
    if pause != Some(PauseReason::Drained) {
        target.headers.remove(DRAINED_HEADER);
    }
}

/// The target that a stage's queue should have. What `found` has there and isn't ours, such as a token,
/// a method or another header, stays.
pub fn stage_target(
    desired: &Desired,
    stage: &DesiredStage,
    found: Option<&Queue>,
    pause: Option<PauseReason>,
) -> HttpTarget {
    let mut target = found_target(found);
    target.address = Some(stage.address.clone());
    set(&mut target, OWNER_HEADER, &desired.queue_owner);
    set_reason(&mut target, pause);
    set_token(&mut target, desired.token());
    replaced_settings::write(&mut target, stage, found, false);
    target
}

/// Sets the token of the spec. Without one the operator's token is removed, and another token stays.
fn set_token(target: &mut HttpTarget, token: Option<OidcToken>) {
    let is_ours = target.headers.remove(TOKEN_HEADER).is_some();
    if token.is_some() {
        set(target, TOKEN_HEADER, "spec");
        target.token = token;
    } else if is_ours {
        target.token = None;
    }
}

/// Leaves the token of a target as it is found on the queue.
pub(crate) fn keep_token(target: &mut HttpTarget, found: &Queue) {
    let found = found_target(Some(found));
    target.token = found.token;
    target.headers.remove(TOKEN_HEADER);
    if let Some(mark) = found.headers.get(TOKEN_HEADER) {
        set(target, TOKEN_HEADER, mark);
    }
}
