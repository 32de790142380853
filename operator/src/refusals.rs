//! Which pushes workers refuse for their token. They have no right to tell it in Kubernetes, so they
//! are asked for their counters: seldom, a few of each stage, and never by a round.
//!
//! A status is not made from counters: it changes when a reason comes up, and again when it has not
//! come up for a while.

mod ask;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube_runtime::reflector::ObjectRef;
use worker_contract::ports;

use crate::name::{Name, name, tell};
use crate::reconcile::Chain;
use ask::Asker;
use tally::Tally;

/// How many pods of a stage are asked at a time; the others have their turn.
const EACH_TIME: usize = 3;
/// How many are asked at once, of all chains.
const AT_ONCE: usize = 16;
/// Oftener than this helps nobody.
const LEAST_PERIOD: Duration = Duration::from_millis(100);

/// The reasons for refusals, by the queue whose pushes they were.
pub type Seen = BTreeMap<QueuePath, BTreeSet<String>>;

/// A ready pod whose worker demands tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    name: String,
    queue: QueuePath,
    address: IpAddr,
}

impl Guard {
    /// Of a pod, if it is one.
    pub fn of(pod: &Pod) -> Option<Self> {
        let known = plan::Pod::of(pod)?;
        known.required_token?;
        let status = pod.status.as_ref()?;
        let mut conditions = status.conditions.iter().flatten();
        let is_ready = conditions.any(|it| it.type_ == "Ready" && it.status == "True");
        let address = status.pod_ip.as_ref()?.parse().ok()?;
        is_ready.then_some(Self {
            name: known.name,
            queue: known.queue,
            address,
        })
    }
}

/// What the workers of every chain have refused.
pub struct Refusals {
    period: Duration,
    chains: Mutex<BTreeMap<Name, Watched>>,
    changes: UnboundedSender<ObjectRef<Chain>>,
}

#[derive(Default)]
struct Watched {
    guards: Vec<Guard>,
    stages: BTreeMap<QueuePath, Tally>,
    /// What its status was told.
    told: Seen,
}

impl Refusals {
    /// Asks from now on, once in a period, for as long as the value lives. With the chains that are to
    /// be reconciled for it.
    pub fn new(period: Duration) -> (Arc<Self>, UnboundedReceiver<ObjectRef<Chain>>) {
        let (changes, reader) = unbounded();
        let refusals = Arc::new(Self {
            period: period.max(LEAST_PERIOD),
            chains: Mutex::default(),
            changes,
        });
        tokio::spawn(keep_asking(Arc::downgrade(&refusals), refusals.period));
        (refusals, reader)
    }

    /// From now on these pods of the chain are asked, and no others.
    pub fn watch(&self, chain: &impl Resource, guards: Vec<Guard>) {
        let mut chains = self.chains();
        if guards.is_empty() {
            chains.remove(&name(chain));
            return;
        }
        let watched = chains.entry(name(chain)).or_default();
        let is_there = |queue: &QueuePath| guards.iter().any(|guard| guard.queue == *queue);
        watched.stages.retain(|queue, _| is_there(queue));
        watched.guards = guards;
    }

    /// What the chain's workers have refused lately.
    pub fn seen(&self, chain: &impl Resource) -> Seen {
        let mut chains = self.chains();
        let Some(watched) = chains.get_mut(&name(chain)) else {
            return Seen::new();
        };
        watched.told = watched.seen(Instant::now(), self.period);
        watched.told.clone()
    }

    /// The chain is gone.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.chains().remove(&name);
    }

    /// Asks those whose turn it is, and has chains reconciled of which something else is to be told.
    async fn ask(&self, asker: &Asker, round: usize) {
        let turns = self.turns(round);
        let answers = futures::stream::iter(turns).map(async |(chain, guard)| {
            let to = SocketAddr::new(guard.address, ports::ADMIN);
            let counters = asker.ask(to).await;
            (chain, guard, counters)
        });
        let mut answers = std::pin::pin!(answers.buffer_unordered(AT_ONCE));
        while let Some((chain, guard, counters)) = answers.next().await {
            let mut chains = self.chains();
            let watched = chains.get_mut(&chain);
            if let Some((watched, counters)) = watched.zip(counters) {
                let tally = watched.stages.entry(guard.queue).or_default();
                tally.take(guard.name, counters, Instant::now());
            }
        }
        for (chain, watched) in &mut *self.chains() {
            let pods = watched.guards.iter().map(|guard| guard.name.as_str());
            let pods: BTreeSet<&str> = pods.collect();
            for tally in watched.stages.values_mut() {
                tally.keep(&pods);
            }
            if watched.seen(Instant::now(), self.period) != watched.told {
                tell(&self.changes, chain);
            }
        }
    }

    fn turns(&self, round: usize) -> Vec<(Name, Guard)> {
        let chains = self.chains();
        let mut turns = Vec::new();
        for (chain, watched) in &*chains {
            let mut stages: BTreeMap<&QueuePath, Vec<&Guard>> = BTreeMap::new();
            for guard in &watched.guards {
                stages.entry(&guard.queue).or_default().push(guard);
            }
            for mut pods in stages.into_values() {
                pods.sort_by(|one, other| one.name.cmp(&other.name));
                let first = round.wrapping_mul(EACH_TIME) % pods.len();
                let turn = pods.iter().cycle().skip(first);
                let turn = turn.take(EACH_TIME.min(pods.len()));
                turns.extend(turn.map(|guard| (chain.clone(), Guard::clone(guard))));
            }
        }
        turns
    }

    fn chains(&self) -> MutexGuard<'_, BTreeMap<Name, Watched>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn seen(&self, now: Instant, period: Duration) -> Seen {
        let stages = self.stages.iter();
        stages
            .filter_map(|(queue, tally)| Some((queue.clone(), tally.lately(now, period)?)))
            .collect()
    }
}

async fn keep_asking(refusals: Weak<Refusals>, period: Duration) {
    let asker = Asker::default();
    for round in 0.. {
        tokio::time::sleep(period).await;
        let Some(refusals) = refusals.upgrade() else {
            return;
        };
        refusals.ask(&asker, round).await;
    }
}
