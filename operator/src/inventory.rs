//! The inventory: the queues of each location in which there are chains, listed every few seconds,
//! since queues have no watch.
//!
//! One list serves all chains of a location, so the number of calls does not grow with theirs. A
//! chain is reconciled when one of its queues has changed, or when Cloud Tasks went away or came
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloudtasks::{CloudTasks, Error, LocationPath, Queue, QueuePath};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::Resource;
use kube_runtime::reflector::ObjectRef;

use crate::reconcile::Chain;

/// Queues by their paths.
pub type Queues = BTreeMap<QueuePath, Queue>;

/// Namespace and name of a chain.
type Name = (String, String);

/// What Cloud Tasks has, as last listed.
pub struct Inventory {
    cloud: CloudTasks,
    period: Duration,
    places: Mutex<BTreeMap<LocationPath, Arc<Place>>>,
    changes: UnboundedSender<ObjectRef<Chain>>,
}

/// One location.
#[derive(Default)]
struct Place {
    /// How many lists have been begun. Held while one is under way, so that none overtakes another.
    begun: tokio::sync::Mutex<u64>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// As the last good list says; `None` before the first.
    queues: Option<Queues>,
    /// Why the last list failed, if it did.
    error: Option<Error>,
    /// What each chain wants to hear of.
    watched: BTreeMap<Name, Watched>,
    /// The number of the list that ended last.
    ended: u64,
}

/// The queues that a chain wants to hear of.
pub struct Watched {
    /// Those that its spec names.
    pub queues: BTreeSet<QueuePath>,
    /// And those that have this owner written on them.
    pub owner: String,
}

impl Inventory {
    /// An empty inventory, and the chains that it wants to have reconciled.
    pub fn new(
        cloud: CloudTasks,
        period: Duration,
    ) -> (Arc<Self>, UnboundedReceiver<ObjectRef<Chain>>) {
        let (changes, reader) = unbounded();
        let inventory = Self {
            cloud,
            period,
            places: Mutex::default(),
            changes,
        };
        (Arc::new(inventory), reader)
    }

    /// The queues of a location, a few seconds old at most; an error if they could not be listed
    /// the last time. From then on the chain hears of changes of those in `watched`.
    pub async fn look(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
        watched: Watched,
    ) -> Result<Queues, Error> {
        let place = self.place(parent, Some((name(chain), watched)));
        if place.seen().ended == 0 {
            self.list(parent, &place, None).await;
        }
        place.seen().outcome()
    }

    /// The queues of a location, listed after this was asked for.
    pub async fn look_again(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
    ) -> Result<Queues, Error> {
        let place = self.place(parent, None);
        self.list(parent, &place, Some(&name(chain))).await;
        place.seen().outcome()
    }

    /// The chain is gone. A location without chains is listed no more.
    pub fn forget(&self, chain: &impl Resource) {
        for place in self.places().values() {
            place.seen().watched.remove(&name(chain));
        }
    }

    /// The place of a location, which is listed from now on for as long as somebody watches it.
    fn place(
        self: &Arc<Self>,
        parent: &LocationPath,
        watches: Option<(Name, Watched)>,
    ) -> Arc<Place> {
        let mut places = self.places();
        let place = if let Some(place) = places.get(parent) {
            Arc::clone(place)
        } else {
            let place = Arc::new(Place::default());
            places.insert(parent.clone(), Arc::clone(&place));
            tokio::spawn(Arc::clone(self).follow(parent.clone(), Arc::clone(&place)));
            place
        };
        // While the map is held, so that the place isn't given up in between.
        place.seen().watched.extend(watches);
        place
    }

    async fn follow(self: Arc<Self>, parent: LocationPath, place: Arc<Place>) {
        loop {
            tokio::time::sleep(self.period).await;
            {
                let mut places = self.places();
                if place.seen().watched.is_empty() {
                    places.remove(&parent);
                    return;
                }
            }
            self.list(&parent, &place, None).await;
        }
    }

    /// Lists once; whoever waited for a list that has ended meanwhile, and was begun after he came,
    /// is content with that. `asker` knows what changed, and isn't told.
    async fn list(&self, parent: &LocationPath, place: &Place, asker: Option<&Name>) {
        let needed = place.seen().ended + 1;
        let mut begun = place.begun.lock().await;
        // One that was under way when we came may have looked before that.
        let is_enough = *begun > needed;
        if is_enough {
            return;
        }
        *begun += 1;
        let listed = self.cloud.list_queues(parent).await;
        let concerned = {
            let mut seen = place.seen();
            seen.ended = *begun;
            seen.take(listed)
        };
        for name in concerned.iter().filter(|name| Some(*name) != asker) {
            let (namespace, chain) = name;
            let chain = ObjectRef::new(chain).within(namespace);
            // Nobody listens any more when the operator stops.
            let _ = self.changes.unbounded_send(chain);
        }
    }

    fn places(&self) -> MutexGuard<'_, BTreeMap<LocationPath, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn outcome(&self) -> Result<Queues, Error> {
        match (&self.error, &self.queues) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(queues)) => Ok(queues.clone()),
            (None, None) => Ok(Queues::new()),
        }
    }

    /// Takes a list's outcome, and names the chains that it concerns.
    fn take(&mut self, listed: Result<Vec<Queue>, Error>) -> BTreeSet<Name> {
        let was_away = self.error.is_some();
        let queues = match listed {
            Ok(queues) => queues,
            Err(error) => {
                self.error = Some(error);
                let all = self.watched.keys();
                return all.filter(|_| !was_away).cloned().collect();
            }
        };
        self.error = None;
        let queues: Queues = queues
            .into_iter()
            .map(|queue| (queue.path.clone(), queue))
            .collect();
        let changed: Vec<&Queue> = difference(self.queues.as_ref(), &queues);
        let concerns = |watched: &Watched| {
            let is_theirs = |queue: &&Queue| {
                let owner = plan::queue::owner(queue);
                watched.queues.contains(&queue.path) || owner == Some(&watched.owner)
            };
            was_away || changed.iter().any(is_theirs)
        };
        let watched = self.watched.iter();
        let concerned = watched
            .filter(|(_, watched)| concerns(watched))
            .map(|(name, _)| name.clone())
            .collect();
        self.queues = Some(queues);
        concerned
    }
}

/// Every queue that is not what it was, as it was and as it is.
fn difference<'a>(before: Option<&'a Queues>, now: &'a Queues) -> Vec<&'a Queue> {
    let before = before.into_iter().flat_map(BTreeMap::values);
    let other = |queue: &&Queue, there: Option<&Queue>| there != Some(*queue);
    let gone: Vec<&Queue> = before
        .clone()
        .filter(|it| other(it, now.get(&it.path)))
        .collect();
    let old: BTreeMap<&QueuePath, &Queue> = before.map(|it| (&it.path, it)).collect();
    let new = now
        .values()
        .filter(|it| other(it, old.get(&it.path).copied()));
    gone.into_iter().chain(new).collect()
}

fn name(chain: &impl Resource) -> Name {
    let metadata = chain.meta();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}
