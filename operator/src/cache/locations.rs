//! The queues of each location that has chains, listed every few seconds, since queues have no watch.
//!
//! One list serves all chains of a location, so the number of calls doesn't grow with the number of
//! chains. A chain is reconciled when one of its queues has changed, and when Cloud Tasks becomes
//! unavailable or available again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cloudtasks::{Error, LocationPath, Queue, QueueId, QueuePath};
use console::{Known, QueueNumbers, Unknown};
use execute::AdminClient;
use jiff::Timestamp;
use kube::Resource;
use parking_lot::Mutex;
use plan::LocationQueues;
use plan::model::queue_headers::{is_parking, owner};

use crate::cache::queue_stats::{self, LocationStats};
use crate::chain::{NamespacedName, Triggers, name_of, trigger};
use crate::stage_numbers::{AllNumbers, ParkingNumbers, StageNumbers};
use crate::telemetry::metrics::Metrics;
use crate::viewers::Viewers;

/// So many failed lists in a row are an outage.
const OUTAGE: u32 = 2;
/// A shorter period only exhausts a quota.
const MIN_PERIOD: Duration = Duration::from_millis(500);

/// The queues of each location, as last listed.
pub struct LocationCache {
    cloud: AdminClient,
    metrics: Arc<Metrics>,
    periods: Periods,
    locations: Mutex<Locations>,
    viewers: Viewers,
    triggers: Triggers,
}

/// How often Cloud Tasks is asked.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// For queues.
    pub queues: Duration,
    /// For their live numbers; `None`: never.
    pub stats: Option<Duration>,
}

#[derive(Default)]
struct Locations {
    known: BTreeMap<LocationPath, Arc<Location>>,
    /// How many have been added so far, former ones included.
    added: u32,
}

#[derive(Default)]
struct Location {
    /// Held during a list, so that lists end in the order in which they begin.
    listing: tokio::sync::Mutex<()>,
    state: Mutex<LocationState>,
    /// The live numbers of its queues, if they are asked for.
    stats: Option<Arc<LocationStats>>,
}

#[derive(Default)]
struct LocationState {
    /// The last successful list, and answers since; `None` before the first list.
    queues: Option<LocationQueues>,
    /// Answers since the current list began, which may not show them.
    answered: BTreeMap<QueuePath, Queue>,
    /// Why the last lists failed, and how many in a row.
    error: Option<Error>,
    failures: u32,
    /// Chains to be reconciled at the end of the period: without that pause, two chains that undo each
    /// other's changes would do so in a tight loop.
    concerned: BTreeSet<NamespacedName>,
    /// The queues that each chain watches.
    watched: BTreeMap<NamespacedName, WatchedQueues>,
    /// The number of the last list that has begun, and of the last that has ended. One may be canceled in
    /// between.
    begun: u64,
    ended: u64,
}

/// The queues that a chain watches.
pub struct WatchedQueues {
    /// The queues in its spec.
    pub queues: BTreeSet<QueuePath>,
    /// And those with this owner in their header.
    pub owner: String,
    /// The names and queues of its stages.
    pub stages: Vec<(String, QueueId)>,
}

impl LocationCache {
    /// An empty cache. Chains that are to be reconciled go to `triggers`.
    pub fn new(
        cloud: AdminClient,
        metrics: Arc<Metrics>,
        periods: Periods,
        viewers: Viewers,
        triggers: Triggers,
    ) -> Arc<Self> {
        Arc::new(Self {
            cloud,
            metrics,
            periods: Periods {
                queues: periods.queues.max(MIN_PERIOD),
                stats: periods.stats.map(|period| period.max(MIN_PERIOD)),
            },
            locations: Mutex::default(),
            viewers,
            triggers,
        })
    }

    /// The queues of a location, at most a few seconds old; an error during an outage. From now on the
    /// chain is reconciled when one of `watched` changes.
    pub async fn get(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
        watched: WatchedQueues,
    ) -> Result<LocationQueues, Error> {
        let location = self.location(parent, Some((name_of(chain), watched)));
        if location.state.lock().ended == 0 {
            self.list(parent, &location).await;
        }
        location.state.lock().outcome()
    }

    /// The queues of a location, by a list that begins now.
    pub async fn list_now(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
    ) -> Result<LocationQueues, Error> {
        let location = self.location(parent, None);
        self.list(parent, &location).await;
        let mut state = location.state.lock();
        // It is being reconciled with this very list.
        state.concerned.remove(&name_of(chain));
        match &state.error {
            Some(error) => Err(error.clone()),
            None => state.outcome(),
        }
    }

