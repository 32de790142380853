//! Events on a chain: what the operator did that nobody edited, and what stands in its way.

use crds::ExecutorChain;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube_runtime::events::{Event, EventType, Recorder};
use plan::{Plan, Step};

use crate::context::Context;

/// The longest note that an Event may have, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Writes an Event. One that can't be written stops nothing: in a namespace that ends none can.
pub async fn publish(
    context: &Context,
    chain: &ObjectMeta,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    let end = note.floor_char_boundary(LONGEST_NOTE);
    let event = Event {
        type_,
        reason: reason.into(),
        note: Some(note[..end].to_owned()),
        action: "Reconcile".into(),
        secondary: None,
    };
    // A recorder that is kept would count a second Event as the first one's, with its text.
    let recorder = Recorder::new(context.client.clone(), context.reporter.clone());
    let regarding = regarding(chain);
    let write = recorder.publish(&event, &regarding);
    if let Err(error) = context.write("write an Event", write).await {
        tracing::warn!(%error, "an Event could not be written");
    }
}

/// Tells what was done to queues and workers that a person may wonder about.
pub async fn tell_of(context: &Context, chain: &ObjectMeta, plan: &Plan) {
    for planned in &plan.steps {
        let reason = match &planned.step {
            Step::PauseQueue { .. } => "QueuePaused",
            Step::ResumeQueue { .. } => "QueueResumed",
            Step::DeleteQueue { .. } => "QueueDeleted",
            Step::DeleteDeployment { .. } => "WorkersRemoved",
            Step::AddFinalizer
            | Step::CreateQueue { .. }
            | Step::UpdateQueue { .. }
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_)
            | Step::ApplyGatewayResource { .. }
            | Step::DeleteGatewayResource(_)
            | Step::ReleaseGatewayResource(_)
            | Step::DeleteService { .. }
            | Step::ReleaseDeployment { .. }
            | Step::ReleaseService { .. }
            | Step::RemoveFinalizer => continue,
        };
        let note = format!("{}: {}", planned.step, planned.reason);
        publish(context, chain, EventType::Normal, reason, &note).await;
    }
}

fn regarding(chain: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(ExecutorChain::api_version(&()).into_owned()),
        kind: Some(ExecutorChain::kind(&()).into_owned()),
        name: chain.name.clone(),
        namespace: chain.namespace.clone(),
        uid: chain.uid.clone(),
        resource_version: chain.resource_version.clone(),
        field_path: None,
    }
}
