//! The inventory: the queues of each location in which there are chains, listed every few seconds,
//! since queues have no watch.
//!
//! One list serves all chains of a location, so the number of calls does not grow with theirs. A
//! chain is reconciled when one of its queues has changed, or when Cloud Tasks went away or came
//! back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use cloudtasks::{Error, LocationPath, Queue, QueuePath};
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::Resource;
use kube_runtime::reflector::ObjectRef;
use plan::LocationQueues;

use crate::calls::Calls;
use crate::metrics::Metrics;
use crate::name::{Name, name, tell};
use crate::reconcile::Chain;

/// As many failed lists in a row are an outage.
const OUTAGE: u32 = 2;
/// Oftener than this helps nobody, and a quota is used up.
const LEAST_PERIOD: Duration = Duration::from_millis(500);

/// What Cloud Tasks has, as last listed.
pub struct Inventory {
    cloud: Calls,
    metrics: Arc<Metrics>,
    period: Duration,
    places: Mutex<Places>,
    changes: UnboundedSender<ObjectRef<Chain>>,
}

#[derive(Default)]
struct Places {
    known: BTreeMap<LocationPath, Arc<Place>>,
    /// How many there were so far, those without chains too.
    begun: u32,
}

/// One location.
#[derive(Default)]
struct Place {
    /// Held while a list is under way, so that none overtakes another.
    listing: tokio::sync::Mutex<()>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// As the last good list says, and what was answered since; `None` before the first.
    queues: Option<LocationQueues>,
    /// What was answered since a list was begun, which may not show it.
    answered: BTreeMap<QueuePath, Queue>,
    /// Why the last lists failed, and how many of them in a row.
    error: Option<Error>,
    failures: u32,
    /// Chains that are to be told of changes. Once a period: two that undo each other's work should
    /// not do so without a pause.
    concerned: BTreeSet<Name>,
    /// What each chain wants to hear of.
    watched: BTreeMap<Name, Watched>,
    /// The number of the list that was begun last, and of the one that ended last. A list may be
    /// given up in between.
    begun: u64,
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
        cloud: Calls,
        metrics: Arc<Metrics>,
        period: Duration,
    ) -> (Arc<Self>, UnboundedReceiver<ObjectRef<Chain>>) {
        let (changes, reader) = unbounded();
        let inventory = Self {
            cloud,
            metrics,
            period: period.max(LEAST_PERIOD),
            places: Mutex::default(),
            changes,
        };
        (Arc::new(inventory), reader)
    }

    /// Where to tell of chains that are to be reconciled, for others who watch what chains have.
    pub fn changes(&self) -> UnboundedSender<ObjectRef<Chain>> {
        self.changes.clone()
    }

    /// The queues of a location, a few seconds old at most; an error if they could not be listed
    /// the last time. From then on the chain hears of changes of those in `watched`.
    pub async fn look(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
        watched: Watched,
    ) -> Result<LocationQueues, Error> {
        let place = self.place(parent, Some((name(chain), watched)));
        if place.seen().ended == 0 {
            self.list(parent, &place).await;
        }
        place.seen().outcome()
    }

    /// The queues of a location, listed after this was asked for.
    pub async fn look_again(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
    ) -> Result<LocationQueues, Error> {
        let place = self.place(parent, None);
        self.list(parent, &place).await;
        let mut seen = place.seen();
        // It knows of what has changed.
        seen.concerned.remove(&name(chain));
        match &seen.error {
            Some(error) => Err(error.clone()),
            None => seen.outcome(),
        }
    }

    /// Takes what Cloud Tasks has answered to a chain's writes: it need not be listed for that.
    pub fn answered(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
        queues: &[Queue],
    ) {
        let place = self.place(parent, None);
        let mut seen = place.seen();
        let Some(known) = &seen.queues else { return };
        let changes = Changes::by(known, queues);
        // Others may have a queue in common with it.
        let concerned = changes.concerned(&seen.watched);
        seen.concerned.extend(concerned);
        seen.concerned.remove(&name(chain));
        seen.answered(queues);
    }

    /// The chain is gone. A location without chains is listed no more.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        for place in self.places().known.values() {
            place.seen().watched.remove(&name);
        }
    }

    /// The place of a location, which is listed from now on for as long as somebody watches it.
    fn place(
        self: &Arc<Self>,
        parent: &LocationPath,
        watches: Option<(Name, Watched)>,
    ) -> Arc<Place> {
        let mut places = self.places();
        let place = if let Some(place) = places.known.get(parent) {
            Arc::clone(place)
        } else {
            let place = Arc::new(Place::default());
            places.known.insert(parent.clone(), Arc::clone(&place));
            let first = self.period.mul_f64(share(places.begun));
            places.begun = places.begun.wrapping_add(1);
            let inventory = Arc::downgrade(self);
            tokio::spawn(follow(inventory, parent.clone(), Arc::clone(&place), first));
            place
        };
        // While the map is held, so that the place isn't given up in between.
        place.seen().watched.extend(watches);
        place
    }

    /// Lists once; whoever waited for a list that has ended meanwhile, and was begun after he came,
    /// is content with that.
    async fn list(&self, parent: &LocationPath, place: &Place) {
        // One that is under way when we come may have looked before.
        let before = place.seen().begun;
        let _listing = place.listing.lock().await;
        let number = {
            let mut seen = place.seen();
            if seen.ended > before {
                return;
            }
            seen.begin()
        };
        let listed = self.cloud.list_queues(parent).await;
        self.metrics.listed(listed.as_ref().err());
        let mut seen = place.seen();
        seen.ended = number;
        seen.take(listed);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists a location every period, until no chain watches it or the inventory is gone: that of an
/// operator that leads no longer.
async fn follow(
    inventory: Weak<Inventory>,
    parent: LocationPath,
    place: Arc<Place>,
    first: Duration,
) {
    let Some(period) = inventory.upgrade().map(|it| it.period) else {
        return;
    };
    let mut usual = first;
    loop {
        // Whether a failure is an outage should be known soon.
        let is_doubtful = (1..OUTAGE).contains(&place.seen().failures);
        let pause = if is_doubtful { LEAST_PERIOD } else { usual };
        usual = period;
        tokio::time::sleep(pause).await;
        let Some(inventory) = inventory.upgrade() else {
            return;
        };
        {
            let mut places = inventory.places();
            if place.seen().watched.is_empty() {
                places.known.remove(&parent);
                return;
            }
        }
        inventory.list(&parent, &place).await;
        let concerned = std::mem::take(&mut place.seen().concerned);
        for chain in &concerned {
            tell(&inventory.changes, chain);
        }
    }
}

/// After which part of a period a location is listed for the second time, the first one after all of
/// it. After a restart all are met at once; so their lists don't stay together. Each is as far from those
/// before it as there is room.
fn share(number: u32) -> f64 {
    // Multiples of the golden ratio divide any circle evenly.
    1.0 - (f64::from(number) * 0.618_033_988_75).fract()
}

impl Place {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// What is known. One list that fails, such as one that a time limit cut off, is no outage.
    fn outcome(&self) -> Result<LocationQueues, Error> {
        match (&self.error, &self.queues) {
            (Some(error), None) => Err(error.clone()),
            (Some(error), Some(_)) if self.is_away() => Err(error.clone()),
            (_, Some(queues)) => Ok(queues.clone()),
            (None, None) => Ok(LocationQueues::default()),
        }
    }

    fn is_away(&self) -> bool {
        self.failures >= OUTAGE
    }

    /// A list is begun; its number.
    fn begin(&mut self) -> u64 {
        self.answered.clear();
        self.begun += 1;
        self.begun
    }

    /// Takes what was answered to writes.
    fn answered(&mut self, queues: &[Queue]) {
        let known = self.queues.get_or_insert_default();
        known.extend(queues.iter().cloned());
        let answered = queues.iter().cloned();
        self.answered
            .extend(answered.map(|queue| (queue.path.clone(), queue)));
    }

    /// Takes a list's outcome, and notes the chains that it concerns.
    fn take(&mut self, listed: Result<Vec<Queue>, Error>) {
        let was_away = self.is_away();
        let queues = match listed {
            Ok(queues) => queues,
            Err(error) => {
                self.error = Some(error);
                self.failures = self.failures.saturating_add(1);
                if !was_away && self.is_away() {
                    self.concerned.extend(self.watched.keys().cloned());
                }
                return;
            }
        };
        self.error = None;
        self.failures = 0;
        let mut queues: LocationQueues = queues.into_iter().collect();
        queues.extend(std::mem::take(&mut self.answered).into_values());
        let concerned: Vec<Name> = if was_away {
            self.watched.keys().cloned().collect()
        } else {
            Changes::between(self.queues.as_ref(), &queues).concerned(&self.watched)
        };
        self.concerned.extend(concerned);
        self.queues = Some(queues);
    }
}

/// What is not as it was.
#[derive(Default)]
struct Changes<'a> {
    queues: BTreeSet<&'a QueuePath>,
    /// Those that had it, and those that have it.
    owners: BTreeSet<&'a str>,
}

