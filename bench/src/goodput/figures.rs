//! The figures.

use simulation::saturation::Bound;

use crate::figure::{self, Figure};
use crate::goodput::agreement::{COMPARISONS, WITHIN, differences, seconds};
use crate::goodput::designs::{DesignKind, FailureMode};
use crate::goodput::mitigation::{Mitigated, Mitigation};
use crate::goodput::saturation::SaturationPoint;
use crate::goodput::summary::Summary;

/// What the designs' results say, in the order of [`DesignKind::ALL`].
pub type ByDesign = [Summary; 3];

/// The ladder's beside the others'; `how` it was found.
pub fn compared(mode: FailureMode, how: &str, all: &ByDesign) -> Vec<Figure> {
    let [single, ladder, oracle] = all;
    let beside = |value: &dyn Fn(&Summary) -> f64, unit: &str| {
        let told = [
            ("ladder", ladder),
            ("oracle", oracle),
            ("single queue", single),
        ];
        told.map(|(name, summary)| figure::labeled(name, value(summary), unit))
            .join("; ")
    };
    let mut figures = Vec::new();
    for (place, when) in ["in the incident", "after it"].into_iter().enumerate() {
        let name = |what: &str| format!("{}, {how}, {when}: {what}", mode.name);
        let goodput = |summary: &Summary| summary.goodput[place];
        let p99 = |summary: &Summary| summary.p99[place];
        let figure = Figure::new(
            name("goodput, ladder divided by oracle"),
            goodput(ladder) / goodput(oracle),
            "",
        );
        figures.push(figure.at_least(0.97).against(beside(&goodput, "/s")));
        let figure = Figure::new(
            name("p99, ladder divided by oracle"),
            p99(ladder) / p99(oracle),
            "",
        );
        figures.push(figure.at_most(2.0).against(beside(&p99, "ms")));
    }
    let name = format!("{}, {how}: until the ladder's backlog is gone", mode.name);
    let told = format!(
        "oracle: {}; single queue: {}",
        seconds(oracle.drained),
        seconds(single.drained)
    );
    // Where it never is, another figure counts the tasks.
    figures.push(Figure::or_missing(name, ladder.drained, "s").against(told));
    figures
}

/// Whether the real results are the simulated ones.
pub fn agreement(mode: FailureMode, real: &ByDesign, simulated: &ByDesign) -> Figure {
    let mut found = Vec::new();
    let mut count = 0.0;
    for (kind, (real, simulated)) in DesignKind::ALL.iter().zip(real.iter().zip(simulated)) {
        for difference in differences(real, simulated) {
            found.push(format!("{}: {difference}", kind.name()));
            count += 1.0;
        }
    }
    let told = format!("of {}: {WITHIN}", COMPARISONS * DesignKind::ALL.len());
    let told = [vec![told], found].concat().join(". ");
    let name = format!("{}: real and simulated differ", mode.name);
    Figure::new(name, count, "times").at_most(0.0).against(told)
}

pub fn saturation(points: &[(FailureMode, DesignKind, SaturationPoint)]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut farthest = 0.0_f64;
    for (mode, kind, point) in points {
        let SaturationPoint {
            simulated,
            predicted,
            bound,
        } = *point;
        farthest = farthest.max((simulated / predicted - 1.0).abs());
        let bound = bound_name(bound);
        let predicted = Figure::new("", predicted, "/s").quantity();
        let name = format!("{}: breaking point of the {}", mode.name, kind.name());
        let figure = Figure::new(name, simulated, "/s");
        figures.push(figure.against(format!("predicted: {predicted}, limited by its {bound}")));
    }
    let figure = Figure::new(
        "breaking point, largest difference from the prediction",
        farthest * 100.0,
        "%",
    );
    figures.push(figure.at_most(5.0));
    figures
}

pub fn bound_name(bound: Bound) -> &'static str {
    match bound {
        Bound::Rate => "rate",
        Bound::Concurrency => "concurrency",
    }
}

pub fn edited(mode: FailureMode, all: &[Mitigated], oracle: [f64; 2]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let rate = |value: f64| Figure::new("", value, "/s").quantity();
    for Mitigated {
        mitigation,
        goodput: [before, after],
        recovery,
        results: _,
    } in all
    {
        let name = |what: &str| format!("{}, {}: {what}", mode.name, mitigation.name());
        let told = format!("before: {}; oracle: {}", rate(*before), rate(oracle[1]));
        figures.push(Figure::new(name("goodput at the end"), *after, "/s").against(told));
        if *mitigation != Mitigation::AsItWas {
            let figure = match recovery {
                Some(seconds) => Figure::new(name("from the edit to the recovery"), *seconds, "s"),
                None => Figure::new(name("recoveries while the incident lasts"), 0.0, ""),
            };
            figures.push(figure);
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goodput::designs::HANGS;

    fn summary(goodput: f64, p99: f64) -> Summary {
        Summary {
            goodput: [goodput; 2],
            p99: [p99; 2],
            drained: Some(20.0),
        }
    }

    #[test]
    fn the_ladder_is_held_against_the_oracle() {
        let all = [
            summary(100.0, 9000.0),
            summary(160.0, 25.0),
            summary(166.0, 20.0),
        ];
        let figures = compared(HANGS, "real", &all);
        let met: Vec<Option<bool>> = figures.iter().map(|figure| figure.met).collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(met, [no, yes, no, yes, None]);
        assert_eq!(
            figures[0].against.as_deref(),
            Some("ladder: 160 /s; oracle: 166 /s; single queue: 100 /s")
        );
    }

    #[test]
    fn differences_are_counted_and_named() {
        let simulated = [
            summary(100.0, 20.0),
            summary(160.0, 20.0),
            summary(166.0, 20.0),
        ];
        assert_eq!(agreement(HANGS, &simulated, &simulated).met, Some(true));
        let mut real = simulated;
        real[2].drained = None;
        let figure = agreement(HANGS, &real, &simulated);
        assert_eq!(
            (figure.value.to_string(), figure.met),
            ("1".to_owned(), Some(false))
        );
        assert!(
            figure
                .against
                .unwrap()
                .contains("oracle: end of the backlog: never")
        );
    }
}
