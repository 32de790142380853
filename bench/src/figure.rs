//! Figures: what a benchmark gives.

use serde::{Deserialize, Serialize};

/// The value of what can't be measured. JSON has none for it.
const MISSING: f64 = -1.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    pub name: String,
    /// In `unit`.
    pub value: f64,
    pub unit: String,
    /// What it should be, if there is a goal.
    pub goal: Option<String>,
    pub met: Option<bool>,
    /// What it stands against, from the same run.
    pub against: Option<String>,
}

impl Figure {
    pub fn new(name: impl Into<String>, value: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value: round(value),
            unit: unit.to_owned(),
            goal: None,
            met: None,
            against: None,
        }
    }

    /// A figure that may not be had on this machine: then it is none, and meets no goal.
    pub fn or_missing(name: impl Into<String>, value: Option<f64>, unit: &str) -> Self {
        let figure = Self::new(name, value.unwrap_or(MISSING), unit);
        match value {
            Some(_) => figure,
            None => figure.against("it can't be measured on this machine"),
        }
    }

    pub fn at_least(self, least: f64) -> Self {
        let goal = format!("at least {}", quantity(least, &self.unit));
        let met = self.is_there() && self.value >= least;
        Self {
            goal: Some(goal),
            met: Some(met),
            ..self
        }
    }

    fn is_there(&self) -> bool {
        self.value.total_cmp(&MISSING).is_ne()
    }

    pub fn at_most(self, most: f64) -> Self {
        let goal = format!("at most {}", quantity(most, &self.unit));
        // As it is shown: nobody should read 50, at most 50, missed.
        let met = self.is_there() && self.value <= most;
        Self {
            goal: Some(goal),
            met: Some(met),
            ..self
        }
    }

    pub fn against(self, what: impl Into<String>) -> Self {
        Self {
            against: Some(what.into()),
            ..self
        }
    }

    pub fn quantity(&self) -> String {
        if self.is_there() {
            quantity(self.value, &self.unit)
        } else {
            "not measured".to_owned()
        }
    }

    pub fn verdict(&self) -> String {
        match (&self.goal, self.met) {
            (Some(goal), Some(true)) => format!("{goal}: met"),
            (Some(goal), _) => format!("{goal}: not met"),
            (None, _) => String::new(),
        }
    }
}

/// A value and its unit as a note to another figure.
pub fn labeled(what: &str, value: f64, unit: &str) -> String {
    format!("{what}: {}", Figure::new("", value, unit).quantity())
}

pub fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

pub fn table(figures: &[Figure]) -> String {
    let rows: Vec<[String; 4]> = figures.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let (name, value, goal) = (width(0), width(1), width(2));
    let lines: Vec<String> = rows
        .iter()
        .map(|[a, b, c, d]| {
            let line = format!("  {a:name$}  {b:>value$}  {c:goal$}  {d}");
            line.trim_end().to_owned()
        })
        .collect();
    lines.join("\n")
}

/// Name, value, goal, and what it stands against.
pub fn cells(figure: &Figure) -> [String; 4] {
    [
        figure.name.clone(),
        figure.quantity(),
        figure.verdict(),
        figure.against.clone().unwrap_or_default(),
    ]
}

fn quantity(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        value.to_string()
    } else {
        format!("{value} {unit}")
    }
}

/// Three digits: the rest is noise. Whole from a thousand on.
fn round(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = (2.0 - value.abs().log10().floor()).clamp(0.0, 3.0);
    let scale = 10_f64.powf(digits);
    // Not -0.
    (value * scale).round() / scale + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept() {
        let rows = [
            (12.345, "12.3 ms"),
            (0.012_345, "0.012 ms"),
            (4321.9, "4322 ms"),
            (-0.000_1, "0 ms"),
            (0.0, "0 ms"),
        ];
        for (value, text) in rows {
            assert_eq!(Figure::new("", value, "ms").quantity(), text);
        }
    }

    #[test]
    fn what_is_not_measured_meets_no_goal() {
        let figure = Figure::or_missing("a", None, "ms");
        assert_eq!(figure.quantity(), "not measured");
        assert_eq!(figure.clone().at_most(50.0).met, Some(false));
        assert_eq!(figure.at_least(0.5).met, Some(false));
    }

    #[test]
    fn a_goal_is_met_at_its_edge() {
        let figure = Figure::new("a", 50.04, "ms").at_most(50.0);
        assert_eq!(figure.verdict(), "at most 50 ms: met");
        let figure = Figure::new("a", 50.06, "ms").at_most(50.0);
        assert_eq!(figure.verdict(), "at most 50 ms: not met");
    }
}