impl<'a> Changes<'a> {
    fn between(before: Option<&'a LocationQueues>, now: &'a LocationQueues) -> Self {
        let mut changes = Self::default();
        for queue in before.into_iter().flat_map(LocationQueues::values) {
            changes.note(queue, now.get(&queue.path));
        }
        for queue in now.values() {
            changes.note(queue, before.and_then(|before| before.get(&queue.path)));
        }
        changes
    }

    /// Those that answers make.
    fn by(before: &'a LocationQueues, answers: &'a [Queue]) -> Self {
        let mut changes = Self::default();
        for queue in answers {
            let known = before.get(&queue.path);
            changes.note(queue, known);
            if let Some(known) = known {
                changes.note(known, Some(queue));
            }
        }
        changes
    }

    /// Notes a queue where it is not as it is at the other time.
    fn note(&mut self, queue: &'a Queue, there: Option<&Queue>) {
        if there != Some(queue) {
            self.queues.insert(&queue.path);
            self.owners.extend(plan::model::queue_headers::owner(queue));
        }
    }

    /// The chains that want to hear of them.
    fn concerned(&self, watched: &BTreeMap<Name, Watched>) -> Vec<Name> {
        let concerned = watched.iter().filter(|(_, it)| self.concern(it));
        concerned.map(|(name, _)| name.clone()).collect()
    }

