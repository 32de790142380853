//! The lives of a task: a parked task that is redriven begins a new one, with ids of its own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::task_ids::RootId;

/// A life of a task after its first. Each has attempts, an end and a notification of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// 2 for the life after the first redrive, and so on.
    pub number: u32,
    /// The root of the first life.
    pub first: RootId,
    /// The redrive that began this life. A redrive moves no task of its own twice.
    pub redrive: RedriveId,
}

/// Identifies a redrive: its object's UID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedriveId(String);

/// A text that is not a redrive's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not valid: use 1 to 63 letters, digits and hyphens")]
pub struct InvalidRedriveId(String);

impl Life {
    /// The life that a redrive begins of a task in its first life.
    pub fn second(first: RootId, redrive: RedriveId) -> Self {
        Self {
            number: 2,
            first,
            redrive,
        }
    }

    /// The life that a redrive begins of a task in this life.
    #[must_use]
    pub fn next(&self, redrive: RedriveId) -> Self {
        Self {
            number: self.number.saturating_add(1),
            first: self.first.clone(),
            redrive,
        }
    }

    /// The root of this life: what the ids of its tasks and its notification follow from.
    pub fn root(&self) -> RootId {
        self.first.life(self.number)
    }

    /// The root of the life before.
    pub fn root_before(&self) -> RootId {
        match self.number.saturating_sub(1) {
            0 | 1 => self.first.clone(),
            before => self.first.life(before),
        }
    }

    /// Whether the number is one that a redrive gives.
    pub(super) fn is_valid(&self) -> bool {
        // At the largest number the next life would be this one.
        (2..u32::MAX).contains(&self.number)
    }
}

impl RedriveId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedriveId {
    type Err = InvalidRedriveId;

    fn from_str(text: &str) -> Result<Self, InvalidRedriveId> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let fits = (1..=63).contains(&text.len()) && text.bytes().all(legal);
        fits.then(|| Self(text.to_owned()))
            .ok_or_else(|| InvalidRedriveId(text.to_owned()))
    }
}

impl TryFrom<String> for RedriveId {
    type Error = InvalidRedriveId;

    fn try_from(text: String) -> Result<Self, InvalidRedriveId> {
        text.parse()
    }
}

impl From<RedriveId> for String {
    fn from(id: RedriveId) -> Self {
        id.0
    }
}

impl fmt::Display for RedriveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
