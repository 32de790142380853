//! Why there is no forecast.

use std::time::Duration;

use console::Unknown;
use thiserror::Error;

/// Why there is no forecast: which input is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoForecast {
    /// No settings from the begin on.
    #[error("no forecast: the settings in force at its start are unknown")]
    NoSettings,
    /// The stages of the settings are not those that are measured.
    #[error(
        "no forecast: the edit adds, removes, or reorders stages, and new ones are not measured"
    )]
    OtherStages,
    /// How many tasks have a header is not measured.
    #[error(
        "no forecast: stage {stage} has a route by header, and the number of matching tasks is not measured"
    )]
    HeaderRoute {
        /// The stage.
        stage: String,
    },
    /// How many tasks a category has is not measured.
    #[error(
        "no forecast: stage {stage} isolates categories, and the number of tasks in each is not measured"
    )]
    Isolation {
        /// The stage.
        stage: String,
    },
    /// Tasks wait before their first attempt on a stage.
    #[error("no forecast: stage {stage} has a delay, which is not simulated")]
    Delay {
        /// The stage.
        stage: String,
    },
    /// The queue doesn't exist, or Google has disabled it.
    #[error("no forecast: the queue of stage {stage} {what}")]
    NoQueue {
        /// The stage.
        stage: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Cloud Tasks' numbers are unknown.
    #[error("no forecast: the backlog of stage {stage} is unknown: {why}")]
    QueueNumbers {
        /// The stage.
        stage: String,
        /// Why.
        why: Unknown,
    },
    /// The workers' numbers are unknown.
    #[error("no forecast: the numbers of stage {stage}'s workers are unknown: {why}")]
    WorkerNumbers {
        /// The stage.
        stage: String,
        /// Why.
        why: Unknown,
    },
    /// Tasks would run on a stage on which none has run.
    #[error(
        "no forecast: no run has ended on stage {stage} in the last minutes, so the share of failures and the duration of runs are unknown"
    )]
    NoRuns {
        /// The stage.
        stage: String,
    },
    /// Most of what arrives isn't run.
    #[error(
        "no forecast: {without} of {pushes} pushes to stage {stage} ended without a run in the last {} s (refused token, unreachable handler, or failing hand-overs): fix that first",
        window.as_secs()
    )]
    NotRun {
        /// The stage.
        stage: String,
        /// Pushes without a run.
        without: u64,
        /// All pushes.
        pushes: u64,
        /// The time in which they were counted.
        window: Duration,
    },
}
