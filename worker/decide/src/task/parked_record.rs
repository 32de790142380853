//! The record of a parked task: why it ended, in a header beside its ledger.
//!
//! A list of a parking queue needs this header alone. The value is compact JSON in plain ASCII.

use cloudtasks::{QueueId, TaskId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::life::Life;
use crate::values::{EndCause, StageName, TaskReason};

/// The header's name, in lower case like all headers of a push.
pub const PARKED_HEADER: &str = "executor-parked";
/// The version that this release writes, and the newest that it reads.
const VERSION: u64 = 1;

/// Why and when a task was parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRecord {
    /// The first task's id, as its producer knows it.
    pub task: TaskId,
    /// The queue that the producer created it on.
    pub queue: QueueId,
    /// The stage that it ended on.
    pub stage: StageName,
    /// Why it ended, as one of few.
    pub cause: EndCause,
    /// Why it ended, as its event says.
    pub reason: TaskReason,
    /// The handler's last status, if it is known.
    pub status: Option<u16>,
    /// When it ended, by the worker's clock.
    pub at: Timestamp,
    /// Which life ended, if it was not the first.
    pub life: Option<Life>,
}

/// Why a record can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParkedRecordError {
    /// A newer release wrote it.
    #[error("the record has version {0}, but this release reads up to {VERSION}: update it")]
    NewerVersion(u64),
    /// It is not a record.
    #[error("the record is damaged: {0}")]
    Damaged(String),
}

impl ParkedRecord {
    /// Reads the header's value.
    pub fn read(value: &str) -> Result<Self, ParkedRecordError> {
        let damaged = |error: &dyn ToString| ParkedRecordError::Damaged(error.to_string());
        let Version { v } = serde_json::from_str(value).map_err(|error| damaged(&error))?;
        if v > VERSION {
            return Err(ParkedRecordError::NewerVersion(v));
        }
        let wire: ParkedJson = serde_json::from_str(value).map_err(|error| damaged(&error))?;
        let ParkedJson {
            v: _,
            task,
            queue,
            stage,
            cause,
            reason,
            status,
            at,
            life,
        } = wire;
        Ok(Self {
            task: task.parse().map_err(|error| damaged(&error))?,
            queue: queue.parse().map_err(|error| damaged(&error))?,
            stage: stage.parse().map_err(|error| damaged(&error))?,
            cause: cause.parse().map_err(|error| damaged(&error))?,
            reason: reason.parse().map_err(|error| damaged(&error))?,
            status,
            at,
            life,
        })
    }

    /// The header's value.
    pub fn encode(&self) -> String {
        let wire = ParkedJson {
            v: VERSION,
            task: self.task.to_string(),
            queue: self.queue.to_string(),
            stage: self.stage.to_string(),
            cause: self.cause.to_string(),
            reason: self.reason.to_string(),
            status: self.status,
            at: self.at,
            life: self.life.clone(),
        };
        serde_json::to_string(&wire).expect("a struct of texts and numbers is JSON")
    }
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParkedJson {
    v: u64,
    task: String,
    queue: String,
    stage: String,
    cause: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    life: Option<Life>,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::task::{RedriveId, RootId};

    fn record() -> ParkedRecord {
        ParkedRecord {
            task: "order-1".parse().unwrap(),
            queue: "orders".parse().unwrap(),
            stage: "slow".parse().unwrap(),
            cause: EndCause::Exhausted,
            reason: "no-stock".parse().unwrap(),
            status: Some(409),
            at: "2026-11-30T03:04:05.678Z".parse().unwrap(),
            life: None,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let first = record();
        assert_eq!(
            first.encode(),
            r#"{"v":1,"task":"order-1","queue":"orders","stage":"slow","cause":"Exhausted","reason":"no-stock","status":409,"at":"2026-11-30T03:04:05.678Z"}"#
        );
        assert_eq!(ParkedRecord::read(&first.encode()), Ok(first));

        let root = RootId::of(&"projects/p/locations/l/queues/q/tasks/t".parse().unwrap());
        let redrive: RedriveId = "redrive-1".parse().unwrap();
        let second = ParkedRecord {
            status: None,
            life: Some(Life::second(root, redrive)),
            ..record()
        };
        assert_eq!(ParkedRecord::read(&second.encode()), Ok(second.clone()));
        assert!(HeaderValue::from_str(&second.encode()).is_ok());
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let text = record().encode();
        for damaged in [
            "",
            "{}",
            &text[1..],
            &text.replace("Exhausted", "Bored"),
            &text.replace("order-1", "order 1"),
            &text.replace("\"v\":1,", "\"v\":1,\"more\":2,"),
        ] {
            let error = ParkedRecord::read(damaged).unwrap_err();
            assert!(
                matches!(error, ParkedRecordError::Damaged(_)),
                "{damaged}: {error}"
            );
        }
        let newer = text.replace("\"v\":1", "\"v\":2");
        assert_eq!(
            ParkedRecord::read(&newer),
            Err(ParkedRecordError::NewerVersion(2))
        );
    }
}
