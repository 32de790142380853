//! Collects what the chain does: the numbers of its queues and its workers, and what the operator would
//! report of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloudtasks::{Error as CallError, Queue, QueuePath, TaskInfo};
use console::live::live;
use console::why::Remembered;
use console::{
    Known, QueueNumbers, Snapshot, StageHistory, Trends, Unknown, WorkerNumbers, WorkerPage,
};
use crds::{ExecutorChain, ExecutorChainStatus};
use jiff::Timestamp;
use plan::objects::queue_settings::settings_hash;
use plan::{Backlog, ChainView, Observed, ParkedCount, PlannedView, Problem, plan, status};

use crate::dev::chain::Chain;
use crate::error::Error;

/// How often the numbers are collected.
const PERIOD: Duration = Duration::from_secs(1);
/// The distance of two points of a sparkline.
const RESOLUTION: Duration = Duration::from_secs(5);
/// Long queues take long to list: then less often, so that the emulator has time for dispatches.
const LONGEST_PERIOD: Duration = Duration::from_secs(5);
const LISTING_SHARE: u32 = 10;
/// A longer queue counts as so long.
const MOST_TASKS: usize = 10_000;
const MINUTE: Duration = Duration::from_mins(1);

/// What is remembered from one time to the next.
pub struct Collector {
    next: Instant,
    period: Duration,
    status: ExecutorChainStatus,
    /// By the names of the Deployments.
    histories: BTreeMap<String, StageHistory>,
    remembered: Remembered,
    trends: Trends,
    /// By the IDs of the queues.
    answered: BTreeMap<String, LastMinute>,
}

/// What had been counted at each time of the last minute.
#[derive(Default)]
struct LastMinute(VecDeque<(Instant, u64)>);

/// What the session knows of the chain.
pub struct Session<'a> {
    /// The manifest in force.
    pub manifest: &'a ExecutorChain,
    /// Why the file's present text isn't in force.
    pub refused: Option<&'a Problem>,
    /// The tasks that have ended.
    pub ended: usize,
}

impl Collector {
    /// Has collected nothing yet.
    pub fn new() -> Self {
        Self {
            next: Instant::now(),
            period: PERIOD,
            status: ExecutorChainStatus::default(),
            histories: BTreeMap::new(),
            remembered: Remembered::default(),
            trends: Trends::new(RESOLUTION),
            answered: BTreeMap::new(),
        }
    }

    /// What the operator would report of the chain.
    pub fn status(&self) -> &ExecutorChainStatus {
        &self.status
    }

    /// Whether it is time again.
    pub fn is_due(&self) -> bool {
        self.next <= Instant::now()
    }

    /// Makes it time: an edit is to be seen at once, however long collections take.
    pub fn collect_now(&mut self) {
        self.next = Instant::now();
    }

    /// Collects everything.
    pub async fn collect(
        &mut self,
        chain: &Chain,
        session: Session<'_>,
    ) -> Result<Snapshot, Error> {
        let begin = Instant::now();
        let mut observed = chain.observe().await?;
        let now = Timestamp::now();
        let workers = self.workers(chain, begin);
        let mut queues = BTreeMap::new();
        for queue in observed.queues.values() {
            let tasks = chain.tasks(&queue.path, MOST_TASKS).await?;
            let backlog = Backlog::of(tasks.len());
            observed.last_backlogs.insert(queue.path.clone(), backlog);
            let parked = ParkedCount::counted(tasks.len());
            observed.parked.insert(queue.path.clone(), parked);
            queues.insert(queue.path.id.to_string(), numbers(queue, &tasks, now));
        }
        self.complete(chain, &mut queues, session.ended);
        self.status = self.report(chain, observed, session.refused, now);

        let mut manifest = session.manifest.clone();
        manifest.metadata.namespace = Some(chain.desired.namespace.clone());
        manifest.status = Some(self.status.clone());
        let queue = |id: &str| Known::from(queues.get(id).copied().ok_or(Unknown::Absent));
        let stage = |name: &str| {
            let found = workers.get(name).cloned();
            found.unwrap_or(Known::Unknown {
                unknown: Unknown::NoPods,
            })
        };
        let mut live = live(&manifest, &queue, &stage);
        self.remembered.stamp(&mut live, now);
        self.trends.record([&live], now);
        self.period = (begin.elapsed() * LISTING_SHARE).clamp(PERIOD, LONGEST_PERIOD);
        self.next = begin + self.period;
        Ok(Snapshot {
            at: now,
            // An edit may shorten the period.
            interval: PERIOD,
            chains: vec![Arc::new(live)],
            unlisted: Vec::new(),
            trends: Arc::new(self.trends.clone()),
        })
    }

