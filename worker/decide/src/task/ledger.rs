//! The ledger: a task's history, in a header.
//!
//! Cloud Tasks counts from zero when a task is created again, so the counts travel with the task. The
//! value is compact JSON, which is a legal header value because every text in it is plain ASCII.

use cloudtasks::{QueueId, TaskId, TaskPath};
use http::HeaderValue;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::life::{Life, RedriveId};
use super::task_ids::{MAX_HOPS, RootId, is_handed_over};
use crate::values::{StageName, TaskReason};

/// The header's name, in lower case like all headers of a push.
pub const LEDGER_HEADER: &str = "executor-ledger";
/// The maximum length of the value, in bytes. Cloud Tasks accepts 80 KB of headers in total, but the
/// emulator silently drops a header of 8 KB.
pub const MAX_LEDGER_BYTES: usize = 4096;
/// The newest version that this release reads. It writes it for tasks in a later life. All others have the
/// first version that has their fields, which older releases can read.
const VERSION: u64 = 3;
const VERSION_OF_STAYS: u64 = 2;
const FIRST_VERSION: u64 = 1;

/// A task's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// With the hop, it determines the ids of all tasks that this one becomes.
    pub root: RootId,
    /// The hand-overs so far.
    pub hop: u32,
    /// The first task's id, as its producer knows it.
    pub task: TaskId,
    /// The queue that the producer created it on.
    pub queue: QueueId,
    /// When the chain first saw the task.
    pub first_seen: Timestamp,
    /// One record for each stage that the task has left, in order.
    pub stages: Vec<StageRecord>,
    /// The number of older records that are left out, because the header would be too long.
    pub left_out: u32,
    /// What came before this task on its present stage, if it was put off there.
    pub stay: Option<Stay>,
    /// Which life this is, if it is not the first.
    pub life: Option<Life>,
}

/// What a task did on its present stage before it was put off: Cloud Tasks counts from zero again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stay {
    /// How often it was put off, at least once.
    pub later: u32,
    /// Its attempts.
    pub attempts: u32,
    /// Its dispatches.
    pub dispatches: u32,
    /// When it came to the stage.
    pub since: Timestamp,
}

/// A task's history on one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRecord {
    /// The stage.
    pub stage: StageName,
    /// The attempts there, as Cloud Tasks counts them.
    pub attempts: u32,
    /// The dispatches, including those that reached no worker or got no answer.
    pub dispatches: u32,
    /// When the task came to the stage.
    pub since: Timestamp,
    /// When the task left.
    pub until: Timestamp,
    /// The handler's last status. None if the last attempt had none, or if an earlier dispatch got it.
    pub status: Option<u16>,
    /// Why the task left.
    pub reason: TaskReason,
}

/// Why a ledger header is not valid for a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A newer release wrote it. To treat the task as new would start it over.
    #[error("the ledger has version {0}, but this worker reads up to {VERSION}: update the worker")]
    NewerVersion(u64),
    /// It has a newer version, but the task's id says that no worker created the task.
    #[error(
        "the ledger has version {0}, but no worker handed over this task: its producer wrote the ledger"
    )]
    NotHandedOver(u64),
    /// A producer wrote it: tasks that began on the chain's first queue don't come back there.
    #[error(
        "workers give no task on the chain's first queue such a ledger: its producer may have written it"
    )]
    OnFirstQueue,
    /// It is not a ledger.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// It is another task's: this one is a copy that was created with the old headers, and is new.
    #[error("the ledger belongs to the task {0}")]
    OtherTask(TaskId),
}

impl Ledger {
    /// The ledger of a producer's task.
    pub fn first(task: &TaskPath, now: Timestamp) -> Self {
        Self {
            root: RootId::of(task),
            hop: 0,
            task: task.id.clone(),
            queue: task.queue.id.clone(),
            first_seen: now,
            stages: Vec::new(),
            left_out: 0,
            stay: None,
            life: None,
        }
    }

    /// Reads the header of the task `own`. It is valid only if `own` is the id that its root and hop
    /// determine.
    pub fn read(value: &HeaderValue, own: &TaskId) -> Result<Self, LedgerError> {
        let ledger = Self::parse(value, own)?;
        ledger.is_of(own)?;
        Ok(ledger)
    }

