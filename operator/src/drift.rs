//! Says that somebody else has changed a queue: a metric for each field, an Event, and the status,
//! before it is put right.

use crds::conditions::{DRIFTED, QUEUE_CHANGED};
use crds::{DriftPolicy, ExecutorChain};
use kube::Resource;
use kube::core::DeserializeGuard;
use kube_runtime::events::{Event, EventType};
use plan::{Desired, Drift, Observed, drifts};

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::Round;
use crate::report::report;

/// The longest note that an Event may have, in bytes.
const LONGEST_NOTE: usize = 1024;

/// Tells of what others have changed, once: the status says so from then on, until it is over.
pub async fn tell(
    chain: &ExecutorChain,
    context: &Context,
    desired: &Desired,
    observed: &Observed,
) -> Result<(), Error> {
    let drifts = drifts(desired, observed);
    if drifts.is_empty() || is_told(chain) {
        return Ok(());
    }
    for drift in &drifts {
        tracing::warn!(queue = %drift.queue, %drift, "somebody else has changed a queue");
        for field in drift.fields() {
            context.metrics.drifted(field);
        }
    }
    publish(chain, context, &drifts).await;
    if desired.drift_policy == DriftPolicy::Report {
        // The round's own report says it.
        return Ok(());
    }
    let round = Round {
        desired: Some(desired.clone()),
        observed: Some(observed.clone()),
        error: None,
    };
    report(&DeserializeGuard(Ok(chain.clone())), context, &round).await
}

fn is_told(chain: &ExecutorChain) -> bool {
    let status = chain.status.as_ref();
    let mut conditions = status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == DRIFTED && condition.status == "True")
}

/// An Event that can't be written stops nothing.
async fn publish(chain: &ExecutorChain, context: &Context, drifts: &[Drift]) {
    let sentences: Vec<String> = drifts.iter().map(ToString::to_string).collect();
    let note = sentences.join("; ");
    let end = note.floor_char_boundary(LONGEST_NOTE);
    let event = Event {
        type_: EventType::Warning,
        reason: QUEUE_CHANGED.into(),
        note: Some(note[..end].to_owned()),
        action: "Reconcile".into(),
        secondary: None,
    };
    let regarding = chain.object_ref(&());
    if let Err(error) = context.recorder.publish(&event, &regarding).await {
        tracing::warn!(%error, "an Event could not be written");
    }
}