    /// The queues of every other location that has chains, as far as they were listed.
    pub fn all_but(&self, parent: &LocationPath) -> Vec<LocationQueues> {
        let locations = self.locations.lock();
        let others = locations.known.iter().filter(|(it, _)| *it != parent);
        let queues = others.filter_map(|(_, it)| it.state.lock().queues.clone());
        queues.collect()
    }

    /// The queues of a location, as last listed; `None` if no chain is there.
    pub fn known(&self, parent: &LocationPath) -> Option<LocationQueues> {
        let location = self.locations.lock().known.get(parent).cloned()?;
        let state = location.state.lock();
        state.queues.clone()
    }

    /// The live numbers of the queue of each chain's stages, without those that were not listed yet, and of
    /// the queues that keep parked tasks.
    pub fn all_numbers(&self) -> AllNumbers {
        let known = self.locations.lock().known.clone();
        let now = Instant::now();
        let mut all = AllNumbers::default();
        for (parent, location) in known {
            let Some(stats) = &location.stats else {
                continue;
            };
            let listed = location.state.lock();
            all.parking.extend(parking_numbers(&listed, stats, now));
            for (chain, watched) in &listed.watched {
                all.stages
                    .extend(watched.stages.iter().filter_map(|(stage, queue)| {
                        Some(StageNumbers {
                            chain: chain.clone(),
                            stage: stage.clone(),
                            queue: parent.queue(queue.clone()),
                            numbers: stats.of(queue, now)?,
                        })
                    }));
            }
        }
        all
    }

    /// The live numbers of a queue.
    pub fn queue_numbers(&self, queue: &QueuePath) -> Known<QueueNumbers> {
        if self.periods.stats.is_none() {
            return Unknown::TurnedOff.into();
        }
        let locations = self.locations.lock();
        let location = locations.known.get(&queue.parent);
        let stats = location.and_then(|it| it.stats.as_ref());
        let numbers = stats.and_then(|stats| stats.of(&queue.id, Instant::now()));
        numbers.unwrap_or(Unknown::Pending.into())
    }

    /// Takes what Cloud Tasks has answered to a chain's writes, which saves a list.
    pub fn answered(
        self: &Arc<Self>,
        chain: &impl Resource,
        parent: &LocationPath,
        queues: &[Queue],
    ) {
        let location = self.location(parent, None);
        let mut state = location.state.lock();
        let Some(known) = &state.queues else { return };
        let changes = QueueChanges::by(known, queues);
        // Other chains may use the same notifier's queue.
        let concerned = changes.concerned(&state.watched);
        state.concerned.extend(concerned);
        state.concerned.remove(&name_of(chain));
        state.answered(queues);
    }

    /// A chain no longer exists. A location without chains is no longer listed.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        for location in self.locations.lock().known.values() {
            location.state.lock().watched.remove(&name);
        }
    }

    /// The state of a location, which is listed from now on while a chain watches it.
    fn location(
        self: &Arc<Self>,
        parent: &LocationPath,
        watches: Option<(NamespacedName, WatchedQueues)>,
    ) -> Arc<Location> {
        let mut locations = self.locations.lock();
        let location = if let Some(location) = locations.known.get(parent) {
            Arc::clone(location)
        } else {
            let location = Arc::new(Location {
                stats: self
                    .periods
                    .stats
                    .map(|it| Arc::new(LocationStats::new(it))),
                ..Location::default()
            });
            let known = Arc::clone(&location);
            locations.known.insert(parent.clone(), known);
            let share = share_of_period(locations.added);
            let first = self.periods.queues.mul_f64(share);
            locations.added = locations.added.wrapping_add(1);
            if let Some((stats, period)) = location.stats.as_ref().zip(self.periods.stats) {
                let (stats, cloud) = (Arc::downgrade(stats), self.cloud.clone());
                let second = period.mul_f64(share);
                let viewers = self.viewers.clone();
                let parent = parent.clone();
                tokio::spawn(queue_stats::poll(stats, cloud, parent, second, viewers));
            }
            let cache = Arc::downgrade(self);
            let polled = Arc::clone(&location);
            tokio::spawn(poll(cache, parent.clone(), polled, first));
            location
        };
        // Under the lock of the map, so that the location can't be dropped in between.
        location.state.lock().watched.extend(watches);
        location
    }

    /// Lists once. A list that began after this call and has ended meanwhile does as well.
    async fn list(&self, parent: &LocationPath, location: &Location) {
        // A list that runs now may have begun before this call.
        let before = location.state.lock().begun;
        let _listing = location.listing.lock().await;
        let number = {
            let mut state = location.state.lock();
            if state.ended > before {
                return;
            }
            state.begin()
        };
        let listed = self.cloud.list_queues(parent).await;
        self.metrics.listed(listed.as_ref().err());
        let mut state = location.state.lock();
        state.ended = number;
        state.take(listed);
    }
}