    /// Reads the header of the task `own` of a parking queue.
    pub fn read_parked(value: &HeaderValue, own: &TaskId) -> Result<Self, LedgerError> {
        let ledger = Self::parse(value, own)?;
        let named = ledger.root.parked();
        let rest = own.as_str().strip_prefix(named.as_str());
        let fits = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        (fits && ledger.has_its_root())
            .then_some(ledger)
            .ok_or(LedgerError::OtherTask(named))
    }

    fn parse(value: &HeaderValue, own: &TaskId) -> Result<Self, LedgerError> {
        let damaged = |error: &dyn ToString| LedgerError::Damaged(error.to_string());
        if value.len() > MAX_LEDGER_BYTES {
            return Err(damaged(&"it is too long"));
        }
        // The version first: a newer version may have other fields.
        let Version { v } =
            serde_json::from_slice(value.as_bytes()).map_err(|error| damaged(&error))?;
        if v > VERSION && is_handed_over(own) {
            return Err(LedgerError::NewerVersion(v));
        } else if v > VERSION {
            // A producer wrote it.
            return Err(LedgerError::NotHandedOver(v));
        }
        let wire: LedgerJson =
            serde_json::from_slice(value.as_bytes()).map_err(|error| damaged(&error))?;
        Self::try_from(wire).map_err(|error| damaged(&error))
    }

    /// What a worker needs of a ledger of a newer version to end the task: its ids. None if the
    /// newer version writes them in another way.
    pub fn read_ids(value: &HeaderValue, own: &TaskId) -> Option<Self> {
        let ids: IdsJson = serde_json::from_slice(value.as_bytes()).ok()?;
        // Of its stay, the ids depend on the number alone.
        let stay = ids.stay.map(|StayIdsJson { later }| Stay {
            later,
            attempts: 0,
            dispatches: 0,
            since: ids.first_seen,
        });
        let ledger = Self {
            root: ids.root.parse().ok()?,
            hop: ids.hop,
            task: ids.task.parse().ok()?,
            queue: ids.queue.parse().ok()?,
            first_seen: ids.first_seen,
            stages: Vec::new(),
            left_out: 0,
            stay,
            life: ids.life,
        };
        ledger.is_of(own).ok().map(|()| ledger)
    }

    fn is_of(&self, own: &TaskId) -> Result<(), LedgerError> {
        let named = self.id();
        // No worker hands over more often, and at the largest number the next id would be this one.
        let created = if self.stay.is_some() {
            self.hop <= MAX_HOPS && (1..u32::MAX).contains(&self.later())
        } else {
            (1..=MAX_HOPS).contains(&self.hop)
        };
        let fits = created && self.has_its_root() && named == *own;
        fits.then_some(()).ok_or(LedgerError::OtherTask(named))
    }

    /// Whether the root is the one of this life.
    fn has_its_root(&self) -> bool {
        let life = self.life.as_ref();
        life.is_none_or(|life| life.is_valid() && life.root() == self.root)
    }

    /// The id of the task that has this ledger, if a worker has created it.
    fn id(&self) -> TaskId {
        match &self.stay {
            Some(stay) => self.root.later(self.hop, stay.later),
            None => self.root.task(self.hop),
        }
    }

    /// How often the task was put off on its present stage.
    fn later(&self) -> u32 {
        self.stay.as_ref().map_or(0, |stay| stay.later)
    }

    /// The id of the task that this one becomes if it is put off.
    pub fn later_task(&self) -> TaskId {
        self.root.later(self.hop, self.later().saturating_add(1))
    }

    /// The ledger of the task that this one becomes if it is put off, with what it did on this stage
    /// since it came there.
    #[must_use]
    pub fn put_off(self, attempts: u32, dispatches: u32, since: Timestamp) -> Self {
        let stay = Stay {
            later: self.later().saturating_add(1),
            attempts,
            dispatches,
            since,
        };
        Self {
            stay: Some(stay),
            ..self
        }
    }

    /// The ledger of the first task of a new life, which a redrive begins of this one when it is parked.
    #[must_use]
    pub fn redriven(self, redrive: RedriveId) -> Self {
        let life = match &self.life {
            Some(life) => life.next(redrive),
            None => Life::second(self.root.clone(), redrive),
        };
        Self {
            root: life.root(),
            // A hand-over's number, since no producer creates the task.
            hop: 1,
            stages: Vec::new(),
            left_out: 0,
            stay: None,
            life: Some(life),
            ..self
        }
    }

    /// The id of the first task of the life that [`redriven`](Self::redriven) begins.
    pub fn own_task(&self) -> TaskId {
        self.id()
    }

