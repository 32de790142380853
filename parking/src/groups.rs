//! How many parked tasks there are of each kind.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use decide::ParkedRecord;
use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use jiff::{Timestamp, TimestampRound, Unit};

/// What tasks are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKey {
    /// The reason of their end.
    Reason,
    /// Its cause, one of few.
    Cause,
    /// The stage that they ended on.
    Stage,
    /// The handler's last status.
    Status,
    /// The hour in which they were parked, in UTC.
    Hour,
}

/// A text that is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key: write reason, cause, stage, status or hour")]
pub struct InvalidGroupKey(String);

/// Tasks that are alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they share, one value for each key.
    pub values: Vec<String>,
    /// How many there are.
    pub tasks: u64,
    /// When the first of them was parked.
    pub first: Timestamp,
    /// When the last of them was parked.
    pub last: Timestamp,
}

/// The groups of these tasks, the largest first.
pub fn groups<R: Borrow<ParkedRecord>>(
    tasks: impl IntoIterator<Item = R>,
    keys: &[GroupKey],
) -> Vec<Group> {
    let mut found: BTreeMap<Vec<String>, Group> = BTreeMap::new();
    for task in tasks {
        let record = task.borrow();
        let values: Vec<String> = keys.iter().map(|key| key.value(record)).collect();
        let at = record.at;
        let group = found.entry(values.clone()).or_insert_with(|| Group {
            values,
            tasks: 0,
            first: at,
            last: at,
        });
        group.tasks += 1;
        group.first = group.first.min(at);
        group.last = group.last.max(at);
    }
    let mut groups: Vec<Group> = found.into_values().collect();
    groups.sort_by(|a, b| {
        let largest_first = b.tasks.cmp(&a.tasks);
        largest_first.then_with(|| a.values.cmp(&b.values))
    });
    groups
}

impl GroupKey {
    /// Every key.
    pub const ALL: [Self; 5] = [
        Self::Reason,
        Self::Cause,
        Self::Stage,
        Self::Status,
        Self::Hour,
    ];

    /// The key's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Cause => "cause",
            Self::Stage => "stage",
            Self::Status => "status",
            Self::Hour => "hour",
        }
    }

    fn value(self, record: &ParkedRecord) -> String {
        match self {
            Self::Reason => record.reason.to_string(),
            Self::Cause => record.cause.to_string(),
            Self::Stage => record.stage.to_string(),
            Self::Status => record
                .status
                .map_or_else(|| "none".to_owned(), |status| status.to_string()),
            Self::Hour => {
                let hour = TimestampRound::new()
                    .smallest(Unit::Hour)
                    .mode(jiff::RoundMode::Trunc);
                let hour = record.at.round(hour).unwrap_or(record.at);
                let hour = hour.to_zoned(TimeZone::UTC);
                let end = hour.checked_add(1.hour()).unwrap_or_else(|_| hour.clone());
                format!(
                    "{} to {}",
                    hour.strftime("%m-%d %H:00"),
                    end.strftime("%H:00")
                )
            }
        }
    }
}

impl FromStr for GroupKey {
    type Err = InvalidGroupKey;

    fn from_str(text: &str) -> Result<Self, InvalidGroupKey> {
        let mut all = Self::ALL.into_iter();
        all.find(|key| key.as_str() == text)
            .ok_or_else(|| InvalidGroupKey(text.to_owned()))
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::tests::parked;

    #[test]
    fn tasks_are_grouped_by_what_they_share() {
        let tasks = [
            parked("a", "no-stock", Some(409), "2026-11-30T10:10:00Z"),
            parked("b", "timeout", None, "2026-11-30T10:20:00Z"),
            parked("c", "no-stock", Some(409), "2026-11-30T11:30:00Z"),
            parked("d", "no-stock", Some(410), "2026-11-30T23:59:59Z"),
        ];
        let of = |keys: &[GroupKey]| {
            let records = tasks.iter().map(|task| &task.record);
            let groups = groups(records, keys).into_iter();
            groups
                .map(|group| (group.values.join("/"), group.tasks))
                .collect::<Vec<_>>()
        };
        let counts = |rows: &[(&str, u64)]| {
            let rows = rows.iter();
            rows.map(|(text, tasks)| ((*text).to_owned(), *tasks))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(&[GroupKey::Reason]),
            counts(&[("no-stock", 3), ("timeout", 1)])
        );
        assert_eq!(
            of(&[GroupKey::Status]),
            counts(&[("409", 2), ("410", 1), ("none", 1)])
        );
        assert_eq!(
            of(&[GroupKey::Reason, GroupKey::Status]),
            counts(&[
                ("no-stock/409", 2),
                ("no-stock/410", 1),
                ("timeout/none", 1)
            ])
        );
        assert_eq!(
            of(&[GroupKey::Hour]),
            counts(&[
                ("11-30 10:00 to 11:00", 2),
                ("11-30 11:00 to 12:00", 1),
                ("11-30 23:00 to 00:00", 1),
            ])
        );
        assert_eq!(of(&[]), counts(&[("", 4)]));
        for key in GroupKey::ALL {
            assert_eq!(key.as_str().parse(), Ok(key));
        }
        let error = "color".parse::<GroupKey>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""color" is not a key: write reason, cause, stage, status or hour"#
        );
    }
}
