//! What comes out.

use console::{Effect, Range, StageEffect, Time};

use super::course::Counted;

/// Of the courses by what is measured, and those at its edges.
pub(super) fn effect_of<'a>(
    usual: &[Counted],
    edges: &[Counted],
    names: impl Iterator<Item = &'a str>,
) -> Effect {
    let range = |figure: &dyn Fn(&Counted) -> f64| range_of(usual, edges, figure);
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
    Effect {
        healthy_per_second: range(&|it| it.healthy_per_second),
        healthy_p99_seconds: time(range(&|it| it.healthy_p99)),
        stages: names.enumerate().map(stage).collect(),
        failed: range(&|it| it.failed),
    }
}

fn range_of(usual: &[Counted], edges: &[Counted], figure: &dyn Fn(&Counted) -> f64) -> Range {
    let mut middle: Vec<f64> = usual.iter().map(figure).collect();
    middle.sort_by(f64::total_cmp);
    let value = middle.get(middle.len() / 2).copied().unwrap_or(f64::NAN);
    let all = usual.iter().chain(edges).map(figure);
    Range {
        value,
        least: all.clone().fold(f64::INFINITY, f64::min),
        most: all.fold(f64::NEG_INFINITY, f64::max),
    }
}
