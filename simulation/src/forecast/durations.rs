//! How long runs take.

use std::time::Duration;

/// A log-normal distribution: most runs are short, some are long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Durations {
    /// The logarithm of the median, in seconds.
    median: f64,
    /// The standard deviation of the logarithm.
    spread: f64,
    /// None is longer.
    most: f64,
}

/// The 95th percentile of the normal distribution.
const P95: f64 = 1.645;
/// Where only the 95th percentile is known: it is about twice the median.
const USUAL_SPREAD: f64 = 0.45;
/// How much longer than the 95th percentile the longest are. Where failures take no time and successes
/// do, the spread of both together would give some that take for ever.
const LONGEST: f64 = 2.0;
/// Of a hundred times between median and 95th percentile.
const MOST_SPREAD: f64 = 2.8;

impl Durations {
    /// Those with this median and 95th percentile.
    pub(super) fn of(p50: Duration, p95: Duration) -> Self {
        let [p50, p95] = [p50, p95].map(|it| it.as_secs_f64().max(1e-4));
        Self {
            median: p50.ln(),
            spread: ((p95 / p50).ln() / P95).clamp(0.0, MOST_SPREAD),
            most: p95 * LONGEST,
        }
    }

    /// Those of which only the 95th percentile is known.
    pub(super) fn of_p95(p95: Duration) -> Self {
        let p95 = p95.as_secs_f64().max(1e-4);
        Self {
            median: p95.ln() - P95 * USUAL_SPREAD,
            spread: USUAL_SPREAD,
            most: p95 * LONGEST,
        }
    }

    /// How long a run takes.
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Duration {
        let seconds = (self.median + self.spread * normal(random)).exp();
        Duration::from_secs_f64(seconds.min(self.most))
    }
}

/// One of the normal distribution.
pub(super) fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_have_the_quantiles_that_are_measured() {
        let millis = Duration::from_millis;
        let durations = Durations::of(millis(20), millis(180));
        let mut random = fastrand::Rng::with_seed(1);
        let mut drawn: Vec<Duration> = (0..20_000).map(|_| durations.draw(&mut random)).collect();
        drawn.sort_unstable();
        let (p50, p95) = (drawn[10_000].as_secs_f64(), drawn[19_000].as_secs_f64());
        assert!((p50 / 0.020 - 1.0).abs() < 0.05, "{p50}");
        assert!((p95 / 0.180 - 1.0).abs() < 0.1, "{p95}");
    }
}
