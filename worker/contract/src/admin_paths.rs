//! The paths on the worker's admin port.

/// 200 while the process lives.
pub const LIVENESS: &str = "/healthz";
/// 200 while the worker serves pushes.
pub const READINESS: &str = "/readyz";
/// As [`READINESS`], but 503 from SIGTERM on.
pub const READINESS_OF_LOAD_BALANCER: &str = "/readyz/load-balancer";
/// The metrics in the `OpenMetrics` text format.
pub const METRICS: &str = "/metrics";
/// The categories that are isolated because they fail, as JSON.
pub const ISOLATED: &str = "/isolated";
/// How far a redrive has come, as JSON. The mover's alone.
pub const REDRIVE: &str = "/redrive";
