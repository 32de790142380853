//! How fresh the inputs of a plan must be before it is applied, and what to re-read afterwards.
//!
//! A plan is made from cached state, which may be stale. Most steps are safe then; before the others
//! the operator re-reads and plans again.

use cloudtasks::{HttpTarget, QueuePath, QueueSettings};

use crate::model::queue_headers::limits_holder;
use crate::model::{ChainView, Plan, Push, Step};
use crate::objects::queue_settings::differs_in_limits_alone;

/// How fresh the state is, the least fresh first. A step has to have a reason for less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Cached state is enough.
    Cached,
    /// The queues are re-read.
    Queues,
    /// Everything is re-read.
    All,
}

impl Freshness {
    /// What a plan needs before it is applied. `is_edited`: the chain was edited since its status was
    /// written, and a user waits for it.
    ///
    /// Limits are set by a call that names them and touches nothing else, except that a notifier's queue
    /// says beside its mark which limits its chain has set. Any other update that keeps another
    /// manager's token or header needs the queue as it is now. And pods have to be read
    /// before their stage gets other hand-overs, is pushed to, or is deleted: a pod that isn't cached
    /// may still hand tasks over, and one that is may be ready by now.
    pub fn before(plan: &Plan, view: ChainView<'_>, is_edited: bool) -> Self {
        if begins(plan, view) {
            return match view.desired.push {
                // Another chain may just have got the host.
                Push::Url => Self::Queues,
                Push::Cluster | Push::Gateway(_) => Self::Cached,
            };
        }
        let has_former = !view.removed_stages().is_empty() || !view.renamed_stages().is_empty();
        if has_former {
            return Self::All;
        }
        let pushes_otherwise = |queue: &QueuePath, settings: &QueueSettings| {
            let found = view.observed.queues.get(queue);
            let now = found.and_then(|queue| queue.http_target.as_ref());
            let how = |target: &HttpTarget| (target.address.clone(), target.token.clone());
            now.map(how) != settings.http_target.as_ref().map(how)
        };
        let is_to_be_paused = |queue: &QueuePath| {
            let mut stages = view.desired.stages.iter();
            view.desired.parking_queue() == Some(queue)
                || stages.any(|stage| stage.queue == *queue && stage.paused == Some(true))
        };
        let looks = plan.steps.iter().map(|planned| match &planned.step {
            Step::AddFinalizer => Self::Cached,
            Step::UpdateQueue { queue, settings }
                if is_edited && changes_only_limits(view, queue, settings) =>
            {
                Self::Cached
            }
            Step::UpdateQueue { queue, settings } => {
                if settings.http_target.is_some() && pushes_otherwise(queue, settings) {
                    Self::All
                } else {
                    Self::Queues
                }
            }
            Step::PauseQueue { queue } if is_to_be_paused(queue) => Self::Queues,
            Step::CreateQueue { .. }
            | Step::PauseQueue { .. }
            | Step::ResumeQueue { .. }
            | Step::DeleteQueue { .. }
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_)
            | Step::ApplyGatewayResource { .. }
            | Step::Delete(_)
            | Step::Release(_)
            | Step::RemoveFinalizer => Self::All,
        });
        looks.max().unwrap_or(Self::Cached)
    }

    /// What to re-read after a plan was applied, for the status: what the answers don't contain.
    /// Cloud Tasks answers a pause, a resume and a deletion without the queue; what is deleted in
    /// Kubernetes may exist a while longer.
    pub fn after(plan: &Plan) -> Self {
        let looks = plan.steps.iter().map(|planned| match &planned.step {
            Step::AddFinalizer
            | Step::CreateQueue { .. }
            | Step::UpdateQueue { .. }
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_) => Self::Cached,
            Step::PauseQueue { .. } | Step::ResumeQueue { .. } | Step::DeleteQueue { .. } => {
                Self::Queues
            }
            Step::ApplyGatewayResource { .. }
            | Step::Delete(_)
            | Step::Release(_)
            | Step::RemoveFinalizer => Self::All,
        });
        looks.max().unwrap_or(Self::Cached)
    }
}

/// Whether an update changes nothing else than limits, and what a queue of this chain's says of them.
fn changes_only_limits(view: ChainView<'_>, queue: &QueuePath, settings: &QueueSettings) -> bool {
    let Some(wanted) = &settings.http_target else {
        return true;
    };
    let found = view.observed.queues.get(queue);
    found.is_some_and(|found| {
        let is_ours = limits_holder(found) == Some(&view.desired.queue_owner);
        is_ours && differs_in_limits_alone(found, wanted)
    })
}

/// Whether a plan creates a new chain and touches nothing that exists: creating a queue that exists
/// fails.
///
/// A chain that has workers isn't new, even if each of its queues is: the state of its removed stages
/// has to be read.
fn begins(plan: &Plan, view: ChainView<'_>) -> bool {
    let steps = || plan.steps.iter().map(|planned| &planned.step);
    let makes = |queue: &QueuePath| {
        steps().any(|step| matches!(step, Step::CreateQueue { queue: made, .. } if made == queue))
    };
    let is_harmless = |step: &Step| match step {
        Step::AddFinalizer
        | Step::CreateQueue { .. }
        | Step::ApplyService(_)
        | Step::ApplyDeployment(_) => true,
        // A parking queue, which runs when it is created.
        Step::PauseQueue { queue } => view.desired.parking_queue() == Some(queue) && makes(queue),
        Step::UpdateQueue { .. }
        | Step::ResumeQueue { .. }
        | Step::DeleteQueue { .. }
        | Step::ApplyGatewayResource { .. }
        | Step::Delete(_)
        | Step::Release(_)
        | Step::RemoveFinalizer => false,
    };
    view.observed.deployments.is_empty()
        && steps().all(is_harmless)
        && view.desired.stages.iter().all(|stage| makes(&stage.queue))
}
