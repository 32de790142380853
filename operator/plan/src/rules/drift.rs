//! Drift: what was changed outside the operator on a queue that matched the spec.

use std::fmt;

use cloudtasks::{QueueId, QueueSettings};
use crds::DriftPolicy;

use crate::model::{ChainView, Desired, LimitsHolder, SettingsText, queue_headers};
use crate::objects::{queue_settings, replaced_settings};
use crate::rules::notifier_limits;

/// A queue that matched the spec, and doesn't any more.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// The queue.
    pub queue: QueueId,
    /// What the spec says of the fields that differ.
    pub ours: QueueSettings,
    /// What they are; `None` where the queue was deleted.
    pub theirs: Option<QueueSettings>,
    /// Whether an override replaces some of what the spec says.
    pub is_overridden: bool,
}

impl Drift {
    /// The fields that differ, as paths of an update mask.
    pub fn fields(&self) -> Vec<&'static str> {
        self.ours.mask()
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            queue,
            ours,
            theirs,
            is_overridden,
        } = self;
        let says = if *is_overridden {
            "the spec and its overrides say"
        } else {
            "the spec says"
        };
        match theirs {
            None => write!(f, "{queue} was deleted"),
            Some(theirs) => write!(
                f,
                "{queue} has {}, {says} {}",
                SettingsText(theirs),
                SettingsText(ours)
            ),
        }
    }
}

/// A message names some queues; the others are counted.
const MOST: usize = 5;

/// The message of the condition, if there is drift.
pub fn sentence(desired: &Desired, drifts: &[Drift]) -> Option<String> {
    let named: Vec<String> = drifts.iter().take(MOST).map(ToString::to_string).collect();
    let then = match desired.drift_policy {
        DriftPolicy::Enforce => {
            "the operator restores what the spec says; if it can't, the condition Ready says why"
        }
        DriftPolicy::Report => {
            "driftPolicy is Report, so rates, concurrency and backoff stay as they are"
        }
    };
    let more = match drifts.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!drifts.is_empty()).then(|| format!("{}{more}; {then}", named.join("; ")))
}

/// What was changed outside the operator. Nothing, until the queues have matched the spec: before, a
/// difference is an edit in progress.
pub fn drifts(view: ChainView<'_>) -> Vec<Drift> {
    let ChainView { desired, observed } = view;
    if !observed.was_in_force {
        return Vec::new();
    }
    let notifier = &desired.notifier;
    let found = observed.queues.get(&notifier.queue);
    let notifier_settings = match notifier_limits::holder(view) {
        // Another chain has released it, or is gone.
        LimitsHolder::Follows => queue_settings::unlimited(),
        holder @ (LimitsHolder::Ours | LimitsHolder::Other(_)) => {
            queue_settings::notifier_settings(desired, found, holder)
        }
    };
    let stages = desired.stages.iter().filter_map(|stage| {
        let found = observed.queues.get(&stage.queue);
        let pause = found.and_then(queue_headers::pause_reason);
        let target = queue_settings::stage_target(desired, stage, found, pause);
        // An override begins or ends.
        let is_edited = found.is_some() && replaced_settings::differs(found, &target);
        let whole_seconds = observed.whole_seconds;
        let settings = queue_settings::stage_settings(stage, found, target, whole_seconds);
        (!is_edited).then_some((&stage.queue, settings))
    });
    let parking = desired.parking_queue().map(|queue| {
        let found = observed.queues.get(queue);
        let settings = queue_settings::parking_settings(&desired.queue_owner, found);
        (queue, settings)
    });
    [(&notifier.queue, notifier_settings)]
        .into_iter()
        .chain(stages)
        .chain(parking)
        .filter_map(|(path, wanted)| {
            let found = observed.queues.get(path);
            let ours = found.map_or_else(|| wanted.clone(), |found| wanted.difference(found));
            (!ours.is_empty()).then(|| Drift {
                queue: path.id.clone(),
                theirs: found.map(|found| ours.as_found(found)),
                ours,
                is_overridden: desired
                    .stages
                    .iter()
                    .any(|stage| stage.queue == *path && !stage.overridden.is_empty()),
            })
        })
        .collect()
}
