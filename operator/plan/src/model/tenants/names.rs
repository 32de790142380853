//! What an entry of the allow-list names.

use std::fmt;
use std::str::FromStr;

use cloudtasks::{QueueId, QueuePath};

/// How the ids of queues begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePrefix(QueueId);

impl QueuePrefix {
    /// Whether the id of a queue begins so.
    pub fn begins(&self, queue: &QueuePath) -> bool {
        queue.id.as_str().starts_with(self.0.as_str())
    }
}

impl FromStr for QueuePrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(
                "every queue begins with an empty prefix: remove it, or omit the whole list to allow any queue"
                    .to_owned(),
            );
        }
        // The characters and the length of an id are those of its beginning.
        text.parse().map(Self).map_err(|_| {
            format!(
                "no queue begins with {text:?}: use 1 to 100 letters, digits and hyphens, such as shop-"
            )
        })
    }
}

impl fmt::Display for QueuePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The email address of a service account. Case matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount(String);

impl ServiceAccount {
    /// Whether an email address is this account's.
    pub fn is(&self, email: &str) -> bool {
        self.0 == email
    }
}

impl FromStr for ServiceAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('@').collect();
        let is_part = |part: &&str| {
            let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !part.is_empty() && part.bytes().all(is_of_name)
        };
        let is_email = parts.len() == 2 && parts.iter().all(is_part);
        is_email.then(|| Self(text.to_owned())).ok_or_else(|| {
            format!(
                "{text:?} is not the email address of a service account: write one such as pusher@my-project.iam.gserviceaccount.com"
            )
        })
    }
}

impl fmt::Display for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
