//! Figures: what a benchmark gives.

use serde::{Deserialize, Serialize};

use crate::rounds::Rounds;

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
    /// None without a goal, and where rounds differ too much to say.
    pub met: Option<bool>,
    /// What it stands against, from the same run.
    pub against: Option<String>,
    /// Of which the value is the median. Records that are older than rounds, and what isn't measured in
    /// rounds, have none.
    #[serde(default, skip_serializing_if = "Rounds::is_empty")]
    pub rounds: Rounds,
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
            rounds: Rounds::default(),
        }
    }

    /// The median of rounds. Without any there is no figure, and no goal is met.
    pub fn of(name: impl Into<String>, rounds: &Rounds, unit: &str) -> Self {
        Self {
            // As they are read again: the page says what the run has said.
            rounds: rounds.map(round),
            ..Self::or_missing(name, rounds.median(), unit)
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
        let holds = self.value >= least;
        self.judged(goal, holds)
    }

    /// A bound, which names no winner: rounds that differ have a verdict if it is the same in each.
    pub fn at_most(self, most: f64) -> Self {
        let holds = self.value <= most;
        let alike = self.rounds.all(|it| (it <= most) == holds);
        let figure = self.share_at_most(most);
        Self {
            met: figure.met.or_else(|| alike.then_some(holds)),
            ..figure
        }
    }

    /// What a comparison may give, whose rounds have to agree.
    pub fn share_at_most(self, most: f64) -> Self {
        let goal = format!("at most {}", quantity(most, &self.unit));
        // As it is shown: nobody should read 50, at most 50, missed.
        let holds = self.value <= most;
        self.judged(goal, holds)
    }

    /// The verdict on a goal. What isn't measured meets none, and rounds that differ have no verdict: the
    /// distance from the goal may be the machine's.
    pub fn judged(self, goal: String, holds: bool) -> Self {
        let met = self.is_there() && holds;
        Self {
            goal: Some(goal),
            met: self.rounds.agree().then_some(met),
            ..self
        }
    }

    fn is_there(&self) -> bool {
        self.value.total_cmp(&MISSING).is_ne()
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
        let Some(goal) = &self.goal else {
            return String::new();
        };
        let percent = self.rounds.percent_apart();
        let met = match self.met {
            Some(true) => "met",
            Some(false) => "not met",
            None => return format!("{goal}: rounds differ by {percent} %, no verdict"),
        };
        if self.rounds.agree() {
            format!("{goal}: {met}")
        } else {
            format!("{goal}: rounds differ by {percent} %, {met} in each")
        }
    }

    /// With how many rounds there were, and how far they lie apart.
    fn measured(&self) -> String {
        let quantity = self.quantity();
        match (self.rounds.count(), self.rounds.least(), self.rounds.most()) {
            (2.., Some(least), Some(most)) => {
                let count = self.rounds.count();
                format!("{quantity} ({count} rounds: {least} to {most})")
            }
            (1, ..) => format!("{quantity} (1 round)"),
            _ => quantity,
        }
    }
}

/// Which goals a run says nothing about, if there are any.
pub fn without_verdict(figures: &[Figure]) -> Option<String> {
    let open = figures.iter().filter(|it| it.goal.is_some());
    let goals = open.clone().count();
    let open = open.filter(|it| it.met.is_none()).count();
    (open > 0).then(|| {
        format!(
            "No verdict on {open} of {goals} goals: their rounds differ by more than 10 %. Measure \
             again on a quiet machine"
        )
    })
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
    let [name, value, goal] = [0, 1, 2].map(width);
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
        figure.measured(),
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

    fn of(rounds: impl IntoIterator<Item = f64>) -> Figure {
        Figure::of("a", &rounds.into_iter().collect(), "ms")
    }

    #[test]
    fn a_comparison_whose_rounds_differ_has_no_verdict_on_either_side_of_its_goal() {
        let figure = of([10.0, 12.0, 11.0]);
        assert_eq!(figure.quantity(), "11 ms");
        for most in [5.0, 50.0] {
            let figure = figure.clone().share_at_most(most);
            assert_eq!(figure.met, None);
            let verdict = format!("at most {most} ms: rounds differ by 18 %, no verdict");
            assert_eq!(figure.verdict(), verdict);
        }
        assert_eq!(figure.clone().at_least(5.0).met, None);
        assert_eq!(cells(&figure)[1], "11 ms (3 rounds: 10 to 12)");
    }

    #[test]
    fn a_bound_has_a_verdict_if_it_is_the_same_in_each_round() {
        let verdict = |most| of([10.0, 12.0, 11.0]).at_most(most).verdict();
        let differ = "rounds differ by 18 %";
        assert_eq!(
            verdict(12.0),
            format!("at most 12 ms: {differ}, met in each")
        );
        assert_eq!(
            verdict(9.9),
            format!("at most 9.9 ms: {differ}, not met in each")
        );
        for most in [10.0, 11.5] {
            let figure = of([10.0, 12.0, 11.0]).at_most(most);
            assert_eq!(figure.met, None);
            assert_eq!(
                figure.verdict(),
                format!("at most {most} ms: {differ}, no verdict")
            );
        }
    }

    #[test]
    fn rounds_that_agree_have_a_verdict() {
        let figure = of([10.0, 10.5, 10.2]);
        assert_eq!(
            figure.clone().at_most(10.2).verdict(),
            "at most 10.2 ms: met"
        );
        assert_eq!(figure.at_most(10.1).verdict(), "at most 10.1 ms: not met");
    }

    #[test]
    fn a_figure_of_one_round_says_so() {
        let figure = of([10.0]).at_most(11.0);
        assert_eq!(
            cells(&figure)[1..3],
            ["10 ms (1 round)", "at most 11 ms: met"]
        );
    }

    #[test]
    fn no_round_meets_no_goal() {
        let figure = of([]).at_most(50.0);
        assert_eq!(
            (figure.quantity().as_str(), figure.met),
            ("not measured", Some(false))
        );
    }

    #[test]
    fn a_run_says_how_many_goals_have_no_verdict() {
        let (steady, not) = ([10.0, 10.5], [10.0, 12.0]);
        let figures = [of(steady).at_most(11.0), of(not).at_most(11.0), of(not)];
        let said = without_verdict(&figures).unwrap();
        assert!(said.starts_with("No verdict on 1 of 2 goals"), "{said}");
        assert_eq!(without_verdict(&figures[..1]), None);
    }

    #[test]
    fn a_figure_is_read_as_it_was_written() {
        let written = of([10.123, 12.345, 11.0]).at_most(11.0);
        let text = serde_json::to_string(&written).unwrap();
        let read: Figure = serde_json::from_str(&text).unwrap();
        assert_eq!(read, written);
        assert_eq!(read.verdict(), written.verdict());
    }

    #[test]
    fn a_figure_of_an_old_record_keeps_its_verdict() {
        let text = r#"{"name": "a", "value": 1.4, "unit": "", "goal": "at most 1.1", "met": false,
            "against": null}"#;
        let figure: Figure = serde_json::from_str(text).unwrap();
        assert_eq!(figure.verdict(), "at most 1.1: not met");
        assert_eq!(cells(&figure)[1], "1.4");
        // What has no rounds is written as before.
        assert!(!serde_json::to_string(&figure).unwrap().contains("rounds"));
    }
}