/// The numbers of the queues that keep parked tasks of the location's chains, former ones too.
fn parking_numbers(
    listed: &LocationState,
    stats: &LocationStats,
    now: Instant,
) -> Vec<ParkingNumbers> {
    let watched = listed.watched.iter();
    let chains: BTreeMap<&str, &NamespacedName> = watched
        .map(|(chain, watched)| (watched.owner.as_str(), chain))
        .collect();
    let queues = listed.queues.iter().flat_map(|queues| queues.values());
    let parking = queues.filter(|queue| is_parking(queue));
    let at = Timestamp::now();
    let numbers = parking.filter_map(|queue| {
        let chain = chains.get(owner(queue)?)?;
        let numbers = *stats.of(&queue.path.id, now)?.value()?;
        // A parked task has no schedule time of its own, so it is due since it was created.
        let age = |since: Timestamp| at.duration_since(since).try_into().unwrap_or_default();
        Some(ParkingNumbers {
            chain: NamespacedName::clone(chain),
            queue: queue.path.clone(),
            tasks: numbers.tasks,
            oldest: numbers.first_due.map(age),
        })
    });
    numbers.collect()
}

/// Lists a location every period, until no chain watches it or the cache is dropped, at the end of a
/// term as the leader.
async fn poll(
    cache: Weak<LocationCache>,
    parent: LocationPath,
    location: Arc<Location>,
    first: Duration,
) {
    let Some(period) = cache.upgrade().map(|it| it.periods.queues) else {
        return;
    };
    let mut usual = first;
    loop {
        // Whether one failure is an outage should be known soon.
        let is_doubtful = (1..OUTAGE).contains(&location.state.lock().failures);
        let pause = if is_doubtful { MIN_PERIOD } else { usual };
        usual = period;
        tokio::time::sleep(pause).await;
        let Some(cache) = cache.upgrade() else {
            return;
        };
        {
            let mut locations = cache.locations.lock();
            if location.state.lock().watched.is_empty() {
                locations.known.remove(&parent);
                return;
            }
        }
        cache.list(&parent, &location).await;
        let concerned = std::mem::take(&mut location.state.lock().concerned);
        for chain in &concerned {
            trigger(&cache.triggers, chain);
        }
    }
}

/// After which share of a period a location is listed for the second time. At a start all locations are
/// listed at once; this spreads their later lists evenly.
fn share_of_period(number: u32) -> f64 {
    // Multiples of the golden ratio divide any circle evenly.
    1.0 - (f64::from(number) * 0.618_033_988_75).fract()
}

impl LocationState {
    /// The cached queues. One failed list, such as one that timed out, is no outage.
    fn outcome(&self) -> Result<LocationQueues, Error> {
        match (&self.error, &self.queues) {
            (Some(error), None) => Err(error.clone()),
            (Some(error), Some(_)) if self.is_outage() => Err(error.clone()),
            (_, Some(queues)) => Ok(queues.clone()),
            (None, None) => Ok(LocationQueues::default()),
        }
    }

    fn is_outage(&self) -> bool {
        self.failures >= OUTAGE
    }

    /// A list begins. Returns its number.
    fn begin(&mut self) -> u64 {
        self.answered.clear();
        self.begun += 1;
        self.begun
    }

    fn answered(&mut self, queues: &[Queue]) {
        let known = self.queues.get_or_insert_default();
        known.extend(queues.iter().cloned());
        let answered = queues.iter().cloned();
        self.answered
            .extend(answered.map(|queue| (queue.path.clone(), queue)));
    }

