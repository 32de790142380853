//! Apply: runs a plan's steps in order. The first that fails stops the rest.

use cloudtasks::{Error as CloudError, Queue, QueuePath};
use crds::conditions::Reason;
use plan::{Plan, Problem, Step};

use crate::admin_client::AdminClient;
use crate::error::Error;
use crate::workloads::Workloads;

/// Runs the steps of `plan`, logs each, and passes each to `on_step`. Returns the queues that were
/// created or updated, as Cloud Tasks answered them.
pub async fn apply<W: Workloads>(
    plan: &Plan,
    queues: &AdminClient,
    workloads: &W,
    on_step: impl Fn(&Step, Option<&W::Error>),
) -> Result<Vec<Queue>, W::Error> {
    let mut answered = Vec::new();
    for planned in &plan.steps {
        let outcome = step(&planned.step, queues, workloads).await;
        match &outcome {
            Ok(_) => tracing::info!(step = %planned.step, reason = planned.reason, "applied"),
            Err(error) => {
                tracing::warn!(step = %planned.step, reason = planned.reason, %error, "failed");
            }
        }
        on_step(&planned.step, outcome.as_ref().err());
        answered.extend(outcome?);
    }
    Ok(answered)
}

async fn step<W: Workloads>(
    step: &Step,
    queues: &AdminClient,
    workloads: &W,
) -> Result<Option<Queue>, W::Error> {
    match step {
        Step::AddFinalizer => workloads.add_finalizer().await?,
        Step::CreateQueue { queue, settings } => {
            // A queue that already exists ends the plan: its settings may delete tasks, or it may be
            // another chain's. The next reconcile reads it.
            queues.create_queue(queue, settings).await?;
            return Ok(Some(confirm(queues, queue).await?));
        }
        Step::UpdateQueue { queue, settings } => {
            return Ok(Some(queues.update_queue(queue, settings).await?));
        }
        Step::PauseQueue { queue } => queues.pause_queue(queue).await?,
        Step::ResumeQueue { queue } => queues.resume_queue(queue).await?,
        Step::DeleteQueue { queue } => match queues.delete_queue(queue).await {
            Ok(()) | Err(Error::CloudTasks(CloudError::Missing { .. })) => {}
            Err(error) => return Err(error.into()),
        },
        Step::ApplyService(service) => workloads.apply_service(service).await?,
        Step::ApplyDeployment(deployment) => workloads.apply_deployment(deployment).await?,
        Step::ApplyGatewayResource { kind, object } => {
            workloads.apply_gateway_resource(*kind, object).await?;
        }
        Step::Delete(object) => workloads.delete(object).await?,
        Step::Release(object) => workloads.release(object).await?,
        Step::RemoveFinalizer => workloads.remove_finalizer().await?,
    }
    Ok(None)
}

/// The name of a deleted queue is blocked for days, and creating it can appear to succeed.
async fn confirm(queues: &AdminClient, queue: &QueuePath) -> Result<Queue, Error> {
    match queues.get_queue(queue).await {
        Ok(found) => Ok(found),
        Err(CloudError::Missing { .. }) => {
            let message = format!(
                "queue {queue} was created but doesn't exist: wait a few minutes. If it is still missing then, its name is blocked for up to 7 days because a queue of that name was deleted: use another name"
            );
            Err(Problem::new(Reason::QueueNameBlocked, message).into())
        }
        Err(error) => Err(error.into()),
    }
}
