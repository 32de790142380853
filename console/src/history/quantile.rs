//! Quantiles of a histogram.

use std::time::Duration;

/// The quantile of a histogram whose last bucket has no bound, by interpolation, as Prometheus does.
/// `None` if it counts nothing.
pub(super) fn quantile(q: f64, counts: &[f64], bounds: &[f64]) -> Option<Duration> {
    let all: f64 = counts.iter().sum();
    // Counts are estimates: a share of less than half a run is none.
    if all < 0.5 {
        return None;
    }
    let rank = q * all;
    let mut below = 0.0;
    let mut lower = 0.0;
    for (bound, count) in bounds.iter().zip(counts) {
        if below + count >= rank && *count > 0.0 {
            let share = ((rank - below) / count).clamp(0.0, 1.0);
            return Some(Duration::from_secs_f64(lower + (bound - lower) * share));
        }
        below += count;
        lower = *bound;
    }
    Some(Duration::from_secs_f64(lower))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [f64; 3] = [1.0, 2.0, 4.0];

    #[test]
    fn a_quantile_is_interpolated_in_its_bucket() {
        for (q, counts, seconds) in [
            (0.5, [10.0, 0.0, 0.0, 0.0], Some(0.5)),
            (0.5, [0.0, 10.0, 0.0, 0.0], Some(1.5)),
            (0.95, [50.0, 50.0, 0.0, 0.0], Some(1.9)),
            (0.5, [5.0, 0.0, 5.0, 0.0], Some(1.0)),
            (0.75, [5.0, 0.0, 5.0, 0.0], Some(3.0)),
            // Beyond the bounds: at least the last one.
            (0.95, [1.0, 0.0, 0.0, 9.0], Some(4.0)),
            (0.5, [0.0, 0.0, 0.0, 0.0], None),
            (0.5, [0.0, 0.4, 0.0, 0.0], None),
        ] {
            let got = quantile(q, &counts, &BOUNDS).map(|it| it.as_secs_f64());
            assert_eq!(got, seconds, "{q} of {counts:?}");
        }
    }
}
