//! The metrics that the operator scrapes from workers.

/// All metrics of the worker begin with this and an underscore.
pub const PREFIX: &str = "executor_worker";
/// The counter of pushes refused for their token.
pub const PUSHES_REFUSED: &str = "pushes_refused";
/// [`PUSHES_REFUSED`] as it is scraped.
pub const PUSHES_REFUSED_TOTAL: &str = "executor_worker_pushes_refused_total";
/// The label of [`PUSHES_REFUSED`].
pub const REASON: &str = "reason";
/// The reason for requests that are no pushes, such as health checks on the wrong port.
pub const NOT_A_PUSH: &str = "not_a_push";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scraped_name_has_prefix_and_suffix() {
        let name = format!("{PREFIX}_{PUSHES_REFUSED}_total");
        assert_eq!(PUSHES_REFUSED_TOTAL, name);
    }
}
