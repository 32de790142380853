//! The last minutes as a small picture.

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, html};

use crate::model::{TREND_POINTS, TrendPoint};
use crate::units;

/// The height of a picture in its own coordinates. Its width is the number of points.
const HEIGHT: f32 = 24.0;

/// The lowest highest value: a stage with one dispatch in a minute is not drawn like one with a hundred.
const LEAST: f32 = 0.2;

/// Dispatches a second, and within them those that failed.
pub(super) fn rate(points: &[TrendPoint], resolution: Duration) -> Markup {
    let highest = highest(points, |point| point.rate);
    picture(
        points,
        resolution,
        "dispatches",
        &units::rate(highest.into()),
        &html! {
            path.area d=(area(points, highest, |point| point.rate)) {}
            path.failed d=(area(points, highest, |point| point.failed)) {}
        },
    )
}

/// How late the first task was.
pub(super) fn lag(points: &[TrendPoint], resolution: Duration) -> Markup {
    let highest = highest(points, |point| point.lag);
    let text = units::duration(Duration::from_secs_f32(highest).max(Duration::from_secs(1)));
    picture(
        points,
        resolution,
        "lateness",
        &text,
        &html! {
            path.late d=(area(points, highest.max(10.0), |point| point.lag)) {}
        },
    )
}

/// Tasks in the queue.
pub(super) fn tasks(points: &[TrendPoint], resolution: Duration) -> Markup {
    let highest = highest(points, |point| point.tasks);
    picture(
        points,
        resolution,
        "backlog",
        &units::number(highest.into()),
        &html! {
            path.area d=(area(points, highest.max(10.0), |point| point.tasks)) {}
        },
    )
}

#[expect(clippy::cast_possible_truncation, reason = "60 points")]
fn picture(
    points: &[TrendPoint],
    resolution: Duration,
    what: &str,
    highest: &str,
    paths: &Markup,
) -> Markup {
    let covered = units::duration(resolution * points.len() as u32);
    let text = format!("{what} in the last {covered}: at most {highest}");
    html! {
        svg.spark role="img" aria-label=(text) preserveAspectRatio="none"
            viewBox=(format!("0 0 {} {HEIGHT}", TREND_POINTS - 1)) {
            title { (text) }
            (paths)
        }
    }
}

fn highest(points: &[TrendPoint], value: impl Fn(&TrendPoint) -> f32) -> f32 {
    // `max` of a number and NaN is the number.
    points.iter().map(value).fold(LEAST, f32::max)
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
