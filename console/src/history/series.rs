//! The places of a worker's counters in an array.

use std::ops::Range;

use worker_contract::metrics::{
    ANSWER, ANSWERS, ARRIVALS, ATTEMPTS, CAUSE, CREATES_FAILED, EXPIRING, FAILED, FAILING,
    HANDED_ON, ISOLATED, LAG_SECONDS, LOOK_UPS_FAILED, NOT_PARKED, ORIGIN, OUTCOME, PARKED,
    PUT_OFF, RUN_SECONDS, SHARE, SUCCEEDED, TIMED_OUT, UNREACHABLE,
};

// What the hour before needs comes first: its slots are shorter.
pub(super) const BY_PRODUCERS: usize = 0;
/// Runs by duration. The last one is beyond all bounds.
pub(super) const RUNS: Range<usize> = 1..2 + RUN_SECONDS.len();
pub(super) const BASELINE: usize = RUNS.end;

/// Pushes by lag. The last one is beyond all bounds.
pub(super) const LAGS: Range<usize> = BASELINE..BASELINE + 1 + LAG_SECONDS.len();
const REST: usize = LAGS.end;
pub(super) const BY_HAND_OVERS: usize = REST;
pub(super) const RUNS_SUCCEEDED: usize = REST + 1;
pub(super) const RUNS_FAILED: usize = REST + 2;
pub(super) const RUNS_TIMED_OUT: usize = REST + 3;
pub(super) const RUNS_UNREACHABLE: usize = REST + 4;
pub(super) const DONE: usize = REST + 5;
pub(super) const ATTEMPT_FAILED: usize = REST + 6;
pub(super) const NOT_HANDED_ON: usize = REST + 7;
pub(super) const NOT_NOTIFIED: usize = REST + 8;
pub(super) const UNKNOWN: usize = REST + 9;
pub(super) const NO_ROOM: usize = REST + 10;
pub(super) const HELD: usize = REST + 11;
pub(super) const TOO_LARGE: usize = REST + 12;
pub(super) const TASKS_HANDED_ON: usize = REST + 13;
pub(super) const ISOLATED_FOR_SHARE: usize = REST + 14;
pub(super) const ISOLATED_FOR_FAILURES: usize = REST + 15;
pub(super) const TASKS_PUT_OFF: usize = REST + 16;
pub(super) const PUSHES_EXPIRING: usize = REST + 17;
pub(super) const CREATES: usize = REST + 18;
pub(super) const LOOK_UPS: usize = REST + 19;
pub(super) const TASKS_PARKED: usize = REST + 20;
pub(super) const TASKS_NOT_PARKED: usize = REST + 21;
pub(super) const ALL: usize = REST + 22;

/// The place of a counter. `label` gives the value of a label.
pub(super) fn place<'a>(name: &str, label: impl Fn(&str) -> Option<&'a str>) -> Option<usize> {
    Some(match name {
        ATTEMPTS => match label(OUTCOME)? {
            SUCCEEDED => RUNS_SUCCEEDED,
            FAILED => RUNS_FAILED,
            TIMED_OUT => RUNS_TIMED_OUT,
            UNREACHABLE => RUNS_UNREACHABLE,
            _ => return None,
        },
        ARRIVALS => match label(ORIGIN)? {
            "producer" => BY_PRODUCERS,
            "hand_over" => BY_HAND_OVERS,
            _ => return None,
        },
        ANSWERS => match label(ANSWER)? {
            "done" => DONE,
            "failed" => ATTEMPT_FAILED,
            "not_handed_on" => NOT_HANDED_ON,
            "not_notified" => NOT_NOTIFIED,
            "unknown" => UNKNOWN,
            "no_room" => NO_ROOM,
            "held" => HELD,
            "too_large" => TOO_LARGE,
            _ => return None,
        },
        HANDED_ON => TASKS_HANDED_ON,
        ISOLATED => match label(CAUSE)? {
            SHARE => ISOLATED_FOR_SHARE,
            FAILING => ISOLATED_FOR_FAILURES,
            _ => return None,
        },
        PUT_OFF => TASKS_PUT_OFF,
        EXPIRING => PUSHES_EXPIRING,
        CREATES_FAILED => CREATES,
        LOOK_UPS_FAILED => LOOK_UPS,
        // Whatever the cause.
        PARKED => TASKS_PARKED,
        NOT_PARKED => TASKS_NOT_PARKED,
        _ => return None,
    })
}
