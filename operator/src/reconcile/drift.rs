//! Says that somebody else has changed a queue: a metric for each field, an Event, and the status,
//! before it is put right.

use crds::ExecutorChain;
use crds::conditions::{ConditionType, Reason};
use kube::core::DeserializeGuard;
use kube_runtime::events::EventType;
use plan::rules::drift::sentence;
use plan::{ChainView, Desired, Observed, drifts};

use crate::context::Context;
use crate::reconcile::events::publish;
use crate::reconcile::findings::Findings;
use crate::reconcile::report::report;

/// Tells of what others have changed, once: the status says so from then on, until it is over. That
/// it can't be told is no reason not to put it right.
pub async fn tell(
    chain: &ExecutorChain,
    context: &Context,
    desired: &Desired,
    observed: &Observed,
) {
    let drifts = drifts(ChainView::new(desired, observed));
    let Some(sentence) = sentence(desired, &drifts).filter(|it| !is_told(chain, it)) else {
        return;
    };
    for drift in &drifts {
        tracing::warn!(queue = %drift.queue, %drift, "somebody else has changed a queue");
        for field in drift.fields() {
            context.metrics.drifted(field);
        }
    }
    let metadata = &chain.metadata;
    publish(
        context,
        metadata,
        EventType::Warning,
        Reason::QueueChanged.as_str(),
        &sentence,
    )
    .await;
    let findings = Findings {
        desired: Some(desired.clone()),
        observed: Some(observed.clone()),
        error: None,
    };
    let chain = DeserializeGuard(Ok(chain.clone()));
    if let Err(error) = report(&chain, context, &findings).await {
        tracing::warn!(%error, "drift could not be told in the status");
    }
}

fn is_told(chain: &ExecutorChain, sentence: &str) -> bool {
    let status = chain.status.as_ref();
    let mut conditions = status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| {
        condition.type_ == ConditionType::Drifted.as_str()
            && condition.status == "True"
            && condition.message == sentence
    })
}
