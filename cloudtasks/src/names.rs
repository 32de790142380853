//! Names of Cloud Tasks resources, parsed once and valid from then on.
//!
//! Alphabets and lengths are documented in `google/cloud/tasks/v2/queue.proto` and `task.proto`.

use std::fmt;
use std::str::FromStr;

/// An invalid name. The message says what a valid one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `projects/P/locations/L/queues/Q`.
    #[error(
        "{0:?} is not a queue's full path: write projects/PROJECT/locations/LOCATION/queues/QUEUE"
    )]
    QueuePath(String),
    /// Not `projects/P/locations/L/queues/Q/tasks/T`.
    #[error(
        "{0:?} is not a task's full path: write projects/PROJECT/locations/LOCATION/queues/QUEUE/tasks/TASK"
    )]
    TaskPath(String),
    /// A project id or number with an invalid length or character.
    #[error("{0:?} is not a project: use 1 to 100 letters, digits, hyphens, colons and periods")]
    Project(String),
    /// A location with an invalid length or character.
    #[error("{0:?} is not a location: use a region such as europe-west1")]
    Location(String),
    /// A queue id with an invalid length or character.
    #[error("{0:?} is not a queue id: use 1 to 100 letters, digits and hyphens")]
    QueueId(String),
    /// A task id with an invalid length or character.
    #[error("{0:?} is not a task id: use 1 to 500 letters, digits, hyphens and underscores")]
    TaskId(String),
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $error:ident, $max:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let allowed: fn(u8) -> bool = $allowed;
                let fits = !text.is_empty() && text.len() <= $max && text.bytes().all(allowed);
                fits.then(|| Self(text.to_owned()))
                    .ok_or_else(|| NameError::$error(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A Google Cloud project, by id or number.
    ProjectId, Project, 100, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b':' | b'.')
);
id!(
    /// A Cloud Tasks location, such as `europe-west1`.
    LocationId, Location, 63, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'
);
id!(
    /// A queue's id within its location.
    QueueId, QueueId, 100, |b| b.is_ascii_alphanumeric() || b == b'-'
);
id!(
    /// A task's id within its queue.
    TaskId, TaskId, 500, |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
);

/// `projects/P/locations/L`: the parent of queues, and the scope of one `ListQueues`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocationPath {
    /// The project.
    pub project: ProjectId,
    /// The region.
    pub location: LocationId,
}

impl LocationPath {
    /// The full path of the queue `id` in this location.
    pub fn queue(&self, id: QueueId) -> QueuePath {
        QueuePath {
            parent: self.clone(),
            id,
        }
    }
}

impl fmt::Display for LocationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "projects/{}/locations/{}", self.project, self.location)
    }
}

/// `projects/P/locations/L/queues/Q`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueuePath {
    /// Project and location.
    pub parent: LocationPath,
    /// The queue's own id.
    pub id: QueueId,
}

impl QueuePath {
    /// The full path of the task `id` on this queue.
    pub fn task(&self, id: TaskId) -> TaskPath {
        TaskPath {
            queue: self.clone(),
            id,
        }
    }
}

impl fmt::Display for QueuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/queues/{}", self.parent, self.id)
    }
}

impl FromStr for QueuePath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["projects", project, "locations", location, "queues", queue] = parts[..] else {
            return Err(NameError::QueuePath(text.to_owned()));
        };
        let parent = LocationPath {
            project: project.parse()?,
            location: location.parse()?,
        };
        Ok(parent.queue(queue.parse()?))
    }
}

/// `projects/P/locations/L/queues/Q/tasks/T`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskPath {
    /// The queue that holds the task.
    pub queue: QueuePath,
    /// The task's own id.
    pub id: TaskId,
}

impl fmt::Display for TaskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/tasks/{}", self.queue, self.id)
    }
}

impl FromStr for TaskPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (queue, id) = text
            .rsplit_once("/tasks/")
            .ok_or_else(|| NameError::TaskPath(text.to_owned()))?;
        Ok(queue.parse::<QueuePath>()?.task(id.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_paths_survive_a_round_trip() {
        let queue = "projects/my-project/locations/europe-west1/queues/incoming-2";
        assert_eq!(queue.parse::<QueuePath>().unwrap().to_string(), queue);
        let task = format!("{queue}/tasks/a_B-9");
        assert_eq!(task.parse::<TaskPath>().unwrap().to_string(), task);
    }

    #[test]
    fn an_invalid_name_is_refused_with_an_example_of_a_valid_one() {
        for (text, message) in [
            ("incoming", "is not a queue's full path"),
            (
                "projects/p/locations/l/queues/",
                "1 to 100 letters, digits and hyphens",
            ),
            (
                "projects/p/locations/l/queues/a_b",
                "1 to 100 letters, digits and hyphens",
            ),
            ("projects//locations/l/queues/q", "is not a project"),
            ("projects/p/locations/EU/queues/q", "use a region"),
            (
                "projects/p/locations/l/queues/q/",
                "is not a queue's full path",
            ),
        ] {
            let error = text.parse::<QueuePath>().unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
        assert!("x".repeat(100).parse::<QueueId>().is_ok());
        assert!("x".repeat(101).parse::<QueueId>().is_err());
        assert!("x".repeat(500).parse::<TaskId>().is_ok());
        assert!("x".repeat(501).parse::<TaskId>().is_err());
        assert!("a.b".parse::<TaskId>().is_err());
    }
}
