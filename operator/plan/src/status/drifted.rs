//! What was changed on the chain's queues outside the operator.

use crds::conditions::Reason;

use super::finding::Finding;
use crate::model::ChainView;
use crate::rules::drift::{drifts, sentence};

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let sentence = sentence(view.desired, &drifts(view));
    let holds = sentence.is_some();
    Finding::new(
        Some(holds),
        if holds {
            Reason::QueueChanged
        } else {
            Reason::NoDrift
        },
        sentence.unwrap_or_else(|| "no queue was changed outside the operator".to_owned()),
    )
}
