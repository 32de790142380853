//! Events on a chain: what the operator did without an edit, and what blocks the chain.

use std::time::Instant;

use crds::ExecutorChain;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Resource};
use kube_runtime::events::EventType;
use plan::model::ObjectKind;
use plan::objects::ownership::FIELD_MANAGER;
use plan::{Plan, Step};

use crate::cache::late_events::EventOfChain;
use crate::context::Context;

/// The API server's limit for the note of an Event, in bytes.
const MAX_NOTE: usize = 1024;

/// Writes an Event. A failure is only logged: in a terminating namespace no Event can be created.
pub async fn publish(
    context: &Context,
    chain: &ObjectMeta,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    write(&event(chain, type_, reason, note), context).await;
}

/// Has an Event written that nobody needs at once. No reconcile waits for it.
pub fn publish_late(
    context: &Context,
    chain: &ObjectMeta,
    type_: EventType,
    reason: &str,
    note: &str,
) {
    let event = event(chain, type_, reason, note);
    context.caches.late_events.push(event);
}

/// Writes late Events, one after the other.
pub async fn write_late_events(context: &Context) {
    let late = &context.caches.late_events;
    loop {
        let since = late.next().await;
        // One alone needs no lull.
        if late.are_many() {
            context.reconciles.lull(since).await;
        }
        if let Some(event) = late.take() {
            write(&event, context).await;
        }
    }
}

/// Writes the late Events that are left.
pub async fn write_all_events(context: &Context) {
    while let Some(event) = context.caches.late_events.take() {
        write(&event, context).await;
    }
}

/// Not by kube's recorder: it counts an Event that is like an earlier one as that one, with the first one's
/// note, and its time is that of the write.
async fn write(event: &EventOfChain, context: &Context) {
    let namespace = event.regarding.namespace.as_deref().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(context.client.clone(), namespace);
    let object = object(event);
    let parameters = PostParams::default();
    let write = api.create(&parameters, &object);
    if let Err(error) = context.write("write an Event", write).await {
        let name = event.regarding.name.as_deref().unwrap_or_default();
        tracing::warn!(chain = %format!("{namespace}/{name}"), %error, "an Event could not be written");
    }
}

fn event(chain: &ObjectMeta, type_: EventType, reason: &str, note: &str) -> EventOfChain {
    let end = note.floor_char_boundary(MAX_NOTE);
    EventOfChain {
        regarding: regarding(chain),
        type_,
        reason: reason.to_owned(),
        note: note[..end].to_owned(),
        at: Timestamp::now(),
        since: Instant::now(),
    }
}

fn object(event: &EventOfChain) -> Event {
    let EventOfChain {
        regarding,
        type_,
        reason,
        note,
        at,
        since: _,
    } = event;
    let name = regarding.name.as_deref().unwrap_or_default();
    let instance = std::env::var("HOSTNAME").unwrap_or_else(|_| FIELD_MANAGER.to_owned());
    let type_ = match type_ {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:x}", at.as_nanosecond())),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(*at)),
        note: Some(note.clone()),
        reason: Some(reason.clone()),
        regarding: Some(regarding.clone()),
        reporting_controller: Some(FIELD_MANAGER.to_owned()),
        reporting_instance: Some(instance),
        type_: Some(type_.to_owned()),
        ..Event::default()
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
