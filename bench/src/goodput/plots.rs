//! The plots.

use crate::goodput::designs::{DesignKind, FailureMode, LOAD};
use crate::goodput::figures::bound_name;
use crate::goodput::mitigation::{AT, Mitigated, mitigated_scenario};
use crate::goodput::saturation::{SaturationPoint, curve};
use crate::plot::{Line, Mark, Plot};

/// A point for each so many tasks a second.
const STEP: u16 = 25;

/// Healthy goodput by load, with the places where each design should give way.
pub fn by_load(mode: FailureMode, points: &[(DesignKind, SaturationPoint)], seed: u64) -> Plot {
    let predicted = || points.iter().map(|(_, point)| point.predicted);
    // So that what comes after the last one is seen too; not further, since each point takes its time.
    let most = predicted().fold(LOAD, f64::max) * 1.2;
    let loads: Vec<f64> = (0..=u16::MAX / STEP)
        .map(|place| f64::from(place * STEP))
        .take_while(|load| *load < most + f64::from(STEP))
        .filter(|load| *load > 0.0)
        .collect();
    let lines = points
        .iter()
        .map(|(kind, _)| Line::new(kind.name(), curve(*kind, mode, &loads, seed)));
    let marks = points.iter().enumerate().map(|(line, (_, point))| Mark {
        at: point.predicted,
        name: format!("{:.0}/s: {}", point.predicted, bound_name(point.bound)),
        line: Some(line),
    });
    Plot {
        name: format!("load-{}", mode.word),
        title: format!(
            "Healthy goodput by load: a third of the tasks {}",
            mode.name
        ),
        across: "tasks created per second; dashed: predicted breaking point of the first queue"
            .to_owned(),
        up: "healthy tasks done per second".to_owned(),
        lines: lines.collect(),
        marks: marks.collect(),
    }
}

pub fn by_time(mode: FailureMode, all: &[Mitigated]) -> Plot {
    let lines = all
        .iter()
        .map(|edited| Line::new(edited.mitigation.name(), edited.results.iter().copied()));
    let mark = |at: f64, name: &str| Mark {
        at,
        name: name.to_owned(),
        line: None,
    };
    Plot {
        name: "edit".to_owned(),
        title: format!(
            "Healthy goodput of the ladder: a third of the tasks {}, and an edit",
            mode.name
        ),
        across: "seconds".to_owned(),
        up: "healthy tasks done per second".to_owned(),
        lines: lines.collect(),
        marks: vec![
            mark(mitigated_scenario().incident.from.as_secs_f64(), "incident"),
            mark(AT.as_secs_f64(), "edit"),
        ],
    }
}