    /// The id of the task that the next hand-over creates.
    pub fn next_task(&self) -> TaskId {
        self.root.task(self.hop.saturating_add(1))
    }

    /// This ledger with one more record.
    #[must_use]
    pub fn with(mut self, record: StageRecord) -> Self {
        self.stages.push(record);
        // The record has it.
        self.stay = None;
        self
    }

    /// The ledger of the next task.
    #[must_use]
    pub fn next_hop(mut self) -> Self {
        self.hop = self.hop.saturating_add(1);
        self.stay = None;
        self
    }

    /// Without the records: root, hop and the first task's id are enough to lose nothing.
    #[must_use]
    pub fn folded(mut self) -> Self {
        self.left_out = self
            .left_out
            .saturating_add(u32::try_from(self.stages.len()).unwrap_or(u32::MAX));
        self.stages.clear();
        self
    }

    /// The header's value, in plain ASCII: at most [`MAX_LEDGER_BYTES`], without the oldest records if need
    /// be.
    pub fn encode(&self) -> String {
        let mut wire = LedgerJson::from(self);
        loop {
            let text = serde_json::to_string(&wire).expect("a struct of texts and numbers is JSON");
            if text.len() <= MAX_LEDGER_BYTES || wire.stages.is_empty() {
                return text;
            }
            wire.stages.remove(0);
            wire.left_out = wire.left_out.saturating_add(1);
        }
    }

    /// The complete ledger as JSON, for notifications.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(LedgerJson::from(self)).expect("a struct of texts and numbers is JSON")
    }
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// Fields that every version has in this form.
#[derive(Deserialize)]
struct IdsJson {
    root: String,
    hop: u32,
    task: String,
    queue: String,
    first_seen: Timestamp,
    stay: Option<StayIdsJson>,
    life: Option<Life>,
}

#[derive(Deserialize)]
struct StayIdsJson {
    later: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerJson {
    v: u64,
    root: String,
    hop: u32,
    task: String,
    queue: String,
    first_seen: Timestamp,
    stages: Vec<StageRecordJson>,
    left_out: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stay: Option<StayJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<Life>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StayJson {
    later: u32,
    attempts: u32,
    dispatches: u32,
    since: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageRecordJson {
    stage: String,
    attempts: u32,
    dispatches: u32,
    since: Timestamp,
    until: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    reason: String,
}

impl From<&Ledger> for LedgerJson {
    fn from(ledger: &Ledger) -> Self {
        let Ledger {
            root,
            hop,
            task,
            queue,
            first_seen,
            stages,
            left_out,
            stay,
            life,
        } = ledger;
        Self {
            v: match (life, stay) {
                (Some(_), _) => VERSION,
                (None, Some(_)) => VERSION_OF_STAYS,
                (None, None) => FIRST_VERSION,
            },
            root: root.to_string(),
            hop: *hop,
            task: task.to_string(),
            queue: queue.to_string(),
            first_seen: *first_seen,
            stages: stages.iter().map(StageRecordJson::from).collect(),
            left_out: *left_out,
            stay: stay.as_ref().map(StayJson::from),
            life: life.clone(),
        }
    }
}

impl From<&Stay> for StayJson {
    fn from(stay: &Stay) -> Self {
        let Stay {
            later,
            attempts,
            dispatches,
            since,
        } = *stay;
        Self {
            later,
            attempts,
            dispatches,
            since,
        }
    }
}

impl From<StayJson> for Stay {
    fn from(wire: StayJson) -> Self {
        let StayJson {
            later,
            attempts,
            dispatches,
            since,
        } = wire;
        Self {
            later,
            attempts,
            dispatches,
            since,
        }
    }
}

impl From<&StageRecord> for StageRecordJson {
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

/// Why a field of a ledger is not valid.
type InvalidField = Box<dyn std::error::Error + Send + Sync>;

impl TryFrom<LedgerJson> for Ledger {
    type Error = InvalidField;

    fn try_from(wire: LedgerJson) -> Result<Self, InvalidField> {
        let LedgerJson {
            v: _,
            root,
            hop,
            task,
            queue,
            first_seen,
            stages,
            left_out,
            stay,
            life,
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
            stay: stay.map(Stay::from),
            life,
        })
    }
}

impl TryFrom<StageRecordJson> for StageRecord {
    type Error = InvalidField;

    fn try_from(wire: StageRecordJson) -> Result<Self, InvalidField> {
        let StageRecordJson {
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
