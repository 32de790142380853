//! How closely the operator has to look: before a plan is carried out, and after it.
//!
//! A plan is made from what watches and the last list of the queues have told, which may be some time
//! ago. Most of what it does harms nothing then; before the rest somebody looks, and the plan is made
//! once more.

use crate::model::{ChainView, Plan, Step};
use cloudtasks::{HttpTarget, QueuePath, QueueSettings};

/// How closely to look, the least first. A step has to have a reason for less than all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Not at all: what was told is enough.
    Cached,
    /// At the queues.
    Queues,
    /// At all that there is.
    All,
}

impl Freshness {
    /// What to look at before a plan is carried out. `is_edited`: somebody has edited the chain since
    /// its status was written, and waits for it.
    ///
    /// Limits of a queue are set by a call that names them and touches nothing else. What keeps a token
    /// or a header that somebody else set needs the queue as it is. And whoever takes pushes, hands
    /// tasks on, or is about to end has to be seen before it is told of another queue, is pushed to, or
    /// goes: a pod that isn't seen may still hand tasks on, and one that is seen may be ready by now.
    pub fn before(plan: &Plan, view: ChainView<'_>, is_edited: bool) -> Self {
        if begins(plan, view) {
            return Self::Cached;
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
            stages.any(|stage| stage.queue == *queue && stage.paused == Some(true))
        };
        let looks = plan.steps.iter().map(|planned| match &planned.step {
            Step::AddFinalizer => Self::Cached,
            Step::UpdateQueue { settings, .. } if settings.http_target.is_none() && is_edited => {
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
            | Step::DeleteGatewayResource(_)
            | Step::DeleteDeployment { .. }
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::ReleaseGatewayResource(_)
            | Step::RemoveFinalizer => Self::All,
        });
        looks.max().unwrap_or(Self::Cached)
    }

    /// What to look at after a plan was carried out, to tell what is there: all that the answers have
    /// not told. To a pause, a resume and a deletion Cloud Tasks answers with no queue; what is deleted
    /// in Kubernetes may go later.
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
            | Step::DeleteGatewayResource(_)
            | Step::DeleteDeployment { .. }
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::ReleaseGatewayResource(_)
            | Step::RemoveFinalizer => Self::All,
        });
        looks.max().unwrap_or(Self::Cached)
    }
}

/// Whether a plan makes a new chain, and touches nothing that is there: a queue that is there after
/// all refuses to be made.
///
/// A chain that has workers is none, though each of its queues be new: what its removed stages need
/// has to be seen as it is now.
fn begins(plan: &Plan, view: ChainView<'_>) -> bool {
    let steps = || plan.steps.iter().map(|planned| &planned.step);
    let makes = |queue: &QueuePath| {
        steps().any(|step| matches!(step, Step::CreateQueue { queue: made, .. } if made == queue))
    };
    let is_harmless = |step: &Step| {
        matches!(
            step,
            Step::AddFinalizer
                | Step::CreateQueue { .. }
                | Step::ApplyService(_)
                | Step::ApplyDeployment(_)
        )
    };
    view.observed.deployments.is_empty()
        && steps().all(is_harmless)
        && view.desired.stages.iter().all(|stage| makes(&stage.queue))
}
