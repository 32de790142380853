//! A chain as it is now.

use std::time::Duration;

use crds::PausedBy;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use super::finding::Finding;
use super::known::Known;
use super::numbers::{QueueNumbers, WorkerNumbers};
use super::seconds;

/// A chain as it is now: what the operator reports of it, what its queues and workers do, and what was
/// found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveChain {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether the operator has made the edit of the spec, and why not.
    pub edit: EditState,
    /// What was changed outside the operator, from the condition `Drifted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// Why Cloud Tasks can't reach the workers, from the condition `PushesReachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreachable: Option<String>,
    /// Its stages, in order.
    pub stages: Vec<LiveStage>,
    /// Removed stages that drain, and the tasks left in them: `old: 10-99 tasks`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draining: Vec<String>,
    /// Its notifier's queue.
    pub notifier: LiveNotifier,
    /// Its parking queue, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parking: Option<LiveParking>,
    /// What is wrong, first cause first. Empty if nothing is.
    pub findings: Vec<Finding>,
}

/// Whether an edit of the spec is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum EditState {
    /// It is.
    InForce,
    /// The operator hasn't seen it, or is on it.
    Pending,
    /// It isn't, until the user does something.
    #[serde(rename_all = "camelCase")]
    Waits {
        /// The reason of the condition `Ready`, such as `InvalidSpec`.
        reason: String,
        /// Its message: a sentence that says what to do.
        message: String,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
}

/// A stage as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveStage {
    /// Its name.
    pub name: String,
    /// The ID of its queue.
    pub queue: String,
    /// The name of its Deployment and Service.
    pub deployment: String,
    /// The state of its queue.
    pub state: StageState,
    /// Its settings.
    pub settings: StageSettings,
    /// Its pods.
    pub pods: Pods,
    /// The stages that tasks of isolated categories go to, by its rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub isolates_to: Vec<String>,
    /// The overrides that are in force on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<LiveOverride>,
    /// What Cloud Tasks says of its queue.
    pub queue_numbers: Known<QueueNumbers>,
    /// What its workers say.
    pub worker_numbers: Known<WorkerNumbers>,
}

/// An override that is in force on a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveOverride {
    /// Its name.
    pub name: String,
    /// When it ends by itself.
    pub until: Timestamp,
    /// The settings that it replaces, such as `maxDispatchesPerSecond` or `paused`.
    pub fields: Vec<String>,
    /// What it sets, and what the spec says: `15/s, overridden with 5/s`.
    pub settings: String,
    /// Whether it has helped, if something was found on the stage when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// The state of a stage's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "is")]
pub enum StageState {
    /// It dispatches.
    Running,
    /// It is paused.
    #[serde(rename_all = "camelCase")]
    Paused {
        /// By whom.
        by: PausedBy,
        /// Why, in the operator's words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// Since when the chain has a paused queue.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Timestamp>,
    },
    /// Google has disabled it.
    Disabled,
    /// It doesn't exist.
    Missing,
    /// The operator hasn't reported it.
    Unknown,
}

/// The settings of a stage that numbers are compared with: those in force.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageSettings {
    /// Dispatches a second at most. `None` if the operator hasn't reported the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_dispatches_per_second: Option<f64>,
    /// Dispatches in flight at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrent_dispatches: Option<u32>,
    /// Attempts of a task on this stage.
    pub max_attempts: u32,
    /// How long one run may take.
    #[serde(rename = "timeoutSeconds", with = "seconds")]
    pub timeout: Duration,
    /// How long its pods hold at most. `None`: they don't.
    #[serde(
        default,
        rename = "holdOnOutageSeconds",
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    pub hold_on_outage: Option<Duration>,
}

/// The pods of a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    /// Ready ones.
    pub ready: u32,
    /// Those that the Deployment is to have.
    pub desired: u32,
}

/// The notifier's queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveNotifier {
    /// The ID of the queue.
    pub queue: String,
    /// Whether it is paused.
    pub paused: bool,
    /// What Cloud Tasks says of it.
    pub queue_numbers: Known<QueueNumbers>,
}

/// The parking queue: always paused, it keeps tasks that ended without a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveParking {
    /// The ID of the queue.
    pub queue: String,
    /// What Cloud Tasks says of it. Its first task is the one that was parked first.
    pub queue_numbers: Known<QueueNumbers>,
}

impl LiveChain {
    /// Whether nothing is known of what happens in one of its stages.
    pub fn is_unseen(&self) -> bool {
        self.stages.iter().any(LiveStage::is_unseen)
    }
}

impl LiveParking {
    /// The numbers, if something is known to be parked.
    pub fn parked(&self) -> Option<&QueueNumbers> {
        self.queue_numbers.value().filter(|it| it.tasks > 0)
    }
}

/// Of a limit: an effective rate below this share of it is a throttle, above it the noise of an estimate.
const THROTTLED: f64 = 0.95;

impl LiveStage {
    /// Dispatches a second: what workers have seen, or else what Cloud Tasks says of the last minute.
    #[expect(clippy::cast_precision_loss, reason = "dispatches of a minute")]
    pub fn dispatches_per_second(&self) -> Option<f64> {
        let workers = self.worker_numbers.value();
        let queue = self.queue_numbers.value();
        let of_workers = workers.map(WorkerNumbers::dispatches_per_second);
        of_workers.or_else(|| queue.map(|queue| queue.executed_last_minute as f64 / 60.0))
    }

    /// Whether nothing is known of what happens in it.
    pub fn is_unseen(&self) -> bool {
        self.queue_numbers.value().is_none() && self.worker_numbers.value().is_none()
    }

    /// The override that replaces a setting, if one does.
    pub fn overridden(&self, field: &str) -> Option<&LiveOverride> {
        let mut overrides = self.overrides.iter();
        overrides.find(|it| it.fields.iter().any(|its| its == field))
    }

    /// How late pushes were, or else how long the first task has been due.
    pub fn late(&self) -> Option<Duration> {
        let of_pushes = self.worker_numbers.value().and_then(|it| it.lag_p95);
        of_pushes.or_else(|| {
            let queue = self.queue_numbers.value()?;
            // A task in flight is still in the queue, and may be for as long as a run may take.
            let run = if queue.in_flight > 0 {
                self.settings.timeout
            } else {
                Duration::ZERO
            };
            // An empty queue has no first task, so nothing is late.
            Some(queue.lag.unwrap_or_default().saturating_sub(run))
        })
    }

    /// The dispatches a second that Cloud Tasks allows at present, if that is less than the limit.
    pub fn throttled_to(&self) -> Option<f64> {
        let limit = self.settings.max_dispatches_per_second?;
        let allowed = self.queue_numbers.value()?.effective_rate;
        (allowed < limit * THROTTLED).then_some(allowed)
    }
}
