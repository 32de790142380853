//! The metrics that the operator scrapes from workers.
//!
//! A counter `x` is scraped as `executor_worker_x_total`, a histogram `x` of seconds as
//! `executor_worker_x_seconds_bucket`.

/// All metrics of the worker begin with this and an underscore.
pub const PREFIX: &str = "executor_worker";

/// The label of every metric for the worker's chain, `NAMESPACE/NAME`.
pub const CHAIN: &str = "chain";
/// All metrics of a mover begin with this and an underscore.
pub const MOVER_PREFIX: &str = "executor_mover";
/// The label of every metric of a mover for its redrive.
pub const REDRIVE: &str = "redrive";
/// The label of every metric for the worker's stage.
pub const STAGE: &str = "stage";

/// The counter of runs of the handler, by [`OUTCOME`].
pub const ATTEMPTS: &str = "attempts";
/// The counter of failed runs and time-outs, by [`REASON`] and [`STATUS`].
pub const FAILURES: &str = "failures";
/// The counter of answers to pushes, by [`ANSWER`].
pub const ANSWERS: &str = "answers";
/// The counter of first dispatches, by [`ORIGIN`].
pub const ARRIVALS: &str = "arrivals";
/// The counter of hand-overs to another stage.
pub const HANDED_ON: &str = "handed_on";
/// The counter of tasks that were handed over because their category is isolated, by [`CAUSE`].
pub const ISOLATED: &str = "isolated";
/// The gauge of categories that are isolated because they fail.
pub const ISOLATED_CATEGORIES: &str = "isolated_categories";
/// The gauge that is 1 while the worker holds.
pub const HOLDING: &str = "holding";
/// The counter of tasks that were put off, as their handler asked.
pub const PUT_OFF: &str = "put_off";
/// The counter of tasks that were parked, by [`CAUSE`] of their end.
pub const PARKED: &str = "parked";
/// The counter of tasks that ended without being parked, because the parking queue is gone or doesn't take
/// them.
pub const NOT_PARKED: &str = "not_parked";
/// The counter of next tasks and notifications that Cloud Tasks did not confirm.
pub const CREATES_FAILED: &str = "creates_failed";
/// The counter of lookups that Cloud Tasks did not answer.
pub const LOOK_UPS_FAILED: &str = "look_ups_failed";
/// The counter of pushes of tasks that are about to expire.
pub const EXPIRING: &str = "expiring";
/// The histogram of how late pushes arrive.
pub const LAG: &str = "lag";
/// The histogram of the duration of runs.
pub const RUN_DURATION: &str = "run_duration";
/// The gauge of runs in progress.
pub const RUNS_UNDER_WAY: &str = "runs_under_way";
/// The gauge of runs that can be in progress at once.
pub const CONCURRENCY_LIMIT: &str = "concurrency_limit";
/// The counter of pushes refused for their token, by [`REASON`].
pub const PUSHES_REFUSED: &str = "pushes_refused";
/// [`PUSHES_REFUSED`] as it is scraped.
pub const PUSHES_REFUSED_TOTAL: &str = "executor_worker_pushes_refused_total";

/// The label of [`ATTEMPTS`].
pub const OUTCOME: &str = "outcome";
/// The [`OUTCOME`] of a run that succeeded.
pub const SUCCEEDED: &str = "succeeded";
/// The [`OUTCOME`] of a run that failed.
pub const FAILED: &str = "failed";
/// The [`OUTCOME`] of a run that timed out.
pub const TIMED_OUT: &str = "timeout";
/// The [`OUTCOME`] of a run that could not start: the handler accepted no connection.
pub const UNREACHABLE: &str = "unreachable";

/// The label of [`ISOLATED`] and [`PARKED`].
pub const CAUSE: &str = "cause";
/// The [`CAUSE`] that the category holds its share of the run slots.
pub const SHARE: &str = "share";
/// The [`CAUSE`] that its runs fail.
pub const FAILING: &str = "failures";

/// The label of [`ANSWERS`].
pub const ANSWER: &str = "answer";
/// The label of [`ARRIVALS`].
pub const ORIGIN: &str = "origin";
/// The label of [`PUSHES_REFUSED`] and [`FAILURES`].
pub const REASON: &str = "reason";
/// The reason for requests that are no pushes, such as health checks on the wrong port.
pub const NOT_A_PUSH: &str = "not_a_push";
/// The label of [`FAILURES`] for the handler's status; empty if it did not answer.
pub const STATUS: &str = "status";
/// The reason of failures beyond [`MAX_FAILURES`].
pub const OTHER: &str = "other";

/// The pairs of a reason and a status that a worker counts. The handler chooses its reasons: with an ID
/// in them, each would be a new series.
pub const MAX_FAILURES: usize = 16;

/// The bounds of [`LAG`]: a push is on time, or as late as a queue that was paused for a day.
pub const LAG_SECONDS: [f64; 16] = [
    0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0, 21_600.0,
    43_200.0, 86_400.0,
];
/// The bounds of [`RUN_DURATION`]: a handler takes from a millisecond to half an hour.
pub const RUN_SECONDS: [f64; 21] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048, 4.096,
    8.192, 16.384, 32.768, 65.536, 131.072, 262.144, 524.288, 1048.576,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scraped_name_has_prefix_and_suffix() {
        let name = format!("{PREFIX}_{PUSHES_REFUSED}_total");
        assert_eq!(PUSHES_REFUSED_TOTAL, name);
    }

    #[test]
    fn bounds_rise() {
        assert!(LAG_SECONDS.is_sorted() && RUN_SECONDS.is_sorted());
    }
}
