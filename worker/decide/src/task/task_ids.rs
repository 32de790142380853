//! The ids of the tasks that the worker creates. They are deterministic: two workers that do the same
//! work use the same id, and Cloud Tasks keeps one task.
//!
//! A task's id depends on its root and its hop, never on a stage's name or position: after a reorder
//! the same stage could come up twice. The notification's id depends on the root alone, so that a task
//! ends once. So does the parked task's. A redriven task has another root in each life: it ends once a
//! life. Each id begins with a hash, as Cloud Tasks recommends: names must not share prefixes.

use std::fmt;
use std::str::FromStr;

use cloudtasks::{TaskId, TaskPath};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hexadecimal digits kept of a hash: 128 bits.
const DIGITS: usize = 32;
/// The most hand-overs of a task. More are a loop: a chain has at most 16 stages, and edits and routes
/// can lead a task over some of them again.
pub const MAX_HOPS: u32 = 64;

/// Identifies a producer's task and all tasks that it becomes: a hash of the first queue's full path and
/// the first task's id. In later lives, a hash of that and of the life's number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootId(String);

/// A text that is not a root id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a root id is {DIGITS} hexadecimal digits in lower case")]
pub struct InvalidRootId;

impl RootId {
    /// The root id of a producer's task.
    pub fn of(first: &TaskPath) -> Self {
        Self(hash(&["root", &first.to_string()]))
    }

    /// The id of the task after `hop` hand-overs. At hop 0 the task has its producer's id.
    pub fn task(&self, hop: u32) -> TaskId {
        task_id(&format!(
            "{}-{hop}",
            hash(&["task", &self.0, &hop.to_string()])
        ))
    }

    /// The id of the task after `hop` hand-overs when it has been put off `later` times since, at least
    /// once. No hand-over has it: a copy of a handed-over task under its own name is none of these.
    ///
    /// It has the form of a hand-over's, so that workers that don't know of it wait for one that does.
    pub fn later(&self, hop: u32, later: u32) -> TaskId {
        let parts = ["later", &self.0, &hop.to_string(), &later.to_string()];
        let number = hop.saturating_add(1).min(MAX_HOPS);
        task_id(&format!("{}-{number}", hash(&parts)))
    }

    /// The root id of a later life of the task that has this root id in its first.
    #[must_use]
    pub fn life(&self, number: u32) -> Self {
        Self(hash(&["life", &self.0, &number.to_string()]))
    }

    /// The id of the task in the parking queue. A suffix may follow in later releases, so a reader must not
    /// rely on the end of the id.
    pub fn parked(&self) -> TaskId {
        task_id(&format!("{}-parked", hash(&["parked", &self.0])))
    }

    /// The id of the task that carries the notification, and of the event in it.
    pub fn notification(&self) -> TaskId {
        task_id(&format!("{}-end", hash(&["notification", &self.0])))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RootId {
    type Err = InvalidRootId;

    fn from_str(text: &str) -> Result<Self, InvalidRootId> {
        let hexadecimal = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        let fits = text.len() == DIGITS && text.bytes().all(hexadecimal);
        fits.then(|| Self(text.to_owned())).ok_or(InvalidRootId)
    }
}

impl TryFrom<String> for RootId {
    type Error = InvalidRootId;

    fn try_from(text: String) -> Result<Self, InvalidRootId> {
        text.parse()
    }
}

impl From<RootId> for String {
    fn from(root: RootId) -> Self {
        root.0
    }
}

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an id has the form of those that a hand-over creates, see [`RootId::task`].
pub fn is_handed_over(id: &TaskId) -> bool {
    let Some((hash, hop)) = id.as_str().split_once('-') else {
        return false;
    };
    let number = hop.parse().ok().filter(|hop| (1..=MAX_HOPS).contains(hop));
    hash.parse::<RootId>().is_ok() && number.is_some_and(|number| number.to_string() == hop)
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // A separator that no name contains, so that no two lists of parts are equal.
        hasher.update([0]);
    }
    let digest = hasher.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..DIGITS / 2]);
    format!("{:0DIGITS$x}", u128::from_be_bytes(bytes))
}

fn task_id(text: &str) -> TaskId {
    text.parse()
        .expect("hexadecimal digits, a hyphen and a suffix are a legal task id")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn first(task: &str) -> TaskPath {
        format!("projects/p/locations/l/queues/q/tasks/{task}")
            .parse()
            .unwrap()
    }

    #[test]
    fn ids_are_the_same_in_every_release() {
        // During a rollout, workers of two releases run side by side and must agree.
        let root = RootId::of(&first("order-1"));
        assert_eq!(root.as_str(), "f037f9747548e06c29b9810fe8314fcd");
        assert_eq!(root.task(1).as_str(), "1b0eda1f4158d054372a1f289222c73e-1");
        assert_eq!(
            root.notification().as_str(),
            "069c5c32ae1dfbd970023b1fc5b290cd-end"
        );
        assert_eq!(
            root.later(0, 1).as_str(),
            "efd1d8547fe001e24662732920464ada-1"
        );
        assert_eq!(
            root.later(2, 3).as_str(),
            "27d2d0cbff79957bed580ac119231935-3"
        );
        assert_eq!(
            root.later(64, 1).as_str(),
            "08789075770ef8dd5d7c08f02ec8453e-64"
        );
    }

    #[test]
    fn ids_are_unique() {
        let mut seen = HashSet::new();
        for task in ["a", "b", "a-1", "1"] {
            let root = RootId::of(&first(task));
            assert!(seen.insert(root.notification()));
            assert!(seen.insert(root.parked()));
            for life in 2..5 {
                let root = root.life(life);
                assert!(seen.insert(root.notification()), "{task}, life {life}");
                assert!(seen.insert(root.parked()), "{task}, life {life}");
                assert!(seen.insert(root.task(1)), "{task}, life {life}");
            }
            for hop in 0..70 {
                assert!(seen.insert(root.task(hop)), "{task}, hop {hop}");
                for later in 1..5 {
                    let id = root.later(hop, later);
                    assert!(seen.insert(id), "{task}, hop {hop}, put off {later} times");
                }
            }
        }
    }

    #[test]
    fn an_id_of_a_worker_is_known_by_its_form() {
        let root = RootId::of(&first("order-1"));
        for hop in [1, 9, 64] {
            assert!(is_handed_over(&root.task(hop)), "hop {hop}");
        }
        for hop in [0, 1, 63, 64] {
            assert!(is_handed_over(&root.later(hop, 1)), "hop {hop}, put off");
        }
        let hash = root.as_str();
        for other in [
            root.task(0),
            root.task(65),
            root.task(u32::MAX),
            root.notification(),
            root.parked(),
            "order-1".parse().unwrap(),
            hash.parse().unwrap(),
            format!("{hash}-01").parse().unwrap(),
            format!("{hash}-").parse().unwrap(),
            format!("{}-1", hash.to_uppercase()).parse().unwrap(),
        ] {
            assert!(!is_handed_over(&other), "{other}");
        }
    }
}
