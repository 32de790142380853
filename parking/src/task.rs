//! A task in a parking queue.

use std::time::Duration;

use cloudtasks::{TaskInfo, TaskPath};
use decide::ParkedRecord;
use decide::task::{PARKED_HEADER, ParkedRecordError};
use jiff::Timestamp;

/// Cloud Tasks deletes a task this long after its creation, in a paused queue too.
pub const RETENTION: Duration = Duration::from_hours(31 * 24);

/// The header of a mover's own note in a parking queue. Its value is the redrive's id.
pub const NOTE_HEADER: &str = "executor-redrive-note";

/// A task in a parking queue, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedTask {
    /// Its name in the parking queue.
    pub path: TaskPath,
    /// The path and query that its handler is called with.
    pub target: String,
    /// When it was created there, by Cloud Tasks' clock.
    pub created: Timestamp,
    /// Why it was parked.
    pub record: ParkedRecord,
}

/// A task in a parking queue that no worker parked, or a newer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableTask {
    /// It has no record.
    #[error("no worker has parked it: the header {PARKED_HEADER} is missing")]
    NotParked,
    /// A mover keeps it there, to know its canary after a restart.
    #[error("it is the note of a redrive with a canary")]
    Note,
    /// It has a record that can't be read.
    #[error(transparent)]
    Record(#[from] ParkedRecordError),
}

impl ParkedTask {
    /// Reads a task of a list.
    pub fn read(task: &TaskInfo) -> Result<Self, UnreadableTask> {
        let value = header(task, PARKED_HEADER).ok_or_else(|| match header(task, NOTE_HEADER) {
            Some(_) => UnreadableTask::Note,
            None => UnreadableTask::NotParked,
        })?;
        Ok(Self {
            path: task.path.clone(),
            target: target(&task.url).to_owned(),
            created: task.created,
            record: ParkedRecord::read(value)?,
        })
    }

    /// When Cloud Tasks deletes it.
    pub fn kept_until(&self) -> Timestamp {
        self.created
            .saturating_add(RETENTION)
            .unwrap_or(Timestamp::MAX)
    }
}

/// A header's value. Cloud Tasks may write names in another way.
pub(crate) fn header<'a>(task: &'a TaskInfo, name: &str) -> Option<&'a str> {
    let mut headers = task.headers.iter();
    let (_, value) = headers.find(|(it, _)| it.eq_ignore_ascii_case(name))?;
    Some(value)
}

/// Path and query of an absolute URL.
fn target(url: &str) -> &str {
    let Some((_, rest)) = url.split_once("://") else {
        return url;
    };
    rest.find('/').map_or("/", |begin| &rest[begin..])
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use decide::EndCause;

    use super::*;

    /// A parked task, for the tests of this crate.
    pub fn parked(task: &str, reason: &str, status: Option<u16>, at: &str) -> ParkedTask {
        let at: Timestamp = at.parse().unwrap();
        ParkedTask {
            path: format!("projects/p/locations/l/queues/parked/tasks/{task}-parked")
                .parse()
                .unwrap(),
            target: "/orders".into(),
            created: at,
            record: ParkedRecord {
                task: task.parse().unwrap(),
                queue: "orders".parse().unwrap(),
                stage: "slow".parse().unwrap(),
                cause: EndCause::Exhausted,
                reason: reason.parse().unwrap(),
                status,
                at,
                life: None,
            },
        }
    }

    /// The same as Cloud Tasks lists it.
    pub fn listed(task: &ParkedTask) -> TaskInfo {
        TaskInfo {
            path: task.path.clone(),
            created: task.created,
            scheduled: task.created,
            first_dispatched: None,
            dispatch_count: 0,
            response_count: 0,
            dispatch_deadline: None,
            url: format!("http://x{}", task.target),
            method: None,
            headers: BTreeMap::from([(PARKED_HEADER.to_owned(), task.record.encode())]),
        }
    }

    #[test]
    fn a_listed_task_is_read_and_a_foreign_one_is_not() {
        let task = parked("order-1", "no-stock", Some(409), "2026-11-30T10:00:00Z");
        let mut listed = listed(&task);
        assert_eq!(ParkedTask::read(&listed), Ok(task.clone()));
        let until: Timestamp = "2026-12-31T10:00:00Z".parse().unwrap();
        assert_eq!(task.kept_until(), until);

        // Cloud Tasks may write names in another way.
        let value = listed.headers.remove(PARKED_HEADER).unwrap();
        let name = "Executor-Parked".to_owned();
        listed.headers.insert(name, value);
        assert_eq!(ParkedTask::read(&listed), Ok(task));

        listed.headers.clear();
        assert_eq!(ParkedTask::read(&listed), Err(UnreadableTask::NotParked));
    }

    #[test]
    fn a_target_is_the_path_and_query_of_a_url() {
        assert_eq!(target("http://x/orders?id=1"), "/orders?id=1");
        assert_eq!(target("http://x"), "/");
        assert_eq!(target(""), "");
    }
}
