//! What workers count, scraped: live numbers of their stage, and pushes that they refuse for their token.
//! Workers have no rights in Kubernetes, so the operator asks them: a few pods of each stage a turn, and
//! never within a reconcile.
//!
//! A status doesn't follow counters: it changes when a reason of refusals appears, and when it has not
//! appeared for a while.

mod auth_failures;
mod sample;
mod scrape;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use console::history::{StageHistory, WorkerPage};
use console::{Known, Unknown, WorkerNumbers};
use futures::StreamExt;
use kube::Resource;
use parking_lot::Mutex;
use worker_contract::ports;

use crate::cache::children::ChildCache;
use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::{NamespacedName, Triggers, name_of, trigger};
use crate::viewers::Viewers;
use auth_failures::AuthFailures;
use sample::{Interest, Stage, Turn};
use scrape::Scraper;

/// How many pods are scraped concurrently, of all chains.
const CONCURRENCY: usize = 32;
const MIN_PERIOD: Duration = Duration::from_millis(100);
/// Workers that don't answer for so many periods don't answer.
const SILENT: u32 = 3;
/// For how long the history of a stage without a ready pod is kept: as long as a baseline goes back.
const KEPT: Duration = Duration::from_hours(1);

/// The reasons of recent refusals, by queue.
pub type FailureReasons = BTreeMap<QueuePath, BTreeSet<String>>;

/// What the workers of every chain have counted.
pub struct ScrapedWorkers {
    period: Duration,
    baseline_slot: u16,
    children: Arc<ChildCache>,
    viewers: Viewers,
    triggers: Triggers,
    chains: Mutex<BTreeMap<NamespacedName, ScrapedChain>>,
}

#[derive(Default)]
struct ScrapedChain {
    stages: BTreeMap<QueuePath, ScrapedStage>,
    /// What its status reports.
    reported: FailureReasons,
    /// When its workers have last had their turn.
    turn: Option<Instant>,
    /// How many turns they have had.
    turns: usize,
}

struct ScrapedStage {
    /// Its ready pods.
    targets: Vec<Arc<ScrapeTarget>>,
    /// When it had some.
    last_ready: Instant,
    /// When one of them has answered, or before that, when it had the first one.
    last_answer: Instant,
    failures: AuthFailures,
    history: StageHistory,
}

impl ScrapedWorkers {
    /// Scrapes once a period, more often while there are viewers, until the value is dropped. Chains that are
    /// to be reconciled go to `triggers`.
    pub fn new(
        period: Duration,
        baseline_slot: u16,
        children: Arc<ChildCache>,
        viewers: Viewers,
        triggers: Triggers,
    ) -> Arc<Self> {
        let workers = Arc::new(Self {
            period: period.max(MIN_PERIOD),
            baseline_slot,
            children,
            viewers,
            triggers,
            chains: Mutex::default(),
        });
        tokio::spawn(keep_scraping(Arc::downgrade(&workers)));
        workers
    }

    /// The reasons of the chain's recent refusals, for its status. From now on its workers are scraped.
    pub fn refusals(&self, chain: &impl Resource) -> FailureReasons {
        let mut chains = self.chains.lock();
        let scraped = chains.entry(name_of(chain)).or_default();
        scraped.reported = scraped.reasons(Instant::now(), self.period);
        scraped.reported.clone()
    }

    /// What the workers of a queue have done lately.
    pub fn numbers(
        &self,
        chain: &NamespacedName,
        queue: &QueuePath,
        now: Instant,
    ) -> Known<WorkerNumbers> {
        let chains = self.chains.lock();
        let scraped = chains.get(chain).filter(|scraped| scraped.turn.is_some());
        let Some(scraped) = scraped else {
            return Unknown::Pending.into();
        };
        let stage = scraped.stages.get(queue);
        let Some(stage) = stage.filter(|stage| !stage.targets.is_empty()) else {
            return Unknown::NoPods.into();
        };
        stage.numbers(now, self.period)
    }

    /// A chain no longer exists.
    pub fn forget(&self, namespace: &str, chain: &str) {
        let name = (namespace.to_owned(), chain.to_owned());
        self.chains.lock().remove(&name);
    }

    /// Scrapes the pods whose turn it is, and triggers chains whose status is out of date.
    async fn scrape(&self, scraper: &Scraper, round: usize) {
        let turn = self.turn(round, Instant::now());
        let answers = futures::stream::iter(turn).map(async |(chain, target)| {
            let to = SocketAddr::new(target.address, ports::ADMIN);
            let page = scraper.scrape(to).await;
            (chain, target, page)
        });
        let mut answers = std::pin::pin!(answers.buffer_unordered(CONCURRENCY));
        while let Some((chain, target, page)) = answers.next().await {
            let Some(page) = page else { continue };
            let mut chains = self.chains.lock();
            let stages = chains.get_mut(&chain).map(|it| &mut it.stages);
            if let Some(stage) = stages.and_then(|stages| stages.get_mut(&target.queue)) {
                stage.add(&target, page, Instant::now());
            }
        }
        let now = Instant::now();
        for (chain, scraped) in &*self.chains.lock() {
            if scraped.reasons(now, self.period) != scraped.reported {
                trigger(&self.triggers, chain);
            }
        }
    }

