//! Reports that a queue was changed outside the operator, before the operator corrects it: a metric for
//! each field, an Event, and the status.

use crds::ExecutorChain;
use crds::conditions::{ConditionType, Reason};
use kube_runtime::events::EventType;
use plan::rules::drift::sentence;
use plan::{ChainView, drifts};

use crate::reconcile::events::publish;
use crate::reconcile::findings::{Findings, PlannedState};
use crate::reconcile::observe::ServedChain;
use crate::reconcile::report::report;

/// Reports what was changed outside the operator, once: after that the status says so, until it is
/// corrected. A report that fails doesn't keep the operator from correcting it.
pub async fn report_drift(served: ServedChain<'_>, state: &PlannedState) {
    let ServedChain {
        chain,
        context,
        desired,
    } = served;
    let drifts = drifts(ChainView::new(desired, &state.observed));
    let Some(sentence) = sentence(desired, &drifts).filter(|it| !is_reported(chain, it)) else {
        return;
    };
    for drift in &drifts {
        tracing::warn!(queue = %drift.queue, %drift, "a queue was changed outside the operator");
        for field in drift.fields() {
            context.metrics.drifted(field);
        }
    }
    let (metadata, reason) = (&chain.metadata, Reason::QueueChanged.as_str());
    publish(context, metadata, EventType::Warning, reason, &sentence).await;
    let findings = Findings {
        desired: Some(desired.clone()),
        state: Some(state.clone()),
        ..Findings::default()
    };
    if let Err(error) = report(metadata, Some(chain), context, &findings).await {
        tracing::warn!(%error, "drift could not be written to the status");
    }
}

fn is_reported(chain: &ExecutorChain, sentence: &str) -> bool {
    let status = chain.status.as_ref();
    let mut conditions = status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| {
        condition.type_ == ConditionType::Drifted.as_str()
            && condition.status == "True"
            && condition.message == sentence
    })
}
