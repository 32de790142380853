//! Whether the real results and the simulated ones agree. How far they may differ was chosen before the
//! first real run.

use crate::figure::Figure;
use crate::goodput::summary::Summary;

/// Healthy tasks done a second, as a part: what a second of a real queue differs from a simulated one
/// by late timers and by runs that end on the other side of a window's edge.
pub const GOODPUT: f64 = 0.05;
/// Latency, as a factor: a queue that gives way sums up what it can't do, so that 5 % of 750 dispatches
/// a second that are asked, 500 being made, is 15 % of how fast its delay grows, and half as much again
/// is for the last task of a hundred.
pub const P99: f64 = 1.25;
/// Latency, in milliseconds, that the simulation leaves out: a create and a dispatch to the worker, a
/// create and a dispatch of the notification, each below 1 ms on a quiet machine; timers that are 1 ms
/// late; and turns on the processors, which three chains and who measures share.
pub const P99_MS: f64 = 50.0;
/// The end of the backlog, as a part: the sum of what a queue couldn't do, as above.
pub const GONE: f64 = 0.1;
/// The end of the backlog, in seconds: it is one task's end, and the last wait of seven attempts is
/// 3.2 s.
pub const GONE_S: f64 = 3.2;

pub const WITHIN: &str = "goodput within 5 %; p99 within a factor of 1.25 and 50 ms; end of the backlog within 10 % and 3.2 s";

pub fn differences(real: &Summary, simulated: &Summary) -> Vec<String> {
    let mut found = Vec::new();
    for (place, when) in ["in the incident", "after it"].into_iter().enumerate() {
        let (a, b) = (real.goodput[place], simulated.goodput[place]);
        if (a - b).abs() > GOODPUT * b {
            found.push(format!("goodput {when} {a:.1}/s, simulated {b:.1}/s"));
        }
        let (a, b) = (real.p99[place], simulated.p99[place]);
        if a > b * P99 + P99_MS || a < b / P99 - P99_MS {
            found.push(format!("p99 {when} {a:.0} ms, simulated {b:.0} ms"));
        }
    }
    match (real.drained, simulated.drained) {
        (Some(a), Some(b)) if (a - b).abs() <= GONE * b + GONE_S => {}
        (a, b) => found.push(format!(
            "end of the backlog: {}, simulated: {}",
            seconds(a),
            seconds(b)
        )),
    }
    found
}

pub fn seconds(drained: Option<f64>) -> String {
    drained.map_or_else(
        || "never".to_owned(),
        |it| Figure::new("", it, "s").quantity(),
    )
}

pub const COMPARISONS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        Summary {
            goodput: [160.0, 200.0],
            p99: [20.0, 8000.0],
            drained: Some(20.0),
        }
    }

    #[test]
    fn what_is_near_agrees() {
        let mut real = summary();
        real.goodput = [153.0, 209.0];
        real.p99 = [70.0, 9900.0];
        real.drained = Some(25.0);
        assert!(differences(&real, &summary()).is_empty());
    }

    #[test]
    fn what_is_far_is_named() {
        let mut real = summary();
        real.goodput = [150.0, 211.0];
        real.p99 = [80.0, 6000.0];
        real.drained = None;
        let found = differences(&real, &summary());
        assert_eq!(found.len(), COMPARISONS, "{found:?}");
        assert_eq!(
            found[0],
            "goodput in the incident 150.0/s, simulated 160.0/s"
        );
    }
}
