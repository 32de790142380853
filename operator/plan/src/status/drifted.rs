//! What others changed on the chain's queues.

use crds::DriftPolicy;
use crds::conditions as c;

use super::Finding;
use crate::desired::Desired;
use crate::drift::drifts;
use crate::observed::Observed;

/// A condition's message has room for some queues; the others are counted.
const MOST: usize = 5;

pub(super) fn finding(desired: &Desired, observed: &Observed) -> Finding {
    let drifts = drifts(desired, observed);
    let more = drifts.len().saturating_sub(MOST);
    let named: Vec<String> = drifts.iter().take(MOST).map(ToString::to_string).collect();
    let then = match desired.drift_policy {
        DriftPolicy::Enforce => "it is being put right",
        DriftPolicy::Report => "driftPolicy is Report, so rates, concurrency and backoff stay",
    };
    let (reason, message) = if named.is_empty() {
        (c::NO_DRIFT, "nobody else has changed a queue".to_owned())
    } else {
        let rest = if more == 0 {
            String::new()
        } else {
            format!(" and {more} more")
        };
        (
            c::QUEUE_CHANGED,
            format!("{}{rest}; {then}", named.join("; ")),
        )
    };
    Finding {
        kind: c::DRIFTED,
        holds: Some(!drifts.is_empty()),
        reason,
        message,
    }
}
