//! What a queue should have, and what it lacks.

use cloudtasks::{HttpTarget, OidcToken, Queue, QueueSettings};
use crds::{Backoff, RateLimits};
use jiff::Timestamp;

use crate::model::queue_headers::{
    DRAINED_HEADER, NOBODY, NOTIFIER_HEADER, OWNER_HEADER, PAUSE_HEADER, PauseReason, TOKEN_HEADER,
    limits_holder,
};
use crate::model::{Desired, DesiredStage, hash};

/// A queue that never gives a task up by itself, with the limits that the spec sets.
///
/// Cloud Tasks deletes a task unsaid when its attempts are used up, and the last attempt may never
/// have reached a worker: so the budget is the worker's, and the queue's is without end. While a
/// retry duration is set the attempts are not exact, so it is taken away.
fn limits(rates: Option<RateLimits>, backoff: Option<Backoff>) -> QueueSettings {
    let RateLimits {
        max_dispatches_per_second,
        max_concurrent_dispatches,
    } = rates.unwrap_or(RateLimits {
        max_dispatches_per_second: None,
        max_concurrent_dispatches: None,
    });
    let Backoff {
        min,
        max,
        max_doublings,
    } = backoff.unwrap_or(Backoff {
        min: None,
        max: None,
        max_doublings: None,
    });
    QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        min_backoff: min.map(|time| time.0),
        max_backoff: max.map(|time| time.0),
        max_doublings,
        ..never_gives_up()
    }
}

/// What every queue of a chain has, whatever its spec says.
pub fn never_gives_up() -> QueueSettings {
    QueueSettings {
        max_attempts: Some(-1),
        max_retry_duration: Some(None),
        ..QueueSettings::default()
    }
}

/// What the notifier's queue should have. Its tasks carry their own URLs, and several chains may
/// share it: so it gets no address and no owner, only a mark that keeps it from becoming a stage's,
/// and that names the chain which sets its limits. Two that did would undo each other's work for ever.
pub fn notifier_settings(desired: &Desired, found: Option<&Queue>) -> QueueSettings {
    let rates = desired.notifier.rate_limits;
    let ours = &desired.queue_owner;
    let holder = found
        .and_then(limits_holder)
        .filter(|holder| holder != ours);
    let mark = match (holder, rates) {
        (Some(holder), _) => holder,
        (None, Some(_)) => ours,
        (None, None) => NOBODY,
    };
    let mut target = found_target(found);
    let mark = (NOTIFIER_HEADER.to_owned(), mark.to_owned());
    target.headers.extend([mark]);
    QueueSettings {
        http_target: Some(target),
        ..limits(rates.filter(|_| holder.is_none()), None)
    }
}

/// Another chain that sets the limits of the notifier's queue, to others than this one's spec says.
pub fn rival<'a>(desired: &Desired, found: &'a Queue) -> Option<&'a str> {
    let wanted = limits(desired.notifier.rate_limits, None);
    let is_other = !difference(found, &wanted).is_empty();
    limits_holder(found).filter(|holder| is_other && *holder != desired.queue_owner)
}

/// A notifier's target without the chain that set the queue's limits.
pub fn target_without_holder(queue: &Queue) -> HttpTarget {
    let mut target = found_target(Some(queue));
    let mark = (NOTIFIER_HEADER.to_owned(), NOBODY.to_owned());
    target.headers.extend([mark]);
    target
}

/// A hash of all that the spec says of the chain's queues.
pub fn settings_hash(desired: &Desired) -> String {
    let stages = desired.stages.iter();
    let stages = stages.map(|stage| {
        let target = stage_target(desired, stage, None, None);
        (&stage.queue, stage_settings(stage, target))
    });
    let notifier = &desired.notifier;
    let all: Vec<String> = [(&notifier.queue, notifier_settings(desired, None))]
        .into_iter()
        .chain(stages)
        .map(|(queue, settings)| format!("{queue} {settings:?}"))
        .collect();
    hash(&all.join("\n"))
}

/// What a stage's queue should have.
pub fn stage_settings(stage: &DesiredStage, target: HttpTarget) -> QueueSettings {
    QueueSettings {
        http_target: Some(target),
        ..limits(stage.rate_limits, stage.backoff)
    }
}

