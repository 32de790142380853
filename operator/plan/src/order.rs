//! The order of edits: from what is there to what should be, so that no task is lost on the way.

mod queues;
mod refuse;
mod workers;

use crate::desired::Desired;
use crate::environment::Retired;
use crate::lint;
use crate::observed::Observed;
use crate::problem::Problem;
use crate::removal;
use crate::step::{Plan, Step};

pub(crate) use queues::wipe;
pub(crate) use workers::is_applied;

/// What has to be done for `desired`, in order; nothing when all is as it should be.
///
/// Queues come before workers, and later stages before earlier ones: a worker is never told of a
/// queue that isn't there, nor of one that still gives tasks up by itself. What has to wait for
/// something, such as a pod that isn't ready yet, is among the plan's waits, and not among its steps.
pub fn plan(desired: &Desired, observed: &Observed) -> Result<Plan, Problem> {
    refuse::refuse_foreign(desired, observed)?;
    let mut plan = Plan::default();
    if !observed.has_finalizer {
        // First of all: a chain that is deleted half-made must still pause its queues.
        plan.push(
            Step::AddFinalizer,
            "deleting the chain must pause its queues first",
        );
    }
    // What is there comes first: a pause or a lower rate in an incident does not wait for a queue
    // that can't be made.
    for is_there in [true, false] {
        if observed.queues.contains_key(&desired.notifier.queue) == is_there {
            queues::notifier(&mut plan, desired, observed);
        }
        for stage in desired.stages.iter().rev() {
            if observed.queues.contains_key(&stage.queue) == is_there {
                queues::stage_queue(&mut plan, desired, stage, observed);
            }
        }
    }
    let retired = Retired::of(desired, observed);
    for (index, stage) in desired.stages.iter().enumerate().rev() {
        workers::workers(&mut plan, desired, index, stage, observed, &retired);
    }
    for stage in desired.stages.iter().rev() {
        queues::resume(&mut plan, desired, stage, observed);
    }
    removal::renamed(&mut plan, desired, observed);
    removal::removed(&mut plan, desired, observed);
    removal::services(&mut plan, desired, observed);
    debug_assert_eq!(
        lint::broken(desired, observed, &plan),
        Vec::<String>::new(),
        "the plan breaks what must always hold:\n{plan}"
    );
    Ok(plan)
}