    /// The pods whose turn it is.
    fn turn(&self, round: usize, now: Instant) -> Turn {
        let mut stages = Vec::new();
        let sees_all = self.viewers.see_all(now);
        for (name, scraped) in &mut *self.chains.lock() {
            scraped.update(self.children.scrape_targets(name), self.baseline_slot, now);
            let interest = if self.viewers.see(name, now) {
                Interest::This
            } else if sees_all {
                Interest::All
            } else {
                Interest::None
            };
            if interest == Interest::None && !scraped.is_due(self.period, now) {
                continue;
            }
            scraped.turn = Some(now);
            scraped.turns = scraped.turns.wrapping_add(1);
            let turns = scraped.turns;
            stages.extend(scraped.stages.values().map(|stage| Stage {
                chain: name.clone(),
                targets: stage.targets.clone(),
                interest,
                turns,
            }));
        }
        sample::turn(stages, round)
    }
}

impl ScrapedChain {
    /// Takes its ready pods.
    fn update(&mut self, targets: Vec<Arc<ScrapeTarget>>, baseline_slot: u16, now: Instant) {
        for stage in self.stages.values_mut() {
            stage.targets.clear();
        }
        for target in targets {
            let stage = self.stages.entry(target.queue.clone());
            let stage = stage.or_insert_with(|| ScrapedStage::new(baseline_slot, now));
            stage.targets.push(target);
        }
        self.stages.retain(|_, stage| stage.update(now));
    }

    /// Whether a period has passed since its last turn. Turns are late by a little, and early by a little
    /// the next time.
    fn is_due(&self, period: Duration, now: Instant) -> bool {
        let early = period / 10;
        self.turn
            .is_none_or(|then| now.saturating_duration_since(then) + early >= period)
    }

    fn reasons(&self, now: Instant, period: Duration) -> FailureReasons {
        let stages = self.stages.iter();
        stages
            .filter_map(|(queue, stage)| {
                Some((queue.clone(), stage.failures.reasons(now, period)?))
            })
            .collect()
    }
}

impl ScrapedStage {
    fn new(baseline_slot: u16, now: Instant) -> Self {
        Self {
            targets: Vec::new(),
            last_ready: now,
            last_answer: now,
            failures: AuthFailures::default(),
            history: StageHistory::with_baseline_slot(baseline_slot),
        }
    }

    fn numbers(&self, now: Instant, period: Duration) -> Known<WorkerNumbers> {
        let ready = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        let numbers = self.history.numbers(ready, now, period);
        let is_silent = now.saturating_duration_since(self.last_answer) > period * SILENT;
        if is_silent && numbers.unknown() == Some(Unknown::Pending) {
            return Unknown::Stale.into();
        }
        numbers
    }

    /// Forgets pods that are no longer ready. Returns whether the stage is to be kept.
    fn update(&mut self, now: Instant) -> bool {
        self.targets.sort_by(|one, other| one.name.cmp(&other.name));
        let pods = self.targets.iter().map(|target| target.name.as_str());
        let pods: BTreeSet<&str> = pods.collect();
        self.history.retain_pods(&pods);
        self.failures.retain_pods(&pods);
        if pods.is_empty() {
            self.last_answer = now;
        } else {
            self.last_ready = now;
        }
        if !self.targets.iter().any(|target| target.requires_token) {
            // Nothing is claimed of workers that are gone.
            self.failures = AuthFailures::default();
        }
        now.saturating_duration_since(self.last_ready) < KEPT
    }

    fn add(&mut self, target: &ScrapeTarget, page: WorkerPage, now: Instant) {
        self.last_answer = now;
        if target.requires_token {
            self.failures.add(&target.name, page.refused(), now);
        }
        self.history.add(&target.name, page, now);
    }
}

async fn keep_scraping(workers: Weak<ScrapedWorkers>) {
    let scraper = Scraper::default();
    let Some((viewers, period)) = workers.upgrade().map(|it| (it.viewers.clone(), it.period))
    else {
        return;
    };
    let mut begun = Instant::now();
    for round in 0.. {
        viewers.pause(begun, period).await;
        begun = Instant::now();
        let Some(workers) = workers.upgrade() else {
            return;
        };
        workers.scrape(&scraper, round).await;
    }
}
