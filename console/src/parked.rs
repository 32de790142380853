//! From a list of a parking queue to what people asked for.

use jiff::Timestamp;
use parking::{ParkedRow, ParkedRows, ParkedTask, UnreadableTask, groups};

use crate::model::{MOST_GROUPS, ParkedGroup, ParkedItem, ParkedQuery, ParkedReply};

/// What was listed of a parking queue.
#[derive(Debug, Clone)]
pub struct ParkedListing {
    /// When the last page came.
    pub at: Timestamp,
    /// The tasks that can be read, those first that were parked last.
    pub rows: ParkedRows,
    /// How many can't be read.
    pub unreadable: u64,
    /// Why not all tasks were listed: a sentence. `None` if all were.
    pub incomplete: Option<String>,
}

impl ParkedListing {
    /// A list that has not begun.
    pub fn empty(at: Timestamp) -> Self {
        Self {
            at,
            rows: ParkedRows::default(),
            unreadable: 0,
            incomplete: None,
        }
    }

    /// Adds a task of the list.
    pub fn add(&mut self, read: Result<ParkedTask, UnreadableTask>) {
        match read {
            Ok(task) => self.rows.push(task),
            // Of a redrive, and soon gone.
            Err(UnreadableTask::Note) => {}
            Err(UnreadableTask::NotParked | UnreadableTask::Record(_)) => self.unreadable += 1,
        }
    }

    /// The tasks of it.
    pub fn tasks(&self) -> usize {
        let unreadable = usize::try_from(self.unreadable).unwrap_or(usize::MAX);
        self.rows.len().saturating_add(unreadable)
    }

    /// What was asked for, of the parking queue with this ID. `stale`: why there is no newer list.
    pub fn reply(
        &self,
        queue: &str,
        query: ParkedQuery,
        stale: Option<String>,
        now: Timestamp,
    ) -> ParkedReply {
        let ParkedQuery {
            by,
            mut filter,
            since,
            limit,
        } = query;
        if let Some(since) = since {
            let after = now.saturating_sub(since.0).unwrap_or(Timestamp::MIN);
            filter.parked_after = filter.parked_after.max(Some(after));
        }
        let meant = || {
            let rows = self.rows.iter();
            rows.filter(|row| filter.matches_record(&row.record))
        };
        let mut found = groups(meant().map(|row| row.record), &by);
        let tasks = found.iter().map(|group| group.tasks).sum();
        let all_groups = found.len();
        found.truncate(MOST_GROUPS);
        let shown = found.len();
        ParkedReply {
            at: self.at,
            queue: queue.to_owned(),
            stale,
            listed: count(self.tasks()),
            at_least: self.incomplete.is_some(),
            incomplete: self.incomplete.clone(),
            unreadable: self.unreadable,
            tasks,
            by: by.iter().map(ToString::to_string).collect(),
            groups: found.into_iter().map(ParkedGroup::from).collect(),
            more_groups: count(all_groups - shown),
            items: meant().take(limit).map(ParkedItem::from).collect(),
        }
    }
}

impl From<parking::Group> for ParkedGroup {
    fn from(group: parking::Group) -> Self {
        let parking::Group {
            values,
            tasks,
            first,
            last,
        } = group;
        Self {
            values,
            tasks,
            first,
            last,
        }
    }
}

impl From<ParkedRow> for ParkedItem {
    fn from(row: ParkedRow) -> Self {
        let ParkedRow {
            target,
            kept_until,
            record,
        } = row;
        Self {
            task: record.task.to_string(),
            queue: record.queue.to_string(),
            path: target,
            stage: record.stage.to_string(),
            cause: record.cause.to_string(),
            reason: record.reason.to_string(),
            status: record.status,
            parked: record.at,
            kept_until,
            life: record.life.as_ref().map(|life| life.number),
            redrive: record.life.map(|life| life.redrive.to_string()),
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
