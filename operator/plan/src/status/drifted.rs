//! What others changed on the chain's queues.

use crds::conditions as c;

use super::Finding;
use crate::model::ChainView;
use crate::rules::drift::{drifts, sentence};

pub(super) fn finding(view: ChainView<'_>) -> Finding {
    let sentence = sentence(view.desired, &drifts(view));
    let holds = sentence.is_some();
    Finding {
        kind: c::DRIFTED,
        holds: Some(holds),
        reason: if holds { c::QUEUE_CHANGED } else { c::NO_DRIFT },
        message: sentence.unwrap_or_else(|| "nobody else has changed a queue".to_owned()),
    }
}
