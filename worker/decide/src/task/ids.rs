//! The ids of the tasks that the worker creates, derived so that two workers which do the same
//! work twice give the same name, and Cloud Tasks keeps one.
//!
//! A task's id follows from its root and its hop, never from a stage's name or place: in a ladder
//! that is reordered while tasks climb, such a name could come up twice, and the second task
//! would be taken for the first. The notification's id follows from the root alone, whatever the
//! outcome, so that a task cannot end twice.
//!
//! Each id begins with a hash, because Cloud Tasks asks for names that don't share prefixes.

use std::fmt;
use std::str::FromStr;

use cloudtasks::{TaskId, TaskPath};
use sha2::{Digest, Sha256};

/// The hexadecimal digits kept of a hash: 128 bits.
const DIGITS: usize = 32;

/// What all the tasks that one producer's task becomes have in common: a hash of its first
/// queue's full path and its first id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Root(String);

/// A text that is no root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a root is {DIGITS} hexadecimal digits in lower case")]
pub struct NotARoot;

impl Root {
    /// The root of the task that a producer put on `first.queue`.
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

    /// The id of the task that carries the notification, and of the event in it.
    pub fn notification(&self) -> TaskId {
        task_id(&format!("{}-end", hash(&["notification", &self.0])))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Root {
    type Err = NotARoot;

    fn from_str(text: &str) -> Result<Self, NotARoot> {
        let hexadecimal = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
        let fits = text.len() == DIGITS && text.bytes().all(hexadecimal);
        fits.then(|| Self(text.to_owned())).ok_or(NotARoot)
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        // No name contains it, so that no two lists of parts read the same.
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
    fn ids_stay_what_they_are_between_releases() {
        // Workers of two releases are alive together during a rollout, and must agree.
        let root = Root::of(&first("order-1"));
        assert_eq!(root.as_str(), "f037f9747548e06c29b9810fe8314fcd");
        assert_eq!(root.task(1).as_str(), "1b0eda1f4158d054372a1f289222c73e-1");
        assert_eq!(
            root.notification().as_str(),
            "069c5c32ae1dfbd970023b1fc5b290cd-end"
        );
    }

    #[test]
    fn no_two_ids_are_the_same() {
        let mut seen = HashSet::new();
        for task in ["a", "b", "a-1", "1"] {
            let root = Root::of(&first(task));
            assert!(seen.insert(root.notification()));
            for hop in 0..70 {
                assert!(seen.insert(root.task(hop)), "{task}, hop {hop}");
            }
        }
    }
}
