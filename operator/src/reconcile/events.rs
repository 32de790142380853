//! Events on a chain: what the operator did without an edit, and what blocks the chain.

use std::time::{Duration, Instant};

use crds::ExecutorChain;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};
use plan::model::ObjectKind;
use plan::objects::ownership::FIELD_MANAGER;
use plan::{Plan, Step};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::context::{Context, LateEvent};

/// The API server's limit for the note of an Event, in bytes.
const MAX_NOTE: usize = 1024;

/// How long an Event waits for a lull if it is one of many: the API server's time is for reconciles.
const PATIENCE: Duration = Duration::from_mins(2);

/// Writes an Event. A failure is only logged: in a terminating namespace no Event can be created.
pub async fn publish(
    context: &Context,
    chain: &ObjectMeta,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    write(&event(type_, reason, note), &regarding(chain), context).await;
}

/// Has an Event written that nobody needs at once. No reconcile waits for it.
pub fn publish_late(
    context: &Context,
    chain: &ObjectMeta,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    let late = LateEvent {
        regarding: regarding(chain),
        event: event(type_, reason, note),
        since: Instant::now(),
    };
    // It fails only after the controller has stopped.
    let _ = context.late_events.send(late);
}

/// Writes late Events, one after the other.
pub async fn write_late_events(context: &Context, mut late: UnboundedReceiver<LateEvent>) {
    while let Some(LateEvent {
        regarding,
        event,
        since,
    }) = late.recv().await
    {
        // One alone needs no lull.
        if !late.is_empty() {
            let patience = PATIENCE.saturating_sub(since.elapsed());
            context.reconciles.lull(patience).await;
        }
        write(&event, &regarding, context).await;
    }
}

async fn write(event: &Event, regarding: &ObjectReference, context: &Context) {
    // A recorder that is reused would count a second Event as the first one, with the first one's note.
    let recorder = Recorder::new(context.client.clone(), reporter());
    let write = recorder.publish(event, regarding);
    if let Err(error) = context.write("write an Event", write).await {
        let name = |it: &Option<String>| it.clone().unwrap_or_default();
        let chain = format!("{}/{}", name(&regarding.namespace), name(&regarding.name));
        tracing::warn!(%chain, %error, "an Event could not be written");
    }
}

fn event(type_: EventType, reason: &str, note: &str) -> Event {
    let end = note.floor_char_boundary(MAX_NOTE);
    Event {
        type_,
        reason: reason.into(),
        note: Some(note[..end].to_owned()),
        action: "Reconcile".into(),
        secondary: None,
    }
}

/// Writes an Event for each step that a user may wonder about.
pub async fn publish_steps(context: &Context, chain: &ObjectMeta, plan: &Plan) {
    for planned in &plan.steps {
        let reason = match &planned.step {
            Step::PauseQueue { .. } => "QueuePaused",
            Step::ResumeQueue { .. } => "QueueResumed",
            Step::DeleteQueue { .. } => "QueueDeleted",
            Step::Delete(object) if object.kind == ObjectKind::Deployment => "WorkersRemoved",
            Step::AddFinalizer
            | Step::CreateQueue { .. }
            | Step::UpdateQueue { .. }
            | Step::ApplyService(_)
            | Step::ApplyDeployment(_)
            | Step::ApplyGatewayResource { .. }
            | Step::Delete(_)
            | Step::Release(_)
            | Step::RemoveFinalizer => continue,
        };
        let note = format!("{}: {}", planned.step, planned.reason);
        publish(context, chain, EventType::Normal, reason, &note).await;
    }
}

fn reporter() -> Reporter {
    Reporter {
        controller: FIELD_MANAGER.to_owned(),
        instance: std::env::var("HOSTNAME").ok(),
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
