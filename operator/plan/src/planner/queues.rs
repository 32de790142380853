//! The order of edits of a queue: its settings, its address, its pause.

use std::time::Duration;

use cloudtasks::{HttpTarget, Queue, QueuePath, QueueSettings, SettingKind};
use crds::DriftPolicy;

use super::pause_steps::{QueueNow, carry_out};
use crate::model::{
    ChainView, Desired, DesiredStage, LimitsHolder, Plan, Rollout, Step, TimedCondition, Wait,
    WaitReason,
};
use crate::objects::{queue_settings, replaced_settings};
use crate::rules::notifier_limits;
use crate::rules::pause::{self, is_paused};
use crate::rules::push_target::next_address;
use crate::rules::token_rotation::all_accept;

pub(super) fn notifier(plan: &mut Plan, view: ChainView<'_>) {
    let queue = &view.desired.notifier.queue;
    let holder = notifier_limits::holder(view);
    let found = view.observed.queues.get(queue);
    let wanted = queue_settings::notifier_settings(view.desired, found, holder);
    // A former holder's limits are no drift.
    let spares_limits = spares_limits(view) && holder != LimitsHolder::Follows;
    settings(plan, view, queue, wanted, spares_limits, None);
}

/// Releases the notifier's queues that the chain has used before.
pub(super) fn former_notifiers(plan: &mut Plan, view: ChainView<'_>) {
    let ChainView { desired, observed } = view;
    let held = queue_settings::held_queues(&observed.queues, &desired.queue_owner);
    for found in held.filter(|found| found.path != desired.notifier.queue) {
        plan.push(release(found), "the chain notifies through another queue");
    }
}

/// Lets another chain set the limits of a notifier's queue.
pub(super) fn release(found: &Queue) -> Step {
    Step::UpdateQueue {
        queue: found.path.clone(),
        settings: Box::new(QueueSettings {
            http_target: Some(queue_settings::released_target(found)),
            ..QueueSettings::default()
        }),
    }
}

/// Whether limits that were changed outside the operator stay.
fn spares_limits(view: ChainView<'_>) -> bool {
    view.observed.was_in_force && view.desired.drift_policy == DriftPolicy::Report
}

/// Creates the queue, or sets what differs. A raise of its limits may have to wait for so long.
fn settings(
    plan: &mut Plan,
    view: ChainView<'_>,
    path: &QueuePath,
    wanted: QueueSettings,
    spares_limits: bool,
    raise_waits: Option<(&DesiredStage, Duration)>,
) {
    let queue = path.clone();
    match view.observed.queues.get(path) {
        None => {
            let settings = Box::new(wanted);
            let step = Step::CreateQueue { queue, settings };
            plan.push(step, "the queue doesn't exist");
        }
        Some(found) => {
            let mut difference = wanted.difference(found);
            if spares_limits {
                // On the rest it depends that no task is lost.
                difference = difference.only(SettingKind::Deletion);
            }
            if let Some((stage, time)) = raise_waits {
                difference = hold_raise(plan, view.desired, stage, found, difference, time);
            }
            let settings = Box::new(difference);
            if !settings.is_empty() {
                let adopts =
                    settings.max_attempts.is_some() || settings.max_retry_duration.is_some();
                let mut stages = view.desired.stages.iter();
                let is_overridden =
                    stages.any(|stage| stage.queue == *path && !stage.overridden.is_empty());
                let reason = if adopts {
                    "the queue would delete tasks, or differs from the spec"
                } else if is_overridden {
                    "the queue differs from the spec with its overrides"
                } else {
                    "the queue differs from the spec"
                };
                plan.push(Step::UpdateQueue { queue, settings }, reason);
            }
        }
    }
}

/// The queue's settings and its pause.
pub(super) fn stage_queue(plan: &mut Plan, view: ChainView<'_>, stage: &DesiredStage) {
    let ChainView { desired, observed } = view;
    let found = observed.queues.get(&stage.queue);
    let pause = pause::of_stage(view, stage);
    let reason = pause.reason_meanwhile(found);
    let mut target = queue_settings::stage_target(desired, stage, found, reason);
    for reason in hold_target(&mut target, view, stage) {
        plan.wait(Wait::soon(reason));
    }
    let raise_waits = raise_waits(view, stage).map(|time| (stage, time));
    if raise_waits.is_some() {
        // What comes back may be held.
        replaced_settings::write(&mut target, stage, found, true);
    }
    let whole_seconds = observed.whole_seconds;
    let wanted = queue_settings::stage_settings(stage, found, target.clone(), whole_seconds);
    // An override begins or ends: that is no change from outside.
    let spares_limits = spares_limits(view) && !replaced_settings::differs(found, &target);
    settings(plan, view, &stage.queue, wanted, spares_limits, raise_waits);
    let until_gate = pause::until_gate(view, stage);
    if let Some(time) = until_gate.filter(|time| !time.is_zero()) {
        plan.recheck_after(time);
    }
    let now = QueueNow {
        queue: &stage.queue,
        is_paused: found.is_some_and(is_paused),
        target,
    };
    carry_out(plan, pause, &now, observed.now);
}

/// Removes what the queue can't have yet from a target, its address or its token; returns what that
/// waits for.
fn hold_target(
    target: &mut HttpTarget,
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> Vec<WaitReason> {
    let Some(found) = view.observed.queues.get(&stage.queue) else {
        return Vec::new();
    };
    let mut waits = Vec::new();
    let (address, obstacle) = next_address(view, stage);
    let (queue, name) = (&stage.queue.id, &stage.name);
    waits.extend(obstacle.map(|it| WaitReason::Address(queue.clone(), name.clone(), it)));
    let is_theirs = address.as_ref() == Some(&stage.address);
    target.address = address;
    if !is_theirs {
        // The workers that it pushes to now may refuse another token; both change in one update.
        queue_settings::keep_token(target, found);
    } else if !all_accept(view.observed, stage, target.token.as_ref()) {
        let is_sent = target.token.is_some();
        waits.push(WaitReason::Token(queue.clone(), name.clone(), is_sent));
        queue_settings::keep_token(target, found);
    }
    waits
}

/// How long a raise of the queue's limits still waits: replicas that are raised with them come first,
/// or pushes reach no pod. It is bounded: in an incident a pod that never gets ready must not block
/// the rest.
fn raise_waits(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let ChainView { desired, observed } = view;
    let ready = Rollout::of(observed.deployments.get(&stage.child)).ready;
    let wanted = stage.replicas.filter(|wanted| ready < *wanted)?;
    let condition = TimedCondition::ScalesUp(stage.child.clone(), wanted);
    let patience = desired.timing.replicas_patience;
    let is_edit = !observed.was_in_force && stage.paused != Some(true);
    let grows =
        observed.elapsed.contains_key(&condition) && !observed.has_elapsed(&condition, patience);
    (is_edit && grows).then(|| observed.remaining(&condition, patience))
}

/// Removes what would raise the queue's limits from `settings`.
fn hold_raise(
    plan: &mut Plan,
    desired: &Desired,
    stage: &DesiredStage,
    found: &Queue,
    settings: QueueSettings,
    recheck_in: Duration,
) -> QueueSettings {
    let held = settings.raises(found);
    let rest = settings.without(&held);
    if !held.is_empty() {
        let reason = WaitReason::Raise(
            stage.queue.id.clone(),
            Box::new(held),
            stage.name.clone(),
            stage.replicas.unwrap_or_default(),
            desired.timing.replicas_patience,
        );
        plan.wait(Wait::until(reason, recheck_in.min(Wait::RECHECK)));
    }
    rest
}
