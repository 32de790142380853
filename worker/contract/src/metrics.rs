//! The metrics that the operator scrapes from workers.

/// All metrics of the worker begin with this and an underscore.
pub const PREFIX: &str = "executor_worker";
/// Pushes refused for their token. Prometheus' text has `_total` behind the name.
pub const PUSHES_REFUSED: &str = "pushes_refused";
/// The label of [`PUSHES_REFUSED`].
pub const REASON: &str = "reason";
/// The reason for requests that are no pushes, such as health checks on the wrong port.
pub const NOT_A_PUSH: &str = "not_a_push";