fn found_target(found: Option<&Queue>) -> HttpTarget {
    found
        .and_then(|queue| queue.http_target.clone())
        .unwrap_or_default()
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
        let since = (DRAINED_HEADER.to_owned(), seconds.to_string());
        target.headers.extend([since]);
    }
    target
}

fn set_reason(target: &mut HttpTarget, pause: Option<PauseReason>) {
    match pause {
        Some(pause) => target
            .headers
            .insert(PAUSE_HEADER.to_owned(), pause.as_str().to_owned()),
        None => target.headers.remove(PAUSE_HEADER),
    };
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
    target
        .headers
        .insert(OWNER_HEADER.to_owned(), desired.queue_owner.clone());
    set_reason(&mut target, pause);
    set_token(&mut target, desired.token());
    target
}

/// The token that the spec says; where it says none, ours goes, and somebody else's stays.
fn set_token(target: &mut HttpTarget, token: Option<OidcToken>) {
    let is_ours = target.headers.remove(TOKEN_HEADER).is_some();
    if token.is_some() {
        target
            .headers
            .insert(TOKEN_HEADER.to_owned(), "spec".to_owned());
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
    let mark = found
        .headers
        .into_iter()
        .find(|(name, _)| name == TOKEN_HEADER);
    target.headers.extend(mark);
}

/// What has to be set so that `queue` has all of `wanted`: nothing else is touched or sent.
pub fn difference(queue: &Queue, wanted: &QueueSettings) -> QueueSettings {
    let QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        max_attempts,
        max_retry_duration,
        min_backoff,
        max_backoff,
        max_doublings,
        http_target,
    } = wanted;
    let nothing = HttpTarget::default();
    let target = queue.http_target.as_ref().unwrap_or(&nothing);
    QueueSettings {
        max_dispatches_per_second: max_dispatches_per_second
            .filter(|rate| !same_rate(*rate, queue.max_dispatches_per_second)),
        max_concurrent_dispatches: max_concurrent_dispatches
            .filter(|dispatches| *dispatches != queue.max_concurrent_dispatches),
        max_attempts: max_attempts.filter(|attempts| *attempts != queue.max_attempts),
        max_retry_duration: max_retry_duration.filter(|limit| *limit != queue.max_retry_duration),
        min_backoff: min_backoff.filter(|time| *time != queue.min_backoff),
        max_backoff: max_backoff.filter(|time| *time != queue.max_backoff),
        max_doublings: max_doublings.filter(|doublings| *doublings != queue.max_doublings),
        http_target: http_target.clone().filter(|wanted| wanted != target),
    }
}

/// What `queue` has of the fields that are set in `fields`.
pub fn as_found(queue: &Queue, fields: &QueueSettings) -> QueueSettings {
    let QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        max_attempts,
        max_retry_duration,
        min_backoff,
        max_backoff,
        max_doublings,
        http_target,
    } = fields;
    let target = || queue.http_target.clone().unwrap_or_default();
    QueueSettings {
        max_dispatches_per_second: max_dispatches_per_second
            .map(|_| queue.max_dispatches_per_second),
        max_concurrent_dispatches: max_concurrent_dispatches
            .map(|_| queue.max_concurrent_dispatches),
        max_attempts: max_attempts.map(|_| queue.max_attempts),
        max_retry_duration: max_retry_duration.map(|_| queue.max_retry_duration),
        min_backoff: min_backoff.map(|_| queue.min_backoff),
        max_backoff: max_backoff.map(|_| queue.max_backoff),
        max_doublings: max_doublings.map(|_| queue.max_doublings),
        http_target: http_target.as_ref().map(|_| target()),
    }
}

/// What has to be put right although drift is only to be shown: on these rests that no task is lost.
pub fn without_limits(settings: QueueSettings) -> QueueSettings {
    QueueSettings {
        max_attempts: settings.max_attempts,
        max_retry_duration: settings.max_retry_duration,
        http_target: settings.http_target,
        ..QueueSettings::default()
    }
}

/// Rates go over the wire as doubles, unchanged; a billionth is below anything that matters.
fn same_rate(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}
