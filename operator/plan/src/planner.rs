//! The order of edits: from observed to desired state, so that no task is lost on the way.

pub mod deletion;
pub mod freshness;
mod ingress;
mod parking;
mod pause_steps;
mod preconditions;
mod queues;
mod removal;
mod workers;

use crate::invariants;
use crate::model::{ChainView, Plan, Problem, Step};
use crate::objects::worker_env::RetiredQueues;
use crate::rules::gateway_api::refuse_gateway;

/// What has to be done, in order; nothing when all is as it should be.
///
/// The queues of a worker come before it, and later stages before earlier ones: it never hands a task
/// over to a queue that doesn't exist, nor to one that deletes tasks by itself. What has to wait, for
/// example for a ready pod, is among the plan's waits, not its steps.
pub fn plan(view: ChainView<'_>) -> Result<Plan, Problem> {
    let ChainView { desired, observed } = view;
    refuse_gateway(view)?;
    preconditions::refuse_foreign(view)?;
    let mut plan = Plan::default();
    if !observed.has_finalizer {
        // First of all: a chain that is deleted half-created must still pause its queues.
        plan.push(
            Step::AddFinalizer,
            "deleting the chain must pause its queues first",
        );
    }
    // What exists comes first: in an incident neither a pause, nor a lower rate, nor another image
    // waits for a queue that can't be created.
    let retired = RetiredQueues::of(view);
    let stages = || (0..desired.stages.len()).rev();
    removal::keep_tasks(&mut plan, view);
    parking::former(&mut plan, view);
    for is_there in [true, false] {
        parking::parking(&mut plan, view, is_there);
        if observed.queues.contains_key(&desired.notifier.queue) == is_there {
            queues::notifier(&mut plan, view);
        }
        if !is_there {
            // A new queue pushes as soon as it is created: its host has a route before.
            ingress::ingress(&mut plan, view, is_there);
        }
        for stage in desired.stages.iter().rev() {
            if observed.queues.contains_key(&stage.queue) == is_there {
                queues::stage_queue(&mut plan, view, stage);
            }
        }
        if is_there {
            ingress::ingress(&mut plan, view, is_there);
        }
        for index in stages() {
            if workers::needs_no_new_queue(view, index) == is_there {
                workers::workers(&mut plan, view, index, &retired);
            }
        }
    }
    queues::former_notifiers(&mut plan, view);
    removal::renamed(&mut plan, view);
    removal::removed(&mut plan, view);
    removal::services(&mut plan, view);
    removal::routes(&mut plan, view);
    removal::policies(&mut plan, view);
    debug_assert_eq!(
        invariants::broken(view, &plan),
        Vec::<String>::new(),
        "the plan violates an invariant:\n{plan}"
    );
    Ok(plan)
}