    /// The numbers of each stage's worker, by the stage's name.
    fn workers(&mut self, chain: &Chain, now: Instant) -> BTreeMap<String, Known<WorkerNumbers>> {
        let mut pages = chain.workers.pages();
        self.histories
            .retain(|deployment, _| pages.contains_key(deployment));
        let stages = chain.desired.stages.iter().filter_map(|stage| {
            let (worker, page) = pages.remove(&stage.child)?;
            let history = self.histories.entry(stage.child.clone()).or_default();
            history.retain_pods(&BTreeSet::from([&*worker]));
            if let Some(page) = WorkerPage::parse(&page) {
                history.add(&worker, page, now);
            }
            // One worker stands for all pods.
            Some((stage.name.clone(), history.numbers(1, now, self.period)))
        });
        stages.collect()
    }

    /// Adds what the tasks of a queue don't show.
    fn complete(
        &mut self,
        chain: &Chain,
        queues: &mut BTreeMap<String, QueueNumbers>,
        ended: usize,
    ) {
        let now = Instant::now();
        let pushes = chain.workers.snapshots();
        let stages = chain.desired.stages.iter().map(|stage| {
            let of_stage = pushes.get(&stage.queue.to_string());
            (
                stage.queue.id.to_string(),
                of_stage.copied().unwrap_or_default(),
            )
        });
        for (id, pushes) in stages {
            let Some(numbers) = queues.get_mut(&id) else {
                continue;
            };
            // A dispatch whose response got lost looks as if it were in flight.
            numbers.in_flight = pushes.callers_waiting;
            let answered = self.answered.entry(id).or_default();
            numbers.executed_last_minute = answered.add(pushes.answered, now);
        }
        let notifier = chain.desired.notifier.queue.id.to_string();
        if let Some(numbers) = queues.get_mut(&notifier) {
            let answered = self.answered.entry(notifier).or_default();
            numbers.executed_last_minute = answered.add(count(ended), now);
        }
        self.answered.retain(|id, _| queues.contains_key(id));
    }

    /// The status that the operator would report. It would also correct what was changed outside it.
    fn report(
        &self,
        chain: &Chain,
        mut observed: Observed,
        refused: Option<&Problem>,
        now: Timestamp,
    ) -> ExecutorChainStatus {
        observed.now = now;
        let hash = settings_hash(&chain.desired);
        observed.was_in_force = self.status.queues_hash == Some(hash);
        let view = ChainView::new(&chain.desired, &observed);
        let plan = plan(view);
        let planned = PlannedView { view, plan: &plan };
        status(&self.status, None, Some(planned), refused, now)
    }
}

impl LastMinute {
    /// What was counted in the last minute, of all that has been counted until now.
    fn add(&mut self, count: u64, now: Instant) -> u64 {
        self.0.push_back((now, count));
        while self.0.front().is_some_and(|(at, _)| now - *at > MINUTE) {
            self.0.pop_front();
        }
        let before = self.0.front().map_or(count, |(_, before)| *before);
        // A worker that was removed takes its counts along.
        count.saturating_sub(before)
    }
}

impl Chain {
    /// At most `limit` tasks of a queue. A queue that was deleted has none.
    pub async fn tasks(&self, queue: &QueuePath, limit: usize) -> Result<Vec<TaskInfo>, CallError> {
        match self.queues.list_tasks(queue, limit).await {
            Err(CallError::Missing { .. }) => Ok(Vec::new()),
            listed => listed,
        }
    }
}

/// What the tasks show. The emulator has no numbers, and slows no queue down.
fn numbers(queue: &Queue, tasks: &[TaskInfo], now: Timestamp) -> QueueNumbers {
    let is_in_flight = |task: &TaskInfo| task.dispatch_count > task.response_count;
    let waiting = tasks.iter().filter(|task| !is_in_flight(task));
    let first_due = waiting.map(|task| task.scheduled).min();
    // Negative if it is in the future.
    let lag = first_due.map(|due| now.duration_since(due).try_into().unwrap_or_default());
    QueueNumbers {
        tasks: count(tasks.len()),
        first_due,
        lag,
        executed_last_minute: 0,
        in_flight: count(tasks.iter().filter(|task| is_in_flight(task)).count()),
        effective_rate: queue.max_dispatches_per_second,
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
