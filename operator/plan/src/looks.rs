//! How closely the operator has to look: before a plan is carried out, and after it.

use cloudtasks::QueuePath;

use crate::desired::Desired;
use crate::observed::Observed;
use crate::step::{Plan, Step};

impl Plan {
    /// Whether this makes a new chain, and touches nothing that is there: then it needs no closer look
    /// before it, since a queue that is there after all refuses to be made.
    ///
    /// A chain that has workers is none, though each of its queues be new: what its removed stages need
    /// has to be seen as it is now.
    pub fn begins(&self, desired: &Desired, observed: &Observed) -> bool {
        let steps = || self.steps.iter().map(|planned| &planned.step);
        let makes = |queue: &QueuePath| {
            steps()
                .any(|step| matches!(step, Step::CreateQueue { queue: made, .. } if made == queue))
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
        observed.deployments.is_empty()
            && steps().all(is_harmless)
            && desired.stages.iter().all(|stage| makes(&stage.queue))
    }

    /// Whether Cloud Tasks' answers tell all that the steps have done to queues: then these need not be
    /// listed after it. To a pause, a resume and a deletion it answers with no queue.
    pub fn is_answered(&self) -> bool {
        let is_silent = |step: &Step| {
            matches!(
                step,
                Step::PauseQueue { .. } | Step::ResumeQueue { .. } | Step::DeleteQueue { .. }
            )
        };
        !self.steps.iter().any(|planned| is_silent(&planned.step))
    }
}
