//! What was changed on the chain's queues outside the operator.

use crds::conditions::Reason;

use super::finding::Finding;
use crate::model::ChainView;
use crate::rules::drift::{drifts, sentence};

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let nothing = "no queue was changed outside the operator";
    match sentence(view.desired, &drifts(view)) {
        Some(sentence) => Finding::new(Some(true), Reason::QueueChanged, sentence),
        None => Finding::new(Some(false), Reason::NoDrift, nothing),
    }
}