    /// Takes the outcome of a list, and notes the chains that it concerns.
    fn take(&mut self, listed: Result<Vec<Queue>, Error>) {
        let was_outage = self.is_outage();
        let queues = match listed {
            Ok(queues) => queues,
            Err(error) => {
                self.error = Some(error);
                self.failures = self.failures.saturating_add(1);
                if !was_outage && self.is_outage() {
                    self.concerned.extend(self.watched.keys().cloned());
                }
                return;
            }
        };
        self.error = None;
        self.failures = 0;
        let answered = std::mem::take(&mut self.answered);
        let known = self.queues.as_ref();
        if !was_outage && known.is_some_and(|known| known.are(&queues)) {
            return;
        }
        let mut queues: LocationQueues = queues.into_iter().collect();
        queues.extend(answered.into_values());
        let concerned: Vec<NamespacedName> = if was_outage {
            self.watched.keys().cloned().collect()
        } else {
            QueueChanges::between(self.queues.as_ref(), &queues).concerned(&self.watched)
        };
        self.concerned.extend(concerned);
        self.queues = Some(queues);
    }
}

/// Queues that differ between two lists.
#[derive(Default)]
struct QueueChanges<'a> {
    queues: BTreeSet<&'a QueuePath>,
    /// Their owners before and now.
    owners: BTreeSet<&'a str>,
}

impl<'a> QueueChanges<'a> {
    fn between(before: Option<&'a LocationQueues>, now: &'a LocationQueues) -> Self {
        let former = |path| before.and_then(|before| before.get(path));
        let gone = before.into_iter().flat_map(|before| before.values());
        let gone = gone.filter(|queue| now.get(&queue.path).is_none());
        let all = now.values().map(|queue| (former(&queue.path), Some(queue)));
        Self::of(all.chain(gone.map(|queue| (Some(queue), None))))
    }

    /// The changes that answers make.
    fn by(before: &'a LocationQueues, answers: &'a [Queue]) -> Self {
        let answers = answers.iter();
        Self::of(answers.map(|queue| (before.get(&queue.path), Some(queue))))
    }

    fn of(pairs: impl Iterator<Item = (Option<&'a Queue>, Option<&'a Queue>)>) -> Self {
        let mut changes = Self::default();
        for queue in pairs
            .filter(|(before, now)| before != now)
            .flat_map(|(before, now)| before.into_iter().chain(now))
        {
            changes.queues.insert(&queue.path);
            changes.owners.extend(owner(queue));
        }
        changes
    }

    /// The chains that watch one of them.
    fn concerned(&self, watched: &BTreeMap<NamespacedName, WatchedQueues>) -> Vec<NamespacedName> {
        let concerned = watched.iter().filter(|(_, it)| self.concern(it));
        concerned.map(|(name, _)| name.clone()).collect()
    }

    fn concern(&self, watched: &WatchedQueues) -> bool {
        let mut queues = watched.queues.iter();
        self.owners.contains(watched.owner.as_str())
            || queues.any(|queue| self.queues.contains(queue))
    }
}

#[cfg(test)]
mod tests {
    use cloudtasks::{Queue, QueueState};

    use super::{LocationState, share_of_period};

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
    fn a_list_that_began_before_an_answer_does_not_undo_it() {
        let mut state = LocationState::default();
        state.take(Ok(vec![queue(1.0)]));
        let rate = |state: &LocationState| {
            let queues = state.outcome().unwrap();
            let mut queues = queues.values();
            queues.next().map(|queue| queue.max_dispatches_per_second)
        };
        state.begin();
        state.answered(&[queue(2.0)]);
        assert_eq!(rate(&state), Some(2.0));
        state.take(Ok(vec![queue(1.0)]));
        assert_eq!(rate(&state), Some(2.0));
        state.begin();
        state.take(Ok(vec![queue(1.0)]));
        assert_eq!(rate(&state), Some(1.0), "it was changed back");
    }

    #[test]
    fn the_lists_of_many_locations_are_spread_over_a_period() {
        for count in [2, 5, 20, 40] {
            let mut shares: Vec<f64> = (0..count).map(share_of_period).collect();
            shares.sort_by(f64::total_cmp);
            assert!(shares.iter().all(|it| *it > 0.0 && *it <= 1.0));
            let gaps = shares.windows(2).map(|pair| pair[1] - pair[0]);
            let least = gaps.fold(f64::INFINITY, f64::min);
            assert!(least * f64::from(count) > 0.3, "{count}: {shares:?}");
        }
    }
}
