//! The queues of a location, as last listed.

use std::ops::Deref;

use cloudtasks::{Queue, QueuePath};
use rpds::RedBlackTreeMapSync;

use super::queue_headers::{limits_holder, owner};

/// Queues by their paths. Copies share their entries: a location has a thousand queues, each of its
/// chains gets a copy, and each answer of Cloud Tasks changes one entry.
#[derive(Debug, Clone)]
pub struct LocationQueues {
    queues: RedBlackTreeMapSync<QueuePath, Queue>,
    /// Which of them name a chain, in order: a plan looks for its chain's again and again. `None` once one was
    /// changed in place.
    by_chain: Option<RedBlackTreeMapSync<String, Vec<QueuePath>>>,
}

impl Default for LocationQueues {
    fn default() -> Self {
        Self {
            queues: RedBlackTreeMapSync::default(),
            by_chain: Some(RedBlackTreeMapSync::default()),
        }
    }
}

impl PartialEq for LocationQueues {
    fn eq(&self, other: &Self) -> bool {
        self.queues == other.queues
    }
}

impl Deref for LocationQueues {
    type Target = RedBlackTreeMapSync<QueuePath, Queue>;

    fn deref(&self) -> &Self::Target {
        &self.queues
    }
}

impl LocationQueues {
    /// The queues that name a chain: it manages them, or sets their limits.
    pub fn naming<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Queue> {
        let indexed = self.by_chain.as_ref();
        let its = indexed
            .and_then(|by_chain| by_chain.get(chain))
            .into_iter()
            .flatten()
            .filter_map(|path| self.queues.get(path));
        let all = indexed.is_none().then(|| self.queues.values());
        let named = all.into_iter().flatten();
        its.chain(named.filter(move |queue| chains(queue).any(|it| it == chain)))
    }

    /// Whether these are all of them, as they are.
    pub fn are(&self, queues: &[Queue]) -> bool {
        let mut all = queues.iter();
        queues.len() == self.queues.size()
            && all.all(|queue| self.queues.get(&queue.path) == Some(queue))
    }

    /// The queue of this path, to be changed.
    pub fn get_mut(&mut self, path: &QueuePath) -> Option<&mut Queue> {
        self.by_chain = None;
        self.queues.get_mut(path)
    }

    /// Adds a queue, or replaces the one of its path.
    pub fn insert(&mut self, queue: Queue) {
        if let Some(by_chain) = &mut self.by_chain {
            if let Some(former) = self.queues.get(&queue.path) {
                forget(by_chain, former);
            }
            for chain in chains(&queue) {
                let mut named = by_chain.get(chain).cloned().unwrap_or_default();
                if let Err(place) = named.binary_search(&queue.path) {
                    named.insert(place, queue.path.clone());
                    by_chain.insert_mut(chain.to_owned(), named);
                }
            }
        }
        self.queues.insert_mut(queue.path.clone(), queue);
    }

    /// Removes a queue.
    pub fn remove(&mut self, path: &QueuePath) {
        if let Some((by_chain, former)) = self.by_chain.as_mut().zip(self.queues.get(path)) {
            forget(by_chain, former);
        }
        self.queues.remove_mut(path);
    }
}

/// The chains that a queue names.
fn chains(queue: &Queue) -> impl Iterator<Item = &str> {
    owner(queue).into_iter().chain(limits_holder(queue))
}

fn forget(by_chain: &mut RedBlackTreeMapSync<String, Vec<QueuePath>>, former: &Queue) {
    for chain in chains(former) {
        let mut named = by_chain.get(chain).cloned().unwrap_or_default();
        named.retain(|path| *path != former.path);
        if named.is_empty() {
            by_chain.remove_mut(chain);
        } else {
            by_chain.insert_mut(chain.to_owned(), named);
        }
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

#[cfg(test)]
mod tests {
    use cloudtasks::{HttpTarget, Queue, QueueState};

    use super::*;
    use crate::model::queue_headers::{NOTIFIER_HEADER, OWNER_HEADER};

    fn queue(id: &str, headers: &[(&str, &str)]) -> Queue {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let path = format!("projects/demo/locations/europe-west1/queues/{id}");
        Queue {
            path: path.parse().unwrap(),
            state: QueueState::Running,
            max_dispatches_per_second: 1.0,
            max_concurrent_dispatches: 10,
            max_attempts: -1,
            max_retry_duration: None,
            min_backoff: std::time::Duration::from_millis(100),
            max_backoff: std::time::Duration::from_secs(10),
            max_doublings: 16,
            http_target: Some(HttpTarget {
                headers: headers.collect(),
                ..HttpTarget::default()
            }),
        }
    }

    fn naming(queues: &LocationQueues, chain: &str) -> Vec<String> {
        let named = queues.naming(chain);
        named.map(|queue| queue.path.id.to_string()).collect()
    }

    #[test]
    fn the_queues_that_name_a_chain_are_known_through_every_change() {
        let ours = [(OWNER_HEADER, "a")];
        let held = [(NOTIFIER_HEADER, "a")];
        let both = [(OWNER_HEADER, "a"), (NOTIFIER_HEADER, "a")];
        let all = [
            queue("d", &ours),
            queue("c", &held),
            queue("b", &both),
            queue("a", &[(OWNER_HEADER, "b")]),
            queue("e", &[]),
        ];
        let mut queues: LocationQueues = all.iter().cloned().collect();
        assert!(queues.are(&all) && !queues.are(&all[1..]));
        let before = queues.clone();
        assert_eq!(naming(&queues, "a"), ["b", "c", "d"]);
        assert_eq!(naming(&queues, "b"), ["a"]);
        queues.insert(queue("d", &[(OWNER_HEADER, "b")]));
        queues.insert(queue("e", &ours));
        queues.remove(&all[2].path);
        queues.remove(&all[2].path);
        assert!(!queues.are(&all));
        assert_eq!(naming(&queues, "a"), ["c", "e"]);
        assert_eq!(naming(&queues, "b"), ["a", "d"]);
        assert_eq!(naming(&before, "a"), ["b", "c", "d"], "a copy is its own");
        let path = all[4].path.clone();
        let changed = queues.get_mut(&path).unwrap();
        changed.http_target = None;
        assert_eq!(naming(&queues, "a"), ["c"]);
        queues.insert(queue("f", &ours));
        assert_eq!(naming(&queues, "a"), ["c", "f"]);
        assert_eq!(naming(&queues, "c"), [""; 0]);
    }
}
