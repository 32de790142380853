//! Whether every queue is there, and as the spec says.

use crds::conditions::Reason;

use super::stages::state;
use super::{Finding, list};
use crate::model::{ChainView, Concern, Plan, Problem};
use crate::objects::queue_settings;
use crate::rules::drift::drifts;

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
            format!("not there: {missing}"),
        );
    }
    if let Some(disabled) = in_state("Disabled") {
        return Finding::new(
            Some(false),
            Reason::QueueDisabled,
            format!(
                "disabled by Google, so that nothing is dispatched: {disabled}; resume the queue in the console, or see what is wrong with the project's billing and API"
            ),
        );
    }
    let pending = plan.as_ref().map(|plan| {
        let steps = plan.queue_steps().into_iter();
        let waits = plan.waits_for(Concern::Queue);
        steps.chain(waits).collect::<Vec<_>>().join("; ")
    });
    let notifier = observed.queues.get(&desired.notifier.queue);
    if let Some(holder) = notifier.and_then(|found| queue_settings::rival(desired, found)) {
        return Finding::new(
            Some(false),
            Reason::QueueOwnedByAnother,
            format!(
                "the limits of the notifier's queue {} are set by chain {holder} (cluster/namespace/name), which shares it: leave notifier.rateLimits out, write the same, or use another queue",
                desired.notifier.queue.id
            ),
        );
    }
    let drifts = drifts(view);
    match pending {
        Ok(steps) if steps.is_empty() && !drifts.is_empty() => Finding::new(
            Some(false),
            Reason::QueueChanged,
            "somebody else has changed a queue, and driftPolicy is Report: see Drifted",
        ),
        Ok(steps) if steps.is_empty() => Finding::new(
            Some(true),
            Reason::AsSpecified,
            "every queue is as the spec says",
        ),
        Ok(steps) => Finding::new(
            Some(false),
            Reason::Progressing,
            format!("still to do: {steps}"),
        ),
        Err(Problem { reason, message }) => Finding::new(Some(false), *reason, message),
    }
}
