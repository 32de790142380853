//! To which load a design holds while the incident lasts, and what it does beyond.

use std::time::Duration;

use simulation::saturation::{Bound, saturation_load};
use simulation::{Window, simulate};

use crate::goodput::designs::{DesignKind, FailureMode, scenario};

/// Nothing comes before the incident, since at a load that the first queue can't bear in normal times
/// it would begin with a backlog, and an oracle would seem to give way before it does.
const SECONDS: [u64; 3] = [0, 600, 0];
/// Late enough for a delay to have grown that grows by a hundredth.
const LATE: Window = Window {
    from: Duration::from_mins(9),
    until: Duration::from_mins(10),
};
/// For a curve, whose points need not be so exact: its second half is after all attempts of the first
/// tasks that hang.
const CURVE: [u64; 3] = [0, 300, 0];
const SECOND_HALF: Window = Window {
    from: Duration::from_secs(150),
    until: Duration::from_mins(5),
};
/// Above what chance makes of a queue that is nearly full.
const PROMPT: Duration = Duration::from_secs(1);
/// Tasks a second that each design bears, and after how many doublings none does.
const LITTLE: f64 = 10.0;
const DOUBLINGS: u32 = 7;
/// To a two-hundredth of where it gives way, or nearer.
const HALVINGS: u32 = 8;

#[derive(Debug, Clone, Copy)]
pub struct SaturationPoint {
    pub simulated: f64,
    pub predicted: f64,
    pub bound: Bound,
}

/// The load at which it gives way, and what the arithmetic says.
pub fn saturation_point(kind: DesignKind, mode: FailureMode, seed: u64) -> SaturationPoint {
    // From below: what is beyond takes long to simulate.
    let mut most = LITTLE;
    for _ in 0..DOUBLINGS {
        if !keeps_up(kind, mode, most, seed) {
            break;
        }
        most *= 2.0;
    }
    let mut least = most / 2.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(least, most);
        if keeps_up(kind, mode, middle, seed) {
            least = middle;
        } else {
            most = middle;
        }
    }
    let one = scenario(mode.fault, 1.0, SECONDS);
    let (predicted, bound) = saturation_load(&one, &kind.design(mode.timeout, 1.0));
    SaturationPoint {
        simulated: f64::midpoint(least, most),
        predicted,
        bound,
    }
}

/// Whether healthy tasks are mostly done at once when the incident has lasted for long.
fn keeps_up(kind: DesignKind, mode: FailureMode, load: f64, seed: u64) -> bool {
    let scenario = scenario(mode.fault, load, SECONDS);
    let design = kind.design(mode.timeout, 1.0);
    let results = simulate(&scenario, &scenario.tasks(seed), &design, &[]);
    let latencies = results.latencies(LATE);
    let late = latencies.iter().filter(|took| **took > PROMPT);
    late.count() * 2 < latencies.len()
}

pub fn curve(kind: DesignKind, mode: FailureMode, loads: &[f64], seed: u64) -> Vec<(f64, f64)> {
    let design = kind.design(mode.timeout, 1.0);
    let points = loads.iter().map(|load| {
        let scenario = scenario(mode.fault, *load, CURVE);
        let results = simulate(&scenario, &scenario.tasks(seed), &design, &[]);
        (*load, results.goodput(SECOND_HALF))
    });
    points.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodput::designs::HANGS_LONG;

    #[test]
    fn one_that_is_bound_by_its_slots_gives_way_near_the_prediction() {
        let point = saturation_point(DesignKind::Single, HANGS_LONG, 1);
        assert_eq!(point.bound, Bound::Concurrency);
        let off = (point.simulated / point.predicted - 1.0).abs();
        assert!(off < 0.05, "{point:?}");
    }
}
