//! The queues of a location, as last listed.

use cloudtasks::{Queue, QueuePath};
use rpds::RedBlackTreeMapSync;

/// Queues by their paths. Copies share their entries: a location has a thousand queues, each of its
/// chains gets a copy, and each answer of Cloud Tasks changes one entry.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LocationQueues(RedBlackTreeMapSync<QueuePath, Queue>);

impl LocationQueues {
    /// The queue of this path, if it exists.
    pub fn get(&self, path: &QueuePath) -> Option<&Queue> {
        self.0.get(path)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, path: &QueuePath) -> Option<&mut Queue> {
        self.0.get_mut(path)
    }

    /// Whether it exists.
    pub fn contains_key(&self, path: &QueuePath) -> bool {
        self.0.contains_key(path)
    }

    /// All of them, by their paths.
    pub fn values(&self) -> impl Iterator<Item = &Queue> {
        self.0.values()
    }

    /// Their paths.
    pub fn keys(&self) -> impl Iterator<Item = &QueuePath> {
        self.0.keys()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
