//! The last minutes as a small picture.

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use crate::model::{TREND_POINTS, TrendPoint};
use crate::units;

/// The height of a picture in its own coordinates. Its width is the number of points.
const HEIGHT: f32 = 24.0;

/// The lowest top of a picture: one dispatch in a minute is not drawn like a hundred, nor a second like an
/// hour.
const LEAST_RATE: f32 = 0.2;
const LEAST_LAG: f32 = 10.0;

/// The pictures of a stage: dispatches a second, and within them those that failed; and how late the first
/// task was, if it ever was.
pub(super) fn all(points: &[TrendPoint], resolution: Duration) -> Markup {
    let fastest = highest(points, |point| point.rate);
    let latest = highest(points, |point| point.lag);
    let top = fastest.max(LEAST_RATE);
    let rate = html! {
        path.area d=(area(points, top, |point| point.rate)) {}
        path.failed d=(area(points, top, |point| point.failed)) {}
    };
    let lag = html! {
        path.late d=(area(points, latest.max(LEAST_LAG), |point| point.lag)) {}
    };
    let lag_text = units::duration(Duration::from_secs_f32(latest));
    html! {
        @if fastest > 0.0 {
            (picture(points, resolution, "rate", &units::rate(fastest.into()), &rate))
        }
        @if latest >= 1.0 {
            (picture(points, resolution, "late", &lag_text, &lag))
        }
    }
}

fn picture(
    points: &[TrendPoint],
    resolution: Duration,
    what: &str,
    highest: &str,
    paths: &Markup,
) -> Markup {
    let count = u32::try_from(points.len()).unwrap_or_default();
    let covered = units::duration(resolution * count);
    let text = format!("{what} in the last {covered}, at most {highest}");
    html! {
        figure {
            svg.spark role="img" aria-label=(text) preserveAspectRatio="none"
                viewBox=(format!("0 0 {} {HEIGHT}", TREND_POINTS - 1)) {
                title { (text) }
                (paths)
            }
            figcaption aria-hidden="true" { (what) ", " (covered) span.most { "max " (highest) } }
        }
    }
}

fn highest(points: &[TrendPoint], value: impl Fn(&TrendPoint) -> f32) -> f32 {
    // `max` of a number and NaN is the number.
    points.iter().map(value).fold(0.0, f32::max)
}

/// The area below the values: one closed path for each run of known ones. The newest is at the right edge.
#[expect(clippy::cast_precision_loss, reason = "60 points")]
fn area(points: &[TrendPoint], highest: f32, value: impl Fn(&TrendPoint) -> f32) -> String {
    let mut path = String::new();
    let mut first = TREND_POINTS.saturating_sub(points.len());
    for run in points.split(|point| value(point).is_nan()) {
        if run.iter().any(|point| value(point) > 0.0) {
            let _ = write!(path, "M{first} {HEIGHT}");
            let mut x = first as f32;
            for point in run {
                let y = HEIGHT * (1.0 - (value(point) / highest).clamp(0.0, 1.0));
                let _ = write!(path, "L{x} {y:.1}");
                x += 1.0;
            }
            // A lone point has no width of its own.
            let _ = write!(path, "L{} {HEIGHT}Z", (x - 1.0).max(first as f32 + 0.5));
        }
        first += run.len() + 1;
    }
    path
}
