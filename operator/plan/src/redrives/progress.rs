//! From what a mover says to the numbers of a status. A mover that is killed begins to count anew, so the
//! numbers follow from what is left.

use crds::{CanaryStatus, RedriveStatus};
use parking::{CanaryCounts, RedriveProgress};

/// Takes what a mover of this redrive says into its status. No number falls that was complete.
pub fn take(status: &mut RedriveStatus, told: &RedriveProgress) {
    let RedriveProgress {
        redrive: _,
        phase: _,
        remaining,
        at_least,
        moved,
        skipped,
        failed_again,
        canary,
        problem: _,
    } = told;
    let moved_now = number(*moved);
    let was_complete = status.matched.is_some() && !status.at_least;
    if let Some(remaining) = remaining {
        let (left, skipped) = (number(*remaining), number(*skipped));
        if !was_complete {
            // What it had moved before the first count that we see is meant too.
            let matched = left.saturating_add(skipped).saturating_add(moved_now);
            raise(&mut status.matched, matched);
            status.at_least = *at_least;
        }
        if !at_least {
            status.skipped = Some(skipped);
            status.failed_again = Some(number(*failed_again));
            let matched = status.matched.unwrap_or_default();
            let moved = matched.saturating_sub(left).saturating_sub(skipped);
            raise(&mut status.moved, moved.max(0));
        }
    }
    if !was_complete {
        raise(&mut status.moved, moved_now);
    }
    if let Some(counts) = canary {
        status.canary = Some(canary_status(*counts));
    }
}

fn raise(number: &mut Option<i64>, to: i64) {
    *number = (*number).max(Some(to));
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn canary_status(counts: CanaryCounts) -> CanaryStatus {
    let CanaryCounts {
        succeeded,
        failed,
        open,
    } = counts;
    CanaryStatus {
        succeeded: succeeded.into(),
        failed: failed.into(),
        open: open.into(),
    }
}
