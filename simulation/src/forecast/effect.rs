//! What comes out.

use serde::{Deserialize, Serialize};

use super::course::Counted;

/// What the next minutes are like, without an edit and with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// How far it looks ahead.
    pub horizon_seconds: f64,
    /// Without the edit.
    pub before: Effect,
    /// With it.
    pub after: Effect,
}

/// What these minutes are like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// Healthy tasks done a second: those whose runs succeed on the stage on which they begin.
    pub healthy_per_second: Range,
    /// From the time at which they are due until they are done: of a hundred, one takes longer. Of those
    /// that are done; no value if none is.
    pub healthy_p99_seconds: Time,
    /// The stages, in the order of the chain.
    pub stages: Vec<StageEffect>,
    /// Tasks that end as Failed.
    pub failed: Range,
}

/// What these minutes are like on a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageEffect {
    /// The stage.
    pub stage: String,
    /// Dispatches a second, on average.
    pub dispatches_per_second: Range,
    /// Until most pushes are no longer late by more than a second. 0 if they never are; no value if not
    /// within the horizon.
    pub backlog_gone_seconds: Time,
}

/// A number, and what it may be, given how short the measurement is, and by chance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// By what is measured.
    pub value: f64,
    /// The least of all.
    pub least: f64,
    /// The most of all.
    pub most: f64,
}

/// The same for a time that may not come within the horizon: then it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Time {
    /// By what is measured.
    pub value: Option<f64>,
    /// The least of all.
    pub least: Option<f64>,
    /// The most of all.
    pub most: Option<f64>,
}

impl Effect {
    /// Of the courses by what is measured, and those at its edges.
    pub(super) fn of<'a>(
        usual: &[Counted],
        edges: &[Counted],
        names: impl Iterator<Item = &'a str>,
    ) -> Self {
        let range = |figure: &dyn Fn(&Counted) -> f64| Range::of(usual, edges, figure);
        let time = |range: Range| {
            let known = |value: f64| value.is_finite().then_some(value);
            Time {
                value: known(range.value),
                least: known(range.least),
                most: known(range.most),
            }
        };
        let stage = |(place, name): (usize, &str)| StageEffect {
            stage: name.to_owned(),
            dispatches_per_second: range(&|it| it.dispatches_per_second[place]),
            backlog_gone_seconds: time(range(&|it| it.backlog_gone[place])),
        };
        Self {
            healthy_per_second: range(&|it| it.healthy_per_second),
            healthy_p99_seconds: time(range(&|it| it.healthy_p99)),
            stages: names.enumerate().map(stage).collect(),
            failed: range(&|it| it.failed),
        }
    }
}

impl Range {
    fn of(usual: &[Counted], edges: &[Counted], figure: &dyn Fn(&Counted) -> f64) -> Self {
        let mut middle: Vec<f64> = usual.iter().map(figure).collect();
        middle.sort_by(f64::total_cmp);
        let value = middle.get(middle.len() / 2).copied().unwrap_or(f64::NAN);
        let all = usual.iter().chain(edges).map(figure);
        Self {
            value,
            least: all.clone().fold(f64::INFINITY, f64::min),
            most: all.fold(f64::NEG_INFINITY, f64::max),
        }
    }
}
