//! Pushes that workers refuse for their token. Workers have no rights in Kubernetes, so the operator
//! scrapes their counters: seldom, a few pods of each stage, and never within a reconcile.
//!
//! A status doesn't follow counters: it changes when a reason appears, and when it has not appeared for
//! a while.

mod scrape;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use parking_lot::Mutex;
use worker_contract::ports;

use crate::chain::{NamespacedName, Triggers, name_of, trigger};
use scrape::Scraper;
use window::FailureWindow;

/// How many pods of a stage are scraped in one period; the others have their turn later.
const PODS_PER_PERIOD: usize = 3;
/// How many pods are scraped concurrently, of all chains.
const CONCURRENCY: usize = 16;
const MIN_PERIOD: Duration = Duration::from_millis(100);

/// The reasons of recent refusals, by queue.
pub type FailureReasons = BTreeMap<QueuePath, BTreeSet<String>>;

/// A ready pod whose worker requires tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeTarget {
    name: String,
    queue: QueuePath,
    address: IpAddr,
}

impl ScrapeTarget {
    /// `None` for other pods.
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

/// Recent refusals of every chain's workers.
pub struct AuthFailures {
    period: Duration,
    chains: Mutex<BTreeMap<NamespacedName, ScrapedChain>>,
    triggers: Triggers,
}

#[derive(Default)]
struct ScrapedChain {
    targets: Vec<ScrapeTarget>,
    stages: BTreeMap<QueuePath, FailureWindow>,
    /// What its status reports.
    reported: FailureReasons,
}

impl AuthFailures {
    /// Scrapes once a period, until the value is dropped. Chains that are to be reconciled go to
    /// `triggers`.
    pub fn new(period: Duration, triggers: Triggers) -> Arc<Self> {
        let failures = Arc::new(Self {
            period: period.max(MIN_PERIOD),
            chains: Mutex::default(),
            triggers,
        });
        tokio::spawn(keep_scraping(Arc::downgrade(&failures), failures.period));
        failures
    }

    /// From now on these pods of the chain are scraped, and no others.
    pub fn watch(&self, chain: &impl Resource, targets: Vec<ScrapeTarget>) {
        let mut chains = self.chains.lock();
        if targets.is_empty() {
            chains.remove(&name_of(chain));
            return;
        }
        let scraped = chains.entry(name_of(chain)).or_default();
        let exists = |queue: &QueuePath| targets.iter().any(|target| target.queue == *queue);
        scraped.stages.retain(|queue, _| exists(queue));
        scraped.targets = targets;
    }

    /// The reasons of the chain's recent refusals, for its status.
    pub fn reasons(&self, chain: &impl Resource) -> FailureReasons {
        let mut chains = self.chains.lock();
        let Some(scraped) = chains.get_mut(&name_of(chain)) else {
            return FailureReasons::new();
        };
        scraped.reported = scraped.reasons(Instant::now(), self.period);
        scraped.reported.clone()
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.chains.lock().remove(&name);
    }

    /// Scrapes the pods whose turn it is, and triggers chains whose status is out of date.
    async fn scrape(&self, scraper: &Scraper, round: usize) {
        let turns = self.turns(round);
        let answers = futures::stream::iter(turns).map(async |(chain, target)| {
            let to = SocketAddr::new(target.address, ports::ADMIN);
            let counters = scraper.scrape(to).await;
            (chain, target, counters)
        });
        let mut answers = std::pin::pin!(answers.buffer_unordered(CONCURRENCY));
        while let Some((chain, target, counters)) = answers.next().await {
            let mut chains = self.chains.lock();
            if let Some((known, counters)) = chains.get_mut(&chain).zip(counters) {
                let window = known.stages.entry(target.queue).or_default();
                window.add(target.name, counters, Instant::now());
            }
        }
        for (chain, scraped) in &mut *self.chains.lock() {
            let pods = scraped.targets.iter().map(|target| target.name.as_str());
            let pods: BTreeSet<&str> = pods.collect();
            for window in scraped.stages.values_mut() {
                window.retain_pods(&pods);
            }
            if scraped.reasons(Instant::now(), self.period) != scraped.reported {
                trigger(&self.triggers, chain);
            }
        }
    }

    fn turns(&self, round: usize) -> Vec<(NamespacedName, ScrapeTarget)> {
        let chains = self.chains.lock();
        let mut turns = Vec::new();
        for (chain, scraped) in &*chains {
            let mut stages: BTreeMap<&QueuePath, Vec<&ScrapeTarget>> = BTreeMap::new();
            for target in &scraped.targets {
                stages.entry(&target.queue).or_default().push(target);
            }
            for mut pods in stages.into_values() {
                pods.sort_by(|one, other| one.name.cmp(&other.name));
                let first = round.wrapping_mul(PODS_PER_PERIOD) % pods.len();
                let turn = pods.iter().cycle().skip(first);
                let turn = turn.take(PODS_PER_PERIOD.min(pods.len()));
                turns.extend(turn.map(|target| (chain.clone(), ScrapeTarget::clone(target))));
            }
        }
        turns
    }
}

impl ScrapedChain {
    fn reasons(&self, now: Instant, period: Duration) -> FailureReasons {
        let stages = self.stages.iter();
        stages
            .filter_map(|(queue, window)| Some((queue.clone(), window.reasons(now, period)?)))
            .collect()
    }
}

async fn keep_scraping(failures: Weak<AuthFailures>, period: Duration) {
    let scraper = Scraper::default();
    for round in 0.. {
        tokio::time::sleep(period).await;
        let Some(failures) = failures.upgrade() else {
            return;
        };
        failures.scrape(&scraper, round).await;
    }
}
