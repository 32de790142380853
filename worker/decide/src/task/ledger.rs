//! The ledger: what a task that climbs remembers, in a header of its own.
//!
//! Cloud Tasks starts to count anew when a task is created again, so the count travels with the
//! task. The value is compact JSON, which is a legal header value as long as every text in it is
//! plain ASCII, and which a person can read in `gcloud tasks describe`.

use cloudtasks::{QueueId, TaskId, TaskPath};
use http::HeaderValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::Root;
use crate::values::{Reason, StageName};

/// The header's name, in lower case as all headers of a push.
pub const LEDGER_HEADER: &str = "executor-ledger";
/// The longest value, in bytes. Cloud Tasks takes 80 KB of headers in all, but an emulator drops
/// a header of 8 KB unsaid.
pub const MAX_LEDGER_BYTES: usize = 4096;
/// The form that this release writes and the newest that it reads.
const VERSION: u64 = 1;

/// What is known of a task's way so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// From this and the hop follow the ids of all that the task becomes.
    pub root: Root,
    /// Hand-overs so far.
    pub hop: u32,
    /// The first task's id, as its producer knows it.
    pub task: TaskId,
    /// The queue that its producer put it on.
    pub queue: QueueId,
    /// When the ladder first saw the task.
    pub first_seen: Timestamp,
    /// One record for each stage that the task has left, in order.
    pub stages: Vec<StageRecord>,
    /// How many older records are left out, because the header would be too long.
    pub left_out: u32,
}

/// What became of a task on one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRecord {
    /// The stage.
    pub stage: StageName,
    /// How often the handler failed or succeeded there, as Cloud Tasks counts.
    pub attempts: u32,
    /// Dispatches, those included that never reached a worker or got no answer.
    pub dispatches: u32,
    /// When the task came to the stage.
    pub since: Timestamp,
    /// When it left.
    pub until: Timestamp,
    /// The handler's last status; none where the last attempt had none or was told to an earlier
    /// dispatch.
    pub status: Option<u16>,
    /// Why it left.
    pub reason: Reason,
}

/// Why a ledger header can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A newer release wrote it. Taking the task for a new one would run it all over.
    #[error("the ledger is of version {0}, this worker reads up to {VERSION}: update the worker")]
    Newer(u64),
    /// It is no ledger.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// It is another task's: somebody enqueued a copy with its old headers. The copy is new.
    #[error("the ledger belongs to the task {0}")]
    Foreign(TaskId),
}

impl Ledger {
    /// The ledger of a task that comes from its producer.
    pub fn first(task: &TaskPath, now: Timestamp) -> Self {
        Self {
            root: Root::of(task),
            hop: 0,
            task: task.id.clone(),
            queue: task.queue.id.clone(),
            first_seen: now,
            stages: Vec::new(),
            left_out: 0,
        }
    }

    /// Reads the header of the task `own`. It counts only if `own` is the id that its root and
    /// hop give.
    pub fn read(value: &HeaderValue, own: &TaskId) -> Result<Self, Unusable> {
        let damaged = |error: &dyn ToString| Unusable::Damaged(error.to_string());
        if value.len() > MAX_LEDGER_BYTES {
            return Err(damaged(&"it is too long"));
        }
        // The version first: a newer form need not have this one's fields.
        let Version { v } =
            serde_json::from_slice(value.as_bytes()).map_err(|error| damaged(&error))?;
        if v > VERSION {
            return Err(Unusable::Newer(v));
        }
        let wire: Wire =
            serde_json::from_slice(value.as_bytes()).map_err(|error| damaged(&error))?;
        let ledger = Self::try_from(wire).map_err(|error| damaged(&error))?;
        let named = ledger.root.task(ledger.hop);
        if ledger.hop == 0 || named != *own {
            return Err(Unusable::Foreign(named));
        }
        Ok(ledger)
    }

    /// The id of the task that the next hand-over creates.
    pub fn next_task(&self) -> TaskId {
        self.root.task(self.hop.saturating_add(1))
    }

    /// This ledger with one more stage behind it.
    #[must_use]
    pub fn with(mut self, record: StageRecord) -> Self {
        self.stages.push(record);
        self
    }

    /// The ledger of the next task.
    #[must_use]
    pub fn next_hop(mut self) -> Self {
        self.hop = self.hop.saturating_add(1);
        self
    }

    /// Only what the promise rests on: root, hop and the first task's id.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.left_out = self
            .left_out
            .saturating_add(u32::try_from(self.stages.len()).unwrap_or(u32::MAX));
        self.stages.clear();
        self
    }

    /// The header's value, plain ASCII: at most [`MAX_LEDGER_BYTES`], older records left out first.
    pub fn encode(&self) -> String {
        let mut wire = Wire::from(self);
        loop {
            let text = serde_json::to_string(&wire).expect("a struct of texts and numbers is JSON");
            if text.len() <= MAX_LEDGER_BYTES || wire.stages.is_empty() {
                return text;
            }
            wire.stages.remove(0);
            wire.left_out = wire.left_out.saturating_add(1);
        }
    }

    /// The same as JSON, whole, for the client.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(Wire::from(self)).expect("a struct of texts and numbers is JSON")
    }
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    v: u64,
    root: String,
    hop: u32,
    task: String,
    queue: String,
    first_seen: Timestamp,
    stages: Vec<WireRecord>,
    left_out: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireRecord {
    stage: String,
    attempts: u32,
    dispatches: u32,
    since: Timestamp,
    until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    reason: String,
}

impl From<&Ledger> for Wire {
    fn from(ledger: &Ledger) -> Self {
        let Ledger {
            root,
            hop,
            task,
            queue,
            first_seen,
            stages,
            left_out,
        } = ledger;
        Self {
            v: VERSION,
            root: root.to_string(),
            hop: *hop,
            task: task.to_string(),
            queue: queue.to_string(),
            first_seen: *first_seen,
            stages: stages.iter().map(WireRecord::from).collect(),
            left_out: *left_out,
        }
    }
}

impl From<&StageRecord> for WireRecord {
    fn from(record: &StageRecord) -> Self {
        let StageRecord {
            stage,
            attempts,
            dispatches,
            since,
            until,
            status,
            reason,
        } = record;
        Self {
            stage: stage.to_string(),
            attempts: *attempts,
            dispatches: *dispatches,
            since: *since,
            until: *until,
            status: *status,
            reason: reason.to_string(),
        }
    }
}

/// What is wrong with a text in a ledger.
type Fault = Box<dyn std::error::Error + Send + Sync>;

impl TryFrom<Wire> for Ledger {
    type Error = Fault;

    fn try_from(wire: Wire) -> Result<Self, Fault> {
        let Wire {
            v: _,
            root,
            hop,
            task,
            queue,
            first_seen,
            stages,
            left_out,
        } = wire;
        Ok(Self {
            root: root.parse()?,
            hop,
            task: task.parse()?,
            queue: queue.parse()?,
            first_seen,
            stages: stages
                .into_iter()
                .map(StageRecord::try_from)
                .collect::<Result<_, _>>()?,
            left_out,
        })
    }
}

impl TryFrom<WireRecord> for StageRecord {
    type Error = Fault;

    fn try_from(wire: WireRecord) -> Result<Self, Fault> {
        let WireRecord {
            stage,
            attempts,
            dispatches,
            since,
            until,
            status,
            reason,
        } = wire;
        Ok(Self {
            stage: stage.parse()?,
            attempts,
            dispatches,
            since,
            until,
            status,
            reason: reason.parse()?,
        })
    }
}