    fn concern(&self, watched: &Watched) -> bool {
        let mut queues = watched.queues.iter();
        self.owners.contains(watched.owner.as_str())
            || queues.any(|queue| self.queues.contains(queue))
    }
}

#[cfg(test)]
mod tests {
    use cloudtasks::{Queue, QueueState};

    use super::{Seen, share};

    fn queue(rate: f64) -> Queue {
        Queue {
            path: "projects/demo/locations/europe-west1/queues/incoming"
                .parse()
                .unwrap(),
            state: QueueState::Running,
            max_dispatches_per_second: rate,
            max_concurrent_dispatches: 10,
            max_attempts: -1,
            max_retry_duration: None,
            min_backoff: std::time::Duration::from_millis(100),
            max_backoff: std::time::Duration::from_secs(10),
            max_doublings: 16,
            http_target: None,
        }
    }

    #[test]
    fn a_list_that_was_under_way_does_not_undo_an_answer() {
        let mut seen = Seen::default();
        seen.take(Ok(vec![queue(1.0)]));
        let rate = |seen: &Seen| {
            let queues = seen.outcome().unwrap();
            let mut queues = queues.values();
            queues.next().map(|queue| queue.max_dispatches_per_second)
        };
        seen.begin();
        seen.answered(&[queue(2.0)]);
        assert_eq!(rate(&seen), Some(2.0));
        seen.take(Ok(vec![queue(1.0)]));
        assert_eq!(rate(&seen), Some(2.0));
        seen.begin();
        seen.take(Ok(vec![queue(1.0)]));
        assert_eq!(rate(&seen), Some(1.0), "somebody has put it back");
    }

    #[test]
    fn the_lists_of_many_locations_are_spread_over_a_period() {
        for count in [2, 5, 20, 40] {
            let mut shares: Vec<f64> = (0..count).map(share).collect();
            shares.sort_by(f64::total_cmp);
            assert!(shares.iter().all(|it| *it > 0.0 && *it <= 1.0));
            let gaps = shares.windows(2).map(|pair| pair[1] - pair[0]);
            let least = gaps.fold(f64::INFINITY, f64::min);
            assert!(least * f64::from(count) > 0.3, "{count}: {shares:?}");
        }
    }
}
