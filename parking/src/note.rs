//! What a mover keeps in the parking queue to know its canary after a restart: which tasks it is, and then
//! how it ended. Each is a task that nobody runs, with an id that follows from the redrive's.
//!
//! Without them, a mover that is killed would find the canary's tasks gone, and try as many again.

use std::collections::BTreeMap;

use cloudtasks::{Method, NewTask, QueuePath, TaskId, TaskInfo, TaskPath, WholeTask};
use decide::{RedriveId, RootId};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::as_text;
use crate::canary::CanaryCounts;
use crate::task::{NOTE_HEADER, header};

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Note {
    /// These are the canary's tasks. It is written before the first of them is moved.
    Chosen(Vec<CanaryMember>),
    /// The canary has done well. It is written before another task is moved.
    Passed(CanaryCounts),
    /// The canary has not done well, and no other task is moved.
    Failed(CanaryCounts),
}

/// Which note it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoteKind {
    /// [`Note::Chosen`].
    Chosen,
    /// [`Note::Passed`].
    Passed,
    /// [`Note::Failed`].
    Failed,
}

/// A task of a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryMember {
    /// The parked task.
    #[serde(with = "as_text")]
    pub parked: TaskId,
    /// The root of the life that the redrive begins of it.
    pub root: RootId,
}

/// A note that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path} is not a note that this release can read: {problem}")]
pub struct UnreadableNote {
    path: TaskPath,
    problem: String,
}

impl NoteKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chosen, Self::Passed, Self::Failed];

    /// Where a redrive's note is.
    pub fn path(self, redrive: &RedriveId, parked: &QueuePath) -> TaskPath {
        let suffix = match self {
            Self::Chosen => "canary",
            Self::Passed => "canary-passed",
            Self::Failed => "canary-failed",
        };
        let id = format!("{redrive}-{suffix}").parse();
        parked.task(id.expect("letters, digits and hyphens are a legal task id"))
    }
}

impl Note {
    /// Which it is.
    pub fn kind(&self) -> NoteKind {
        match self {
            Self::Chosen(_) => NoteKind::Chosen,
            Self::Passed(_) => NoteKind::Passed,
            Self::Failed(_) => NoteKind::Failed,
        }
    }

    /// The task that carries it.
    pub fn task(&self, redrive: &RedriveId, parked: &QueuePath, now: Timestamp) -> NewTask {
        let body = serde_json::to_vec(self).expect("a list of texts and numbers is JSON");
        NewTask {
            path: Some(self.kind().path(redrive, parked)),
            url: "http://x/".to_owned(),
            method: Method::Post,
            headers: BTreeMap::from([(NOTE_HEADER.to_owned(), redrive.to_string())]),
            body,
            dispatch_deadline: None,
            // Nobody has to run it, if the queue is resumed by mistake.
            schedule_time: now.checked_add((29 * 24).hours()).ok(),
            oidc_token: None,
        }
    }

    /// Reads the task that carries it.
    pub fn read(task: &WholeTask) -> Result<Self, UnreadableNote> {
        serde_json::from_slice(&task.body).map_err(|error| UnreadableNote {
            path: task.info.path.clone(),
            problem: error.to_string(),
        })
    }

    /// The redrive whose note a task is.
    pub fn of(task: &TaskInfo) -> Option<RedriveId> {
        header(task, NOTE_HEADER)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::{listed, parked};
    use crate::task::{ParkedTask, UnreadableTask};

    #[test]
    fn a_note_is_read_as_it_was_written_and_is_no_parked_task() {
        let redrive: RedriveId = "7c9e6679-7425-40de-944b-e07fc1f90ae7".parse().unwrap();
        let row = parked("order-1", "no-stock", Some(409), "2026-11-30T10:00:00Z");
        let counts = CanaryCounts {
            succeeded: 18,
            failed: 2,
            open: 0,
        };
        let member = CanaryMember {
            parked: row.path.id.clone(),
            root: RootId::of(&row.path),
        };
        let mut ids = Vec::new();
        for note in [
            Note::Chosen(vec![member]),
            Note::Passed(counts),
            Note::Failed(counts),
        ] {
            let task = note.task(&redrive, &row.path.queue, row.created);
            let path = task.path.unwrap();
            assert_eq!(path, note.kind().path(&redrive, &row.path.queue));
            ids.push(path.id.clone());
            let mut info = listed(&row);
            info.path = path;
            info.headers = task.headers;
            assert_eq!(ParkedTask::read(&info), Err(UnreadableTask::Note));
            assert_eq!(Note::of(&info), Some(redrive.clone()));
            let body = task.body;
            assert_eq!(Note::read(&WholeTask { info, body }), Ok(note));
        }
        ids.dedup();
        assert_eq!(ids.len(), NoteKind::ALL.len());
        assert_eq!(Note::of(&listed(&row)), None);

        let damaged = WholeTask {
            info: listed(&row),
            body: b"{}".to_vec(),
        };
        assert!(Note::read(&damaged).is_err());
    }
}
