//! The order of edits of a queue: its settings, its address, its pause.

use std::time::Duration;

use cloudtasks::{Address, HttpTarget, Queue, QueuePath, QueueSettings, QueueState};
use crds::DriftPolicy;

use crate::model::chain_view::ChainView;
use crate::model::desired::{Desired, DesiredStage};
use crate::model::observed::Observed;
use crate::model::plan::{Concern, Plan, Step, Wait};
use crate::model::queue_headers::{self, PauseReason};
use crate::model::rollout::Rollout;
use crate::model::settings_text::SettingsText;
use crate::model::timed_condition::TimedCondition;
use crate::objects::queue_settings;
use crate::objects::worker_env;
use crate::rules::hand_over_graph::can_return;
use crate::rules::push_target::has_workers;
use crate::rules::route_acceptance;
use crate::rules::token_rotation::{all_accept, token_of};

const SPEC: &str = "the spec says so";
const GATE: &str = "no worker of the stage is ready";
const SHUT: &str = "no Gateway leads pushes to the stage";
const OUR_PAUSE_ENDS: &str = "we paused it, and the reason is gone";

pub(super) fn notifier(plan: &mut Plan, view: ChainView<'_>) {
    let queue = &view.desired.notifier.queue;
    let wanted = queue_settings::notifier_settings(view.desired, view.observed.queues.get(queue));
    settings(plan, view, queue, wanted, |_, settings| settings);
}

/// Creates the queue, or sets what differs and what `holding_back` lets pass.
fn settings(
    plan: &mut Plan,
    view: ChainView<'_>,
    path: &QueuePath,
    wanted: QueueSettings,
    holding_back: impl FnOnce(&mut Plan, QueueSettings) -> QueueSettings,
) {
    let spares_limits =
        view.observed.was_in_force && view.desired.drift_policy == DriftPolicy::Report;
    let queue = path.clone();
    match view.observed.queues.get(path) {
        None => plan.push(
            Step::CreateQueue {
                queue,
                settings: Box::new(wanted),
            },
            "there is no such queue",
        ),
        Some(found) => {
            let difference = queue_settings::difference(found, &wanted);
            let difference = if spares_limits {
                queue_settings::without_limits(difference)
            } else {
                difference
            };
            let settings = Box::new(holding_back(plan, difference));
            if !settings.is_empty() {
                let adopts =
                    settings.max_attempts.is_some() || settings.max_retry_duration.is_some();
                let reason = if adopts {
                    "the queue would give tasks up by itself, or differs from the spec"
                } else {
                    "the queue differs from the spec"
                };
                plan.push(Step::UpdateQueue { queue, settings }, reason);
            }
        }
    }
}

/// The queue's settings and its pause. The reason of a pause is written before we pause and wiped
/// after we resume: if we die in between, the queue is never left paused with nobody to own it.
pub(super) fn stage_queue(plan: &mut Plan, view: ChainView<'_>, stage: &DesiredStage) {
    let ChainView { desired, observed } = view;
    let found = observed.queues.get(&stage.queue);
    let is_paused = found.is_some_and(|queue| queue.state == QueueState::Paused);
    let ours = found.and_then(queue_headers::pause_reason);
    let queue = stage.queue.clone();
    let wanted = wanted_pause(view, stage);
    // A pause that somebody else made needs no reason of ours until they lift it.
    let reason = match (is_paused, wanted) {
        (true, Some(pause)) => ours.map(|_| pause),
        (true, None) => ours,
        (false, wanted) => wanted,
    };
    let mut wanted_settings = queue_settings::stage_settings(desired, stage, found, reason);
    if let Some(target) = &mut wanted_settings.http_target {
        for why in hold_target(target, view, stage) {
            plan.wait(Wait::recheck(Concern::Queue, why));
        }
    }
    let waits = raise_waits(view, stage);
    settings(
        plan,
        view,
        &queue,
        wanted_settings,
        |plan, difference| match (waits, found) {
            (Some(wait), Some(found)) => hold_raise(plan, desired, stage, found, difference, wait),
            (None, _) | (_, None) => difference,
        },
    );
    let until_gate = until_gate(view, stage);
    if let Some(time) = until_gate.filter(|time| !time.is_zero()) {
        plan.recheck_after(time);
    }
    if let Some(pause) = wanted.filter(|_| !is_paused) {
        let reason = match pause {
            PauseReason::Gate if found.is_none() || has_ready_pod(stage, observed) => SHUT,
            PauseReason::Gate => GATE,
            PauseReason::Spec | PauseReason::Retain | PauseReason::Drained => SPEC,
        };
        plan.push(Step::PauseQueue { queue }, reason);
    }
}

