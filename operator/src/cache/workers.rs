//! What workers count, scraped: live numbers of their stage, pushes that they refuse for their token, and
//! whether they hold or isolate tasks. Workers have no rights in Kubernetes, so the operator asks them: a few
//! pods of each stage a turn, and never within a reconcile.
//!
//! A status doesn't follow counters: it changes when a reason of refusals appears, and when it has not
//! appeared for a while; and when workers begin to hold or isolate, and end it.

mod announcement;
mod auth_failures;
mod sample;
mod scrape;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cloudtasks::QueuePath;
use console::history::{StageHistory, WorkerPage};
use console::{Known, Unknown, WorkerNumbers, units};
use crds::conditions::ConditionType;
use futures::StreamExt;
use kube::Resource;
use parking_lot::Mutex;
use plan::StageHealth;

use crate::cache::children::ChildCache;
use crate::cache::scrape_target::ScrapeTarget;
use crate::chain::{NamespacedName, Triggers, name_of, trigger};
use crate::viewers::Viewers;
use announcement::Lasting;
use auth_failures::AuthFailures;
use sample::{Interest, SILENT_PER_TURN, Stage, Turn};
use scrape::{Scraper, TIMEOUT};

pub use announcement::Announcement;

/// How many pods are scraped concurrently, of all chains: all silent ones of a turn. They take nothing but
/// their time.
const CONCURRENCY: usize = SILENT_PER_TURN;
const MIN_PERIOD: Duration = Duration::from_millis(100);
/// Workers that don't answer for so many periods don't answer.
const SILENT: u32 = 3;
/// A turn ends with its period, but not before a silent pod has had its time.
const SHORTEST_TURN: Duration = TIMEOUT.saturating_mul(2);
/// For how long the history of a stage without a ready pod is kept: as long as a baseline goes back.
const KEPT: Duration = Duration::from_hours(1);

/// The reasons of recent refusals, by queue.
pub type FailureReasons = BTreeMap<QueuePath, BTreeSet<String>>;

/// What workers do by themselves on a bad day, by queue.
pub type WorkerHealth = BTreeMap<QueuePath, StageHealth>;

/// The ready pods of a chain.
type ReadyPods = Box<dyn Fn(&NamespacedName) -> Vec<Arc<ScrapeTarget>> + Send + Sync>;

/// What the workers of every chain have counted.
pub struct ScrapedWorkers {
    period: Duration,
    baseline_slot: u16,
    ready_pods: ReadyPods,
    viewers: Viewers,
    triggers: Triggers,
    chains: Mutex<BTreeMap<NamespacedName, ScrapedChain>>,
}

#[derive(Default)]
struct ScrapedChain {
    stages: BTreeMap<QueuePath, ScrapedStage>,
    /// What its status reports.
    reported: FailureReasons,
    reported_health: WorkerHealth,
    isolating: Lasting,
    held: Lasting,
    /// When its workers have last had their turn.
    turn: Option<Instant>,
    /// How many turns they have had.
    turns: usize,
}

