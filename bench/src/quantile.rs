//! Quantiles of durations.

use std::time::Duration;

/// Durations, sorted.
#[derive(Debug)]
pub struct Sample(Vec<Duration>);

impl Sample {
    pub fn new(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut durations: Vec<Duration> = durations.into_iter().collect();
        durations.sort_unstable();
        Self(durations)
    }

    /// The least that so many percent don't exceed, in milliseconds. A measured value, not one
    /// between two.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100);
        let duration = self.0.get(rank.saturating_sub(1));
        duration.map_or(f64::NAN, |it| it.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_measured_value() {
        let sample = Sample::new((1..=200).rev().map(Duration::from_millis));
        let found = [1, 50, 99, 100].map(|percent| sample.percentile(percent).to_string());
        assert_eq!(found, ["2", "100", "198", "200"]);
        let single = Sample::new([Duration::from_millis(7)]);
        let found = [50, 99].map(|percent| single.percentile(percent).to_string());
        assert_eq!(found, ["7", "7"]);
    }
}
