//! The plots.

use crate::goodput::designs::{Kind, LOAD, Trouble};
use crate::goodput::edit::{AT, Edited, the_scene};
use crate::goodput::figures::bound_name;
use crate::goodput::holds::{Point, curve};
use crate::plot::{Line, Mark, Plot};

/// A point for each so many tasks a second.
const STEP: u16 = 25;

/// Healthy goodput by load, with the places where each design should give way.
pub fn by_load(trouble: Trouble, points: &[(Kind, Point)], seed: u64) -> Plot {
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
        .map(|(kind, _)| Line::new(kind.name(), curve(*kind, trouble, &loads, seed)));
    let marks = points.iter().enumerate().map(|(line, (_, point))| Mark {
        at: point.predicted,
        name: format!("{:.0}/s: {}", point.predicted, bound_name(point.bound)),
        line: Some(line),
    });
    Plot {
        name: format!("load-{}", trouble.word),
        title: format!(
            "Healthy goodput by load: a third of the tasks {}",
            trouble.name
        ),
        across: "tasks that come a second; dashed: where the arithmetic says that the first queue gives way".to_owned(),
        up: "healthy tasks done a second".to_owned(),
        lines: lines.collect(),
        marks: marks.collect(),
    }
}

/// Healthy goodput by time, with each edit.
pub fn by_time(trouble: Trouble, all: &[Edited]) -> Plot {
    let lines = all
        .iter()
        .map(|edited| Line::new(edited.kept.name(), edited.course.iter().copied()));
    let mark = |at: f64, name: &str| Mark {
        at,
        name: name.to_owned(),
        line: None,
    };
    Plot {
        name: "edit".to_owned(),
        title: format!(
            "Healthy goodput of the ladder: a third of the tasks {}, and an edit",
            trouble.name
        ),
        across: "seconds".to_owned(),
        up: "healthy tasks done a second".to_owned(),
        lines: lines.collect(),
        marks: vec![
            mark(the_scene().incident.from.as_secs_f64(), "incident"),
            mark(AT.as_secs_f64(), "edit"),
        ],
    }
}