/// The pause that the stage's queue should have, if one.
fn wanted_pause(view: ChainView<'_>, stage: &DesiredStage) -> Option<PauseReason> {
    match stage.paused {
        Some(true) => Some(PauseReason::Spec),
        Some(false) => None,
        None => is_gated(view, stage).then_some(PauseReason::Gate),
    }
}

/// Whether the stage has been without a ready pod for so long that its queue had better wait: each
/// push that meets nobody lengthens its task's backoff.
fn is_gated(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    until_gate(view, stage) == Some(Duration::ZERO)
}

/// How long it takes until the stage is gated, if it stays without a ready pod.
fn until_gate(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let ChainView { desired, observed } = view;
    let condition = TimedCondition::Unserved(stage.child.clone());
    let is_well = is_taken(view, stage);
    let after = desired.timing.gate_after.filter(|_| !is_well)?;
    // What a load balancer answers that has no route yet is counted as an attempt: a new queue waits.
    let is_new = !observed.queues.contains_key(&stage.queue);
    if is_new && stage.paused.is_none() && !route_acceptance::is_open(view, stage) {
        return Some(Duration::ZERO);
    }
    // Whoever says what is to be, means it.
    (stage.paused.is_none() && observed.elapsed.contains_key(&condition))
        .then(|| observed.remaining(&condition, after))
}

/// Whether a ready pod takes the queue's pushes, now or as soon as this plan has given them to the
/// stage's own workers.
fn is_taken(view: ChainView<'_>, stage: &DesiredStage) -> bool {
    let (address, _) = next_address(view, stage);
    if address.as_ref() == Some(&stage.address) {
        return has_ready_pod(stage, view.observed) && route_acceptance::is_open(view, stage);
    }
    has_workers(view, stage)
}

/// Takes out of a target what the queue can't have yet, its address or its token, and says what that
/// waits for.
fn hold_target(target: &mut HttpTarget, view: ChainView<'_>, stage: &DesiredStage) -> Vec<String> {
    let Some(found) = view.observed.queues.get(&stage.queue) else {
        return Vec::new();
    };
    let mut waits = Vec::new();
    let (address, why) = next_address(view, stage);
    waits.extend(why.map(|why| {
        format!(
            "queue {} pushes to stage {} once {why}",
            stage.queue.id, stage.name
        )
    }));
    let is_theirs = address.as_ref() == Some(&stage.address);
    target.address = address;
    if !is_theirs {
        // Whom it pushes to until then may not take another token; both change in one update.
        queue_settings::keep_token(target, found);
    } else if !all_accept(view.observed, stage, target.token.as_ref()) {
        let what = if target.token.is_some() {
            "sends the token that the spec says"
        } else {
            "sends no token any more"
        };
        waits.push(format!(
            "queue {} {what} once no worker of stage {} is left that would refuse its pushes",
            stage.queue.id, stage.name
        ));
        queue_settings::keep_token(target, found);
    }
    waits
}

fn has_ready_pod(stage: &DesiredStage, observed: &Observed) -> bool {
    Rollout::of(observed.deployments.get(&stage.child)).has_ready_pod()
}

/// Where the queue may push to now: to the stage's workers, once they are there. Else what that waits
/// for.
fn next_address(
    view: ChainView<'_>,
    stage: &DesiredStage,
) -> (Option<Address>, Option<&'static str>) {
    let ChainView { desired, observed } = view;
    let wanted = Some(stage.address.clone());
    let Some(found) = observed.queues.get(&stage.queue) else {
        return (wanted, None);
    };
    let now = found
        .http_target
        .as_ref()
        .and_then(|target| target.address.clone());
    if now == wanted {
        return (wanted, None);
    }
    let index = desired.stages.iter().position(|it| it.name == stage.name);
    let found_workers = observed.deployments.get(&stage.child);
    let mut targets = index
        .map(|index| desired.hand_over_targets(index))
        .unwrap_or_default();
    // Until they are told anew they do as they were told.
    targets.extend(
        found_workers
            .map(worker_env::hand_over_targets)
            .unwrap_or_default(),
    );
    let rollout = Rollout::of(found_workers);
    // Whoever serves the queue until now goes on until all are there who follow; not for ever, or a
    // pod that never gets ready would hold up the rest.
    let condition = TimedCondition::Incomplete(stage.child.clone());
    let has_waited = observed.has_elapsed(&condition, desired.timing.replicas_patience);
    let is_enough = rollout.is_complete() || (rollout.has_ready_pod() && has_waited);
    if !is_enough {
        (now, Some("its workers are ready"))
    } else if can_return(view, &stage.queue, &targets) {
        let why = "no former worker is left that would hand its tasks back";
        (now, Some(why))
    } else if !all_accept(observed, stage, desired.token().as_ref())
        && !all_accept(observed, stage, token_of(observed, stage))
    {
        (now, Some("its workers take the queue's token"))
    } else if !route_acceptance::may_push(view, stage) {
        // Whoever leads pushes to the workers until now goes on: a refusal may need a person.
        (now, Some("its Gateway has accepted its route"))
    } else {
        (wanted, None)
    }
}

