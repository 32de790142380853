//! Apply: runs a plan's steps in their order. The first that fails stops the rest.

use std::future::Future;

use cloudtasks::{Error as CloudError, Queue, QueuePath};
use crds::conditions::Reason;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::core::DynamicObject;
use plan::model::gateway_resource::{GatewayResourceKind, GatewayResourceName};
use plan::{Plan, Problem, Step};

use crate::calls::Calls;
use crate::error::Error;
use crate::metrics::Metrics;

/// Where the workers of a chain live: in a cluster, or in the process of `executor-chain dev`.
pub trait Workloads: Sync {
    /// Keeps the chain until its deletion policy is carried out.
    fn add_finalizer(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Lets the chain go.
    fn remove_finalizer(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Makes or changes a Service.
    fn apply_service(&self, service: &Service) -> impl Future<Output = Result<(), Error>> + Send;
    /// Makes or changes a Deployment.
    fn apply_deployment(
        &self,
        deployment: &Deployment,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Removes a Service; it may be gone already.
    fn delete_service(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send;
    /// Removes a Deployment; it may be gone already.
    fn delete_deployment(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send;
    /// Makes or changes what is attached to a Service.
    fn attach(
        &self,
        kind: GatewayResourceKind,
        object: &DynamicObject,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Removes what is attached to a Service; it may be gone already.
    fn detach(&self, name: &GatewayResourceName) -> impl Future<Output = Result<(), Error>> + Send;
    /// Lets what is attached to a Service stay when the chain goes.
    fn release_attached(
        &self,
        name: &GatewayResourceName,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// Lets a Service stay when the chain goes.
    fn release_service(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send;
    /// Lets a Deployment stay when the chain goes.
    fn release_deployment(&self, name: &str) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Runs the steps of `plan`, and says each one in the log and in the metrics. Each is written for as
/// long as we are the leader, and no longer: by `queues` and by `workloads`. The queues that were made
/// or set, as Cloud Tasks answered.
pub async fn apply(
    plan: &Plan,
    queues: &Calls,
    workloads: &impl Workloads,
    metrics: &Metrics,
) -> Result<Vec<Queue>, Error> {
    let mut answered = Vec::new();
    for planned in &plan.steps {
        let outcome = step(&planned.step, queues, workloads).await;
        metrics.effect(&planned.step, outcome.as_ref().err());
        match &outcome {
            Ok(_) => tracing::info!(step = %planned.step, reason = planned.reason, "applied"),
            Err(error) => {
                tracing::warn!(step = %planned.step, reason = planned.reason, %error, "failed");
            }
        }
        answered.extend(outcome?);
        #[cfg(feature = "dies-after-a-step")]
        die_after_a_step();
    }
    Ok(answered)
}

/// The worst instant for a kill, for `make edits`: one step is done, and the next isn't begun.
#[cfg(feature = "dies-after-a-step")]
fn die_after_a_step() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static DONE: AtomicU32 = AtomicU32::new(0);
    let done = DONE.fetch_add(1, Ordering::SeqCst) + 1;
    let enough = std::env::var("EXECUTOR_OPERATOR_STEPS").ok();
    if enough.and_then(|steps| steps.parse().ok()) == Some(done) {
        let pid = std::process::id().to_string();
        let _ = std::process::Command::new("kill")
            .args(["-9", &pid])
            .status();
        loop {
            std::thread::park();
        }
    }
}

async fn step(
    step: &Step,
    queues: &Calls,
    workloads: &impl Workloads,
) -> Result<Option<Queue>, Error> {
    let done = match step {
        Step::AddFinalizer => workloads.add_finalizer().await,
        Step::CreateQueue { queue, settings } => {
            // One that is there after all ends the plan: it may give tasks up by itself, or be
            // another chain's. The next look tells.
            queues.create_queue(queue, settings).await?;
            return confirm(queues, queue).await.map(Some);
        }
        Step::UpdateQueue { queue, settings } => {
            return queues.update_queue(queue, settings).await.map(Some);
        }
        Step::PauseQueue { queue } => queues.pause_queue(queue).await,
        Step::ResumeQueue { queue } => queues.resume_queue(queue).await,
        Step::DeleteQueue { queue } => match queues.delete_queue(queue).await {
            Err(Error::CloudTasks(CloudError::Missing { .. })) => Ok(()),
            other => other,
        },
        Step::ApplyService(service) => workloads.apply_service(service).await,
        Step::ApplyDeployment(deployment) => workloads.apply_deployment(deployment).await,
        Step::ApplyGatewayResource { kind, object } => workloads.attach(*kind, object).await,
        Step::DeleteGatewayResource(name) => workloads.detach(name).await,
        Step::ReleaseGatewayResource(name) => workloads.release_attached(name).await,
        Step::DeleteDeployment { name } => workloads.delete_deployment(name).await,
        Step::DeleteService { name } => workloads.delete_service(name).await,
        Step::ReleaseDeployment { name } => workloads.release_deployment(name).await,
        Step::ReleaseService { name } => workloads.release_service(name).await,
        Step::RemoveFinalizer => workloads.remove_finalizer().await,
    };
    done.map(|()| None)
}

/// The name of a queue that was deleted is blocked for days, and creating it may merely seem to succeed.
async fn confirm(queues: &Calls, queue: &QueuePath) -> Result<Queue, Error> {
    match queues.get_queue(queue).await {
        Ok(found) => Ok(found),
        Err(CloudError::Missing { .. }) => {
            let message = format!(
                "Cloud Tasks said that it created {queue}, and doesn't know it now: wait some minutes; or its name is blocked, for up to 7 days, because a queue of that name was deleted: use another name"
            );
            Err(Problem::new(Reason::QueueNameBlocked, message).into())
        }
        Err(error) => Err(error.into()),
    }
}
