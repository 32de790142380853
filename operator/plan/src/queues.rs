//! The queues of a location, as last listed.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use cloudtasks::{Queue, QueuePath};

/// Queues by their paths. Clones share them until one is changed: a location holds a thousand, and its
/// chains look at them all at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queues(Arc<BTreeMap<QueuePath, Queue>>);

impl FromIterator<Queue> for Queues {
    fn from_iter<T: IntoIterator<Item = Queue>>(queues: T) -> Self {
        let queues = queues.into_iter();
        Self(Arc::new(
            queues.map(|queue| (queue.path.clone(), queue)).collect(),
        ))
    }
}

impl Deref for Queues {
    type Target = BTreeMap<QueuePath, Queue>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Queues {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}
