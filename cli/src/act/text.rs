//! Overrides as text.

use crds::{ChainOverride, IN_FORCE};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use plan::model::overrides::settings_of_override;

/// What an override is, and since when.
pub(super) fn in_force(it: &ChainOverride) -> Option<&Condition> {
    let conditions = it.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().find(|it| it.type_ == IN_FORCE)
}

/// What it sets: `5/s, paused`.
pub(super) fn settings(it: &ChainOverride) -> String {
    let settings = settings_of_override(it);
    let texts = settings.into_iter().map(|(field, value)| field.text(value));
    texts.collect::<Vec<_>>().join(", ")
}

/// A line for each, with a head.
pub(super) fn table(overrides: &[ChainOverride], with_namespace: bool, now: Timestamp) -> String {
    let head = [
        "NAME", "CHAIN", "STAGES", "SETTINGS", "STATE", "UNTIL", "BY", "WHY",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|it| (*it).to_owned()).collect()];
    rows.extend(overrides.iter().map(|it| row(it, with_namespace, now)));
    columns(&rows)
}

/// Rows with each column as wide as its widest cell.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    });
    lines.collect()
}

fn row(it: &ChainOverride, with_namespace: bool, now: Timestamp) -> Vec<String> {
    let name = it.name_any();
    let name = if with_namespace {
        format!("{}/{name}", it.namespace().unwrap_or_default())
    } else {
        name
    };
    let state = in_force(it).map_or("Not seen", |it| it.reason.as_str());
    let status = it.status.as_ref();
    let ended = status.and_then(|status| status.ended_at.as_ref());
    let until = ended.or_else(|| status.and_then(|status| status.until.as_ref()));
    let until = until.map_or_else(|| "?".to_owned(), |until| clock(until.0, now));
    vec![
        name,
        it.spec.chain.clone(),
        it.spec.stages.join(","),
        settings(it),
        state.to_owned(),
        until,
        it.spec.by.clone().unwrap_or_else(|| "?".to_owned()),
        it.spec.reason.clone(),
    ]
}

/// A time of today without its date.
pub(super) fn clock(time: Timestamp, now: Timestamp) -> String {
    let text = format!("{time:.0}");
    let today = format!("{now:.0}");
    match (text.split_once('T'), today.split_once('T')) {
        (Some((day, clock)), Some((today, _))) if day == today => clock.to_owned(),
        _ => text,
    }
}
