//! Parked tasks in little memory: an operator keeps as many as 20,000.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use cloudtasks::QueueId;
use decide::{EndCause, Life, ParkedRecord, StageName, TaskReason};
use jiff::Timestamp;

use crate::task::ParkedTask;

/// A longer path is cut: 20,000 of them would take 40 MB.
const LONGEST_TARGET: usize = 200;

/// Parked tasks, without their names in the parking queue. What many of them share is kept once, and their
/// texts are in one place: many small ones would be scattered over a heap that then never shrinks.
#[derive(Debug, Clone, Default)]
pub struct ParkedRows {
    kinds: HashSet<Arc<Kind>>,
    texts: String,
    rows: Vec<Row>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedRow {
    /// The path and query that its handler is called with: of long ones, the first 200 characters.
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
    /// The task's id, and then its target.
    texts: Range<usize>,
    id_length: u32,
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
        let begin = self.texts.len();
        self.texts.push_str(task.as_str());
        let id_length = self.texts.len() - begin;
        self.texts.extend(target.chars().take(LONGEST_TARGET));
        self.rows.push(Row {
            kind,
            texts: begin..self.texts.len(),
            id_length: u32::try_from(id_length).expect("an id has at most 500 letters"),
            kept_until,
            at,
            life: life.map(Box::new),
        });
    }

    /// Puts those first that were parked last. No more follow.
    pub fn sort(&mut self) {
        let texts = &self.texts;
        let key = |row: &Row| (row.at, row.texts(texts));
        self.rows.sort_by(|a, b| key(b).cmp(&key(a)));
        self.rows.shrink_to_fit();
        self.texts.shrink_to_fit();
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
        self.rows.iter().map(|row| row.whole(&self.texts))
    }
}

impl Row {
    /// The task's id, and its target.
    fn texts<'a>(&self, all: &'a str) -> (&'a str, &'a str) {
        let id_length = usize::try_from(self.id_length).expect("it was one before");
        all[self.texts.clone()].split_at(id_length)
    }

    fn whole(&self, texts: &str) -> ParkedRow {
        let (task, target) = self.texts(texts);
        let Self {
            kind,
            texts: _,
            id_length: _,
            kept_until,
            at,
            life,
        } = self;
        ParkedRow {
            target: target.to_owned(),
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
        // With its texts, 200 bytes a task: 20,000 of them take 4 MB.
        assert!(size_of::<Row>() <= 72, "{}", size_of::<Row>());
    }

    #[test]
    fn a_long_path_is_cut() {
        let mut rows = ParkedRows::default();
        let mut task = parked("a", "no-stock", None, "2026-11-30T10:10:00Z");
        task.target = format!("/{}", "ä".repeat(300));
        rows.push(task);
        let target = rows.iter().next().unwrap().target;
        assert_eq!(target, format!("/{}", "ä".repeat(199)));
    }
}
