//! Whether what happened is what was foreseen, within the limits of the goodput benchmark.

use console::{Effect, Range, Time};

use crate::figure::Figure;
use crate::forecast::reality::Reality;
use crate::goodput::agreement::{GONE, GONE_S, GOODPUT, P99, P99_MS};

/// How often it differs, and where.
pub fn figure(scene: &str, foreseen: &Effect, real: &Reality) -> Figure {
    let found = differences(foreseen, real);
    let count = found.iter().fold(0.0, |count, _| count + 1.0);
    let told = [vec![summary(foreseen, real)], found].concat().join(". ");
    let name = format!("{scene}: forecast and reality differ");
    Figure::new(name, count, "times").at_most(0.0).against(told)
}

fn summary(foreseen: &Effect, real: &Reality) -> String {
    let Range { value, least, most } = foreseen.healthy_per_second;
    let healthy = real.healthy_per_second;
    format!("healthy tasks: {value:.1}/s foreseen ({least:.1} to {most:.1}), {healthy:.1}/s real")
}

/// Reality has to be within what is foreseen, from the least to the most, widened by the limits.
pub fn differences(foreseen: &Effect, real: &Reality) -> Vec<String> {
    let mut found = Vec::new();
    let mut rate = |what: &str, range: Range, real: f64, noise: f64| {
        let Range { value, least, most } = range;
        if real > most * (1.0 + GOODPUT) + noise || real < least * (1.0 - GOODPUT) - noise {
            found.push(format!(
                "{what}: {real:.1}, foreseen {value:.1} ({least:.1} to {most:.1})"
            ));
        }
    };
    rate(
        "healthy tasks a second",
        foreseen.healthy_per_second,
        real.healthy_per_second,
        0.0,
    );
    for (stage, real) in foreseen.stages.iter().zip(&real.stages) {
        let what = format!("dispatches a second of {}", stage.stage);
        rate(
            &what,
            stage.dispatches_per_second,
            real.dispatches_per_second,
            0.0,
        );
    }
    // Of few tasks, chance makes a larger part.
    rate(
        "tasks that failed",
        foreseen.failed,
        real.failed,
        2.0 * real.failed.sqrt(),
    );
    let ms = |it: Option<f64>| it.map_or(f64::INFINITY, |it| it * 1000.0);
    let Time { value, least, most } = foreseen.healthy_p99_seconds;
    let [value, least, most] = [value, least, most].map(ms);
    let p99 = real.healthy_p99;
    if p99.is_nan() || p99 > most * P99 + P99_MS || p99 < least / P99 - P99_MS {
        found.push(format!(
            "p99: {p99:.0} ms, foreseen {value:.0} ms ({least:.0} to {most:.0})"
        ));
    }
    for (stage, real) in foreseen.stages.iter().zip(&real.stages) {
        let Time { value, least, most } = stage.backlog_gone_seconds;
        let [value, least, most, gone] =
            [value, least, most, real.backlog_gone].map(|it| it.unwrap_or(f64::INFINITY));
        if gone > most * (1.0 + GONE) + GONE_S || gone < least * (1.0 - GONE) - GONE_S {
            let name = &stage.stage;
            found.push(format!(
                "end of the backlog of {name}: {gone:.1} s, foreseen {value:.1} s ({least:.1} to {most:.1})"
            ));
        }
    }
    found
}
