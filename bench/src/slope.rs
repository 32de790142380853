//! How something grows: the exponent of a power, by least squares over logarithms.

/// 0 for what stays as it is, 1 for what grows as `x` does. `None` where there is no such thing: a
/// value that is 0, or fewer than two places.
pub fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let logs: Option<Vec<(f64, f64)>> = points
        .iter()
        .map(|(x, y)| (*x > 0.0 && *y > 0.0).then(|| (x.ln(), y.ln())))
        .collect();
    let logs = logs?;
    let count = logs.iter().fold(0.0, |count, _| count + 1.0);
    let mean = |part: fn(&(f64, f64)) -> f64| logs.iter().map(part).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let spread: f64 = logs.iter().map(|it| (it.0 - x).powi(2)).sum();
    let common: f64 = logs.iter().map(|it| (it.0 - x) * (it.1 - y)).sum();
    (spread > 0.0).then(|| common / spread)
}

#[cfg(test)]
mod tests {
    use super::slope;

    #[test]
    fn an_exponent_is_found() {
        let near = |points: &[(f64, f64)], wanted: f64| {
            let found = slope(points).unwrap();
            assert!((found - wanted).abs() < 1e-9, "{found}");
        };
        near(&[(1.0, 12.0), (20.0, 12.0), (200.0, 12.0)], 0.0);
        near(&[(1.0, 3.0), (20.0, 60.0), (200.0, 600.0)], 1.0);
        near(&[(1.0, 1.0), (10.0, 100.0)], 2.0);
        assert_eq!(slope(&[(1.0, 12.0)]), None);
        assert_eq!(slope(&[(1.0, 0.0), (20.0, 12.0)]), None);
    }
}
