//! Whether every queue exists and matches the spec.

use crds::conditions::Reason;

use super::finding::{Finding, list};
use super::stages::state;
use crate::model::{ChainView, Concern, Plan, Problem};
use crate::rules::drift::drifts;
use crate::rules::notifier_limits::rival;

pub(super) fn finding(view: ChainView<'_>, plan: &Result<Plan, Problem>) -> Finding {
    let ChainView { desired, observed } = view;
    let in_state = |word: &'static str| {
        let queues = desired
            .queues()
            .filter(move |queue| state(observed.queues.get(queue)) == word);
        list(queues.map(|queue| queue.id.to_string()))
    };
    if let Some(missing) = in_state("Missing") {
        return Finding::new(
            Some(false),
            Reason::QueueMissing,
            format!("missing queues: {missing}"),
        );
    }
    if let Some(disabled) = in_state("Disabled") {
        return Finding::new(
            Some(false),
            Reason::QueueDisabled,
            format!(
                "Google has disabled these queues and dispatches nothing: {disabled}. Resume them in the console, or check the project's billing and its Cloud Tasks API"
            ),
        );
    }
    let pending = plan.as_ref().map(|plan| {
        let steps = plan.queue_steps().into_iter();
        let waits = plan.waits_for(Concern::Queue);
        steps.chain(waits).collect::<Vec<_>>().join("; ")
    });
    if let Some(holder) = rival(view) {
        return Finding::new(
            Some(false),
            Reason::QueueOwnedByAnother,
            format!(
                "the notifier's queue {} is shared with chain {holder} (cluster/namespace/name), which used it first and alone sets its limits: omit notifier.rateLimits, use the values that the queue has, or use another queue",
                desired.notifier.queue.id
            ),
        );
    }
    let drifts = drifts(view);
    match pending {
        Ok(steps) if steps.is_empty() && !drifts.is_empty() => Finding::new(
            Some(false),
            Reason::QueueChanged,
            "a queue was changed outside the operator, and driftPolicy is Report: see the condition Drifted",
        ),
        Ok(steps) if steps.is_empty() => Finding::new(
            Some(true),
            Reason::AsSpecified,
            "every queue is as the spec says",
        ),
        Ok(steps) => Finding::new(
            Some(false),
            Reason::Progressing,
            format!("pending: {steps}"),
        ),
        Err(Problem { reason, message }) => Finding::new(Some(false), *reason, message),
    }
}