struct ScrapedStage {
    /// Its ready pods.
    targets: Vec<Arc<ScrapeTarget>>,
    /// When those were asked that didn't answer then, by name.
    silent: BTreeMap<String, Instant>,
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
        let ready_pods = Box::new(move |chain: &NamespacedName| children.scrape_targets(chain));
        let workers = Self::of(period, baseline_slot, ready_pods, viewers, triggers);
        let workers = Arc::new(workers);
        tokio::spawn(keep_scraping(Arc::downgrade(&workers)));
        workers
    }

    fn of(
        period: Duration,
        baseline_slot: u16,
        ready_pods: ReadyPods,
        viewers: Viewers,
        triggers: Triggers,
    ) -> Self {
        Self {
            period: period.max(MIN_PERIOD),
            baseline_slot,
            ready_pods,
            viewers,
            triggers,
            chains: Mutex::default(),
        }
    }

    /// The reasons of the chain's recent refusals, for its status. From now on its workers are scraped.
    pub fn refusals(&self, chain: &impl Resource) -> FailureReasons {
        let mut chains = self.chains.lock();
        let scraped = chains.entry(name_of(chain)).or_default();
        scraped.reported = scraped.reasons(Instant::now(), self.period);
        scraped.reported.clone()
    }

    /// What the chain's workers do by themselves on a bad day, for its status.
    pub fn health(&self, chain: &impl Resource) -> WorkerHealth {
        let mut chains = self.chains.lock();
        let scraped = chains.entry(name_of(chain)).or_default();
        scraped.reported_health = scraped.health(Instant::now(), self.period);
        scraped.reported_health.clone()
    }

    /// Which of these conditions has lasted for longer than a moment, or is over after that: each once.
    pub fn announcements(&self, chain: &NamespacedName) -> Vec<(ConditionType, Announcement)> {
        let now = now();
        let mut chains = self.chains.lock();
        let Some(scraped) = chains.get_mut(chain) else {
            return Vec::new();
        };
        let both = [
            (ConditionType::Isolating, &mut scraped.isolating),
            (ConditionType::Held, &mut scraped.held),
        ];
        let due = both
            .into_iter()
            .filter_map(|(part, lasting)| Some((part, lasting.announce(now, self.period)?)));
        due.collect()
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

    /// Scrapes the pods whose turn it is, and triggers chains whose status is out of date. Pods that this
    /// takes too long for have their turn later, or silent ones would make the numbers of all others stale.
    async fn scrape<P: Future<Output = Option<WorkerPage>>>(
        &self,
        page: impl Fn(NamespacedName, Arc<ScrapeTarget>) -> P,
        round: usize,
    ) {
        let begin = now();
        let longest = self.viewers.period(self.period, begin).max(SHORTEST_TURN);
        let answers =
            futures::stream::iter(self.turn(round, begin)).map(async |(chain, target)| {
                let page = page(chain.clone(), Arc::clone(&target)).await;
                (chain, target, page)
            });
        let mut answers = std::pin::pin!(answers.buffer_unordered(CONCURRENCY));
        let all = async {
            while let Some((chain, target, page)) = answers.next().await {
                self.take(&chain, &target, page);
            }
        };
        if tokio::time::timeout(longest, all).await.is_err() {
            tracing::debug!(?longest, "not all workers could be asked in time");
        }
        let now = now();
        for (chain, scraped) in &mut *self.chains.lock() {
            let has_news = scraped.has_news(now, self.period);
            if has_news || scraped.reasons(now, self.period) != scraped.reported {
                trigger(&self.triggers, chain);
            }
        }
    }

    fn take(&self, chain: &NamespacedName, target: &ScrapeTarget, page: Option<WorkerPage>) {
        let mut chains = self.chains.lock();
        let stages = chains.get_mut(chain).map(|it| &mut it.stages);
        if let Some(stage) = stages.and_then(|stages| stages.get_mut(&target.queue)) {
            stage.add(target, page, now());
        }
    }

    /// The pods whose turn it is.
    fn turn(&self, round: usize, now: Instant) -> Turn {
        let mut stages = Vec::new();
        let sees_all = self.viewers.see_all(now);
        for (name, scraped) in &mut *self.chains.lock() {
            scraped.update((self.ready_pods)(name), self.baseline_slot, now);
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
                targets: stage.answering().cloned().collect(),
                silent: stage.longest_silent(),
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

    /// Whether the status, or an Event, is to say something else of what its workers do by themselves.
    fn has_news(&mut self, now: Instant, period: Duration) -> bool {
        let health = self.health(now, period);
        let is_known = |(queue, stage): (&QueuePath, &ScrapedStage)| {
            !stage.reports_health() || health.contains_key(queue)
        };
        let all_known = self.stages.iter().all(is_known);
        let is_so = |of: fn(&StageHealth) -> bool| {
            let is_so = health.values().any(of);
            (is_so || all_known).then_some(is_so)
        };
        self.isolating
            .observe(is_so(|it| it.isolated.is_some()), now);
        self.held.observe(is_so(|it| it.is_held), now);
        let mut lasting = [&self.isolating, &self.held].into_iter();
        lasting.any(|it| it.due(now, period).is_some()) || health != self.reported_health
    }

    fn health(&self, now: Instant, period: Duration) -> WorkerHealth {
        let stages = self.stages.iter();
        stages
            .filter_map(|(queue, stage)| Some((queue.clone(), stage.health(now, period)?)))
            .collect()
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
            silent: BTreeMap::new(),
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

    /// Whether its pods may hold, or isolate tasks.
    fn reports_health(&self) -> bool {
        self.targets.iter().any(|target| target.reports_health)
    }

    /// None for pods that do nothing of it, or weren't asked.
    fn health(&self, now: Instant, period: Duration) -> Option<StageHealth> {
        let ready = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        let health = self.history.health(ready, now, period);
        let health = health.filter(|_| self.reports_health())?;
        Some(StageHealth {
            is_held: health.pods_holding > 0,
            isolated: units::rough(health.isolated_categories),
        })
    }

    /// Ready pods that weren't silent when they were last asked.
    fn answering(&self) -> impl Iterator<Item = &Arc<ScrapeTarget>> {
        let targets = self.targets.iter();
        targets.filter(|target| !self.silent.contains_key(&target.name))
    }

    /// The other one that was asked longest ago.
    fn longest_silent(&self) -> Option<(Instant, Arc<ScrapeTarget>)> {
        let (name, asked) = self.silent.iter().min_by_key(|(_, asked)| **asked)?;
        let target = self.targets.iter().find(|target| target.name == *name)?;
        Some((*asked, Arc::clone(target)))
    }

    /// Forgets pods that are no longer ready. Returns whether the stage is to be kept.
    fn update(&mut self, now: Instant) -> bool {
        self.targets.sort_by(|one, other| one.name.cmp(&other.name));
        let pods = self.targets.iter().map(|target| target.name.as_str());
        let pods: BTreeSet<&str> = pods.collect();
        self.history.retain_pods(&pods);
        self.failures.retain_pods(&pods);
        self.silent.retain(|pod, _| pods.contains(pod.as_str()));
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

    fn add(&mut self, target: &ScrapeTarget, page: Option<WorkerPage>, now: Instant) {
        let Some(page) = page else {
            self.silent.insert(target.name.clone(), now);
            return;
        };
        self.silent.remove(&target.name);
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
        let page = async |chain: NamespacedName, target: Arc<ScrapeTarget>| {
            scraper.scrape(&chain, &target).await
        };
        workers.scrape(page, round).await;
    }
}

/// Of the clock that tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    fn name(chain: usize) -> NamespacedName {
        ("shop".to_owned(), format!("chain{chain}"))
    }

    fn queue(chain: usize) -> QueuePath {
        let queue = format!("projects/demo/locations/europe-west1/queues/chain{chain}");
        queue.parse().unwrap()
    }

    /// Three pods of one stage.
    fn pods(chain: usize) -> Vec<Arc<ScrapeTarget>> {
        let pod = |number| ScrapeTarget {
            name: format!("chain{chain}-{number}"),
            stage: "fast".into(),
            queue: queue(chain),
            address: Ipv4Addr::LOCALHOST.into(),
            requires_token: false,
            reports_health: true,
        };
        (0..3).map(|number| Arc::new(pod(number))).collect()
    }

    /// Of so many chains of three pods, every eighth one has pods that answer.
    fn answers(chain: usize) -> bool {
        chain.is_multiple_of(8)
    }

    fn workers(chains: usize, viewers: &Viewers) -> ScrapedWorkers {
        let number = |(_, chain): &NamespacedName| chain["chain".len()..].parse().unwrap();
        let ready_pods: ReadyPods = Box::new(move |chain| pods(number(chain)));
        let (triggers, _) = futures::channel::mpsc::unbounded();
        let workers = ScrapedWorkers::of(PERIOD, 300, ready_pods, viewers.clone(), triggers);
        let names = (0..chains).map(|chain| (name(chain), ScrapedChain::default()));
        workers.chains.lock().extend(names);
        workers
    }

    async fn page(target: Arc<ScrapeTarget>, all_answer: bool) -> Option<WorkerPage> {
        let chain = target.queue.id.as_str()["chain".len()..].parse().unwrap();
        if !all_answer && !answers(chain) {
            tokio::time::sleep(TIMEOUT).await;
            return None;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        WorkerPage::parse("executor_worker_runs_under_way{} 7\n")
    }

    #[tokio::test(start_paused = true)]
    async fn pods_that_do_not_answer_make_no_number_of_others_stale() {
        for (has_viewers, period) in [(false, PERIOD), (true, Duration::from_secs(5))] {
            let viewers = Viewers::default();
            let chains = 549;
            let workers = workers(chains, &viewers);
            for round in 0..40 {
                let begin = now();
                if has_viewers {
                    viewers.looked_at(None, begin);
                }
                let page = |_, target| page(target, round < 5);
                workers.scrape(page, round).await;
                let took = now() - begin;
                assert!(took <= period, "turn {round} took {took:?}");
                tokio::time::sleep(period.saturating_sub(took)).await;
                let unknown = |chain| {
                    let numbers = workers.numbers(&name(chain), &queue(chain), now());
                    numbers.unknown()
                };
                for chain in (0..chains).filter(|chain| round > 1 && answers(*chain)) {
                    assert_eq!(unknown(chain), None, "chain {chain}, turn {round}");
                }
                if round > 30 {
                    assert_eq!(unknown(1), Some(Unknown::Stale));
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_workers_do_by_themselves_is_announced_when_it_lasts() {
        let viewers = Viewers::default();
        let workers = workers(1, &viewers);
        let turn = async |round, said: &str| {
            let page = format!("executor_worker_runs_under_way{{}} 7\n{said}");
            let page = async |_, _| WorkerPage::parse(&page);
            workers.scrape(page, round).await;
            let announced = workers.announcements(&name(0));
            let health = {
                let chains = workers.chains.lock();
                chains[&name(0)].health(now(), PERIOD)
            };
            tokio::time::sleep(PERIOD).await;
            (health.get(&queue(0)).copied(), announced)
        };
        let bad = "executor_worker_holding{} 1\nexecutor_worker_isolated_categories{} 42\n";
        let well = (Some(StageHealth::default()), vec![]);
        let ill = StageHealth {
            is_held: true,
            isolated: Some("10-99"),
        };
        assert_eq!(turn(0, "").await, well);
        for round in 1..=5 {
            assert_eq!(turn(round, bad).await, (Some(ill), vec![]), "{round}");
        }
        let both = |turn| {
            vec![
                (ConditionType::Isolating, turn),
                (ConditionType::Held, turn),
            ]
        };
        assert_eq!(turn(6, bad).await, (Some(ill), both(Announcement::Began)));
        assert_eq!(turn(7, bad).await, (Some(ill), vec![]));
        let ended = (Some(StageHealth::default()), both(Announcement::Ended));
        assert_eq!(turn(8, "").await, ended);
        assert_eq!(turn(9, "").await, well);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pod_that_answers_again_has_its_turns_again() {
        let viewers = Viewers::default();
        let workers = workers(1, &viewers);
        let turn = async |round, answer: bool| {
            let asked = Mutex::new(BTreeSet::new());
            let page = async |_, target: Arc<ScrapeTarget>| {
                asked.lock().insert(target.name.clone());
                if answer {
                    page(target, true).await
                } else {
                    None
                }
            };
            workers.scrape(page, round).await;
            tokio::time::sleep(PERIOD).await;
            asked.into_inner().len()
        };
        assert_eq!(turn(0, true).await, 3);
        assert_eq!(turn(1, false).await, 3);
        // One of them a turn.
        assert_eq!(turn(2, false).await, 1);
        assert_eq!(turn(3, true).await, 1);
        assert_eq!(turn(4, true).await, 2);
        assert_eq!(turn(5, true).await, 3);
        assert_eq!(turn(6, true).await, 3);
    }
}
