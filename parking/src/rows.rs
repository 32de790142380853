//! Parked tasks in little memory: an operator keeps as many as 20,000.

use std::collections::HashSet;
use std::sync::Arc;

use cloudtasks::QueueId;
use decide::{EndCause, Life, ParkedRecord, StageName, TaskReason};
use jiff::Timestamp;

use crate::task::ParkedTask;

/// Parked tasks, without their names in the parking queue. What many of them share is kept once.
#[derive(Debug, Clone, Default)]
pub struct ParkedRows {
    kinds: HashSet<Arc<Kind>>,
    rows: Vec<Row>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    /// The path and query that its handler is called with.
    pub target: String,
    /// When Cloud Tasks deletes it.
    pub kept_until: Timestamp,
    /// Why it was parked.
    pub record: ParkedRecord,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    queue: QueueId,
    stage: StageName,
    cause: EndCause,
    reason: TaskReason,
    status: Option<u16>,
}

#[derive(Debug, Clone)]
struct Row {
    kind: Arc<Kind>,
    task: Box<str>,
    target: Box<str>,
    kept_until: Timestamp,
    at: Timestamp,
    life: Option<Box<Life>>,
}

impl ParkedRows {
    /// Adds a task.
    pub fn push(&mut self, task: ParkedTask) {
        let kept_until = task.kept_until();
        let ParkedTask {
            path: _,
            target,
            created: _,
            record,
        } = task;
        let ParkedRecord {
            task,
            queue,
            stage,
            cause,
            reason,
            status,
            at,
            life,
        } = record;
        let kind = Kind {
            queue,
            stage,
            cause,
            reason,
            status,
        };
        let kind = if let Some(known) = self.kinds.get(&kind) {
            Arc::clone(known)
        } else {
            let kind = Arc::new(kind);
            self.kinds.insert(Arc::clone(&kind));
            kind
        };
        self.rows.push(Row {
            kind,
            task: task.as_str().into(),
            target: target.into(),
            kept_until,
            at,
            life: life.map(Box::new),
        });
    }

    /// Puts those first that were parked last.
    pub fn sort(&mut self) {
        self.rows
            .sort_by(|a, b| (b.at, &b.task).cmp(&(a.at, &a.task)));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = ParkedRow> {
        self.rows.iter().map(Row::whole)
    }
}

impl Row {
    fn whole(&self) -> ParkedRow {
        let Self {
            kind,
            task,
            target,
            kept_until,
            at,
            life,
        } = self;
        ParkedRow {
            target: target.to_string(),
            kept_until: *kept_until,
            record: ParkedRecord {
                task: task.parse().expect("it was a task's id before"),
                queue: kind.queue.clone(),
                stage: kind.stage.clone(),
                cause: kind.cause,
                reason: kind.reason.clone(),
                status: kind.status,
                at: *at,
                life: life.as_deref().cloned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::parked;

    #[test]
    fn rows_are_the_tasks_that_they_were_and_share_what_is_alike() {
        let tasks = [
            parked("a", "no-stock", Some(409), "2026-11-30T10:10:00Z"),
            parked("b", "timeout", None, "2026-11-30T10:20:00Z"),
            parked("c", "no-stock", Some(409), "2026-11-30T11:30:00Z"),
        ];
        let mut rows = ParkedRows::default();
        for task in tasks.clone() {
            rows.push(task);
        }
        let mut whole = tasks.map(|task| ParkedRow {
            target: task.target.clone(),
            kept_until: task.kept_until(),
            record: task.record,
        });
        assert_eq!(rows.iter().collect::<Vec<_>>(), whole);
        rows.sort();
        whole.reverse();
        assert_eq!(rows.iter().collect::<Vec<_>>(), whole);
        assert_eq!((rows.len(), rows.kinds.len()), (3, 2));
        // With the two texts, less than 200 bytes a task: 20,000 of them take less than 4 MB.
        assert!(size_of::<Row>() <= 96, "{}", size_of::<Row>());
    }
}
