//! The queues of a location, as last listed.

use std::ops::Deref;

use cloudtasks::{Queue, QueuePath};
use rpds::RedBlackTreeMapSync;

/// Queues by their paths. Copies share their entries: a location has a thousand queues, each of its
/// chains gets a copy, and each answer of Cloud Tasks changes one entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LocationQueues(RedBlackTreeMapSync<QueuePath, Queue>);

impl Deref for LocationQueues {
    type Target = RedBlackTreeMapSync<QueuePath, Queue>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl LocationQueues {
    /// The queue of this path, to be changed.
    pub fn get_mut(&mut self, path: &QueuePath) -> Option<&mut Queue> {
        self.0.get_mut(path)
    }

    /// Adds a queue, or replaces the one of its path.
    pub fn insert(&mut self, queue: Queue) {
        self.0.insert_mut(queue.path.clone(), queue);
    }

    /// Removes a queue.
    pub fn remove(&mut self, path: &QueuePath) {
        self.0.remove_mut(path);
    }
}

impl Extend<Queue> for LocationQueues {
    fn extend<T: IntoIterator<Item = Queue>>(&mut self, queues: T) {
        for queue in queues {
            self.insert(queue);
        }
    }
}

impl FromIterator<Queue> for LocationQueues {
    fn from_iter<T: IntoIterator<Item = Queue>>(queues: T) -> Self {
        let mut all = Self::default();
        all.extend(queues);
        all
    }
}
