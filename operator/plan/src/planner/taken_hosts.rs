//! Queues that push to a host which another chain keeps.

use crate::model::{ChainView, Plan, Push, queue_headers};
use crate::rules::pause::{PauseCause, PauseDecision, is_paused};
use crate::rules::push_hosts::{claims, refuse_taken_host};
use crate::rules::push_target::has_ready_pod;

use super::pause_steps::{QueueNow, carry_out};

/// Of two chains that got a host at the same instant, the one that doesn't keep it pauses its queue, which
/// is new and has no worker yet. Of a chain that runs, nothing is changed.
pub(super) fn give_way(view: ChainView<'_>) -> Plan {
    let ChainView { desired, observed } = view;
    let mut plan = Plan::default();
    // A new queue under a Gateway waits for its route in any case.
    if desired.push != Push::Url {
        return plan;
    }
    for stage in &desired.stages {
        let found = observed.queues.get(&stage.queue);
        let is_ours = |owner| owner == Some(desired.queue_owner.as_str());
        let Some(found) = found.filter(|it| is_ours(queue_headers::owner(it))) else {
            continue;
        };
        let is_outside = is_paused(found) && queue_headers::pause_reason(found).is_none();
        let pushes = claims(found, stage) && !is_outside;
        if pushes && !has_ready_pod(view, stage) && refuse_taken_host(view, stage).is_err() {
            let decision = PauseDecision::Pause(PauseCause::HostTaken);
            carry_out(&mut plan, decision, &QueueNow::found(found), observed.now);
        }
    }
    plan
}
