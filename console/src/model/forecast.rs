//! What an edit would do to the tasks.

use serde::{Deserialize, Serialize};

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