/// How long a raise of the queue's rate has still to wait: replicas that are raised with it come
/// first, or pushes meet no pod. Not for ever: in an incident a pod that never gets ready must not
/// hold up the rest.
fn raise_waits(view: ChainView<'_>, stage: &DesiredStage) -> Option<Duration> {
    let ChainView { desired, observed } = view;
    let ready = Rollout::of(observed.deployments.get(&stage.child)).ready;
    let wanted = stage.replicas.filter(|wanted| ready < *wanted)?;
    let condition = TimedCondition::Grows(stage.child.clone(), wanted);
    let patience = desired.timing.replicas_patience;
    let is_edit = !observed.was_in_force && stage.paused != Some(true);
    let grows =
        observed.elapsed.contains_key(&condition) && !observed.has_elapsed(&condition, patience);
    (is_edit && grows).then(|| observed.remaining(&condition, patience))
}

/// Takes what would raise the queue's rate out of `settings`.
fn hold_raise(
    plan: &mut Plan,
    desired: &Desired,
    stage: &DesiredStage,
    found: &Queue,
    mut settings: QueueSettings,
    recheck_in: Duration,
) -> QueueSettings {
    let held = QueueSettings {
        max_dispatches_per_second: settings
            .max_dispatches_per_second
            .take_if(|rate| *rate > found.max_dispatches_per_second),
        max_concurrent_dispatches: settings
            .max_concurrent_dispatches
            .take_if(|dispatches| *dispatches > found.max_concurrent_dispatches),
        ..QueueSettings::default()
    };
    if !held.is_empty() {
        plan.wait(Wait {
            concerns: Concern::Queue,
            sentence: format!(
                "queue {} gets {} once stage {} has its {} workers ready, or after {} s at most",
                stage.queue.id,
                SettingsText(&held),
                stage.name,
                stage.replicas.unwrap_or_default(),
                desired.timing.replicas_patience.as_secs()
            ),
            recheck_in: Some(recheck_in.min(Wait::RECHECK)),
        });
    }
    settings
}

/// Lifts a pause that was ours, or that the spec speaks against, once somebody takes the pushes. What
/// fails elsewhere in the chain doesn't hold it up.
pub(super) fn resume(plan: &mut Plan, view: ChainView<'_>, stage: &DesiredStage) {
    let ChainView { desired, observed } = view;
    let Some(found) = observed.queues.get(&stage.queue) else {
        return;
    };
    let ours = queue_headers::pause_reason(found).is_some();
    if found.state != QueueState::Paused || wanted_pause(view, stage).is_some() {
        return;
    }
    let queue = stage.queue.clone();
    if stage.paused == Some(false) {
        plan.push(Step::ResumeQueue { queue }, SPEC);
    } else if !ours {
        return;
    } else if is_taken(view, stage) {
        plan.push(Step::ResumeQueue { queue }, OUR_PAUSE_ENDS);
    } else {
        plan.wait(Wait {
            concerns: Concern::Queue,
            sentence: format!(
                "queue {} is resumed once {} of stage {} is {}",
                queue.id,
                if has_ready_pod(stage, observed) {
                    "the route"
                } else {
                    "a worker"
                },
                stage.name,
                if has_ready_pod(stage, observed) {
                    "accepted"
                } else {
                    "ready"
                },
            ),
            recheck_in: Some(Wait::RECHECK),
        });
        return;
    }
    if ours {
        let mut target =
            queue_settings::stage_settings(desired, stage, Some(found), None).http_target;
        // What the step before has set, or left.
        if let Some(target) = &mut target {
            hold_target(target, view, stage);
        }
        wipe(plan, &stage.queue, target);
    }
}

/// Takes the reason of a pause off the queue.
pub(crate) fn wipe(plan: &mut Plan, queue: &QueuePath, http_target: Option<HttpTarget>) {
    let settings = Box::new(QueueSettings {
        http_target,
        ..QueueSettings::default()
    });
    let queue = queue.clone();
    plan.push(Step::UpdateQueue { queue, settings }, "the pause is over");
}
