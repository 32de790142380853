//! The chain as the operator would see it: numbers of its queues and of its workers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use cloudtasks::TaskInfo;
use console::{
    EditState, Known, LiveChain, LiveNotifier, LiveStage, Pods, QueueNumbers, StageHistory,
    StageState, Unknown, WorkerPage,
};
use simulation::forecast::StageSettings;
use testkit::http_get;

use crate::goodput::processes::RunningDesign;

/// How often workers are asked.
pub const PERIOD: Duration = Duration::from_secs(1);
const MOST_TASKS: usize = 100_000;

/// What the workers have counted so far.
pub struct Histories(Vec<StageHistory>);

impl Histories {
    pub fn new(stages: usize) -> Self {
        Self(vec![StageHistory::default(); stages])
    }

    /// Asks each worker.
    pub async fn ask(&mut self, chain: &RunningDesign) {
        for (place, admin) in &chain.admins {
            // On a busy machine one may be late, as in a cluster: the next turn asks again.
            let Ok(page) = http_get(*admin, "/metrics").await else {
                continue;
            };
            let history = &mut self.0[*place];
            history.retain_pods(&BTreeSet::from(["worker"]));
            if let Some(page) = WorkerPage::parse(&page) {
                history.add("worker", page, Instant::now());
            }
        }
    }

    /// The chain as it is now.
    pub async fn live(
        &self,
        chain: &RunningDesign,
        settings: &[StageSettings],
    ) -> anyhow::Result<LiveChain> {
        let mut stages = Vec::new();
        for (place, settings) in settings.iter().enumerate() {
            let tasks = chain
                .cloud_tasks
                .list_tasks(&chain.queues[place], MOST_TASKS)
                .await?;
            let mut numbers = self.0[place].numbers(1, Instant::now(), PERIOD);
            if let Known::Known(numbers) = &mut numbers {
                let runs = &mut numbers.runs;
                for it in [&mut runs.in_time_p50, &mut runs.in_time_p95] {
                    *it = it.map(|it| it.min(settings.timeout));
                }
            }
            stages.push(LiveStage {
                name: settings.name.clone(),
                queue: settings.name.clone(),
                deployment: settings.name.clone(),
                state: StageState::Running,
                settings: console::StageSettings {
                    max_dispatches_per_second: Some(settings.limits.rate),
                    max_concurrent_dispatches: Some(settings.limits.concurrency),
                    max_attempts: settings.attempts.get(),
                    timeout: settings.timeout,
                    hold_on_outage: None,
                },
                pods: Pods {
                    ready: 1,
                    desired: 1,
                },
                isolates_to: Vec::new(),
                overrides: Vec::new(),
                queue_numbers: Known::Known(queue_numbers(&tasks, settings.limits.rate)),
                worker_numbers: numbers,
            });
        }
        Ok(LiveChain {
            namespace: "bench".to_owned(),
            name: "orders".to_owned(),
            edit: EditState::InForce,
            drift: None,
            unreachable: None,
            stages,
            draining: Vec::new(),
            notifier: LiveNotifier {
                queue: "notifier".to_owned(),
                paused: false,
                queue_numbers: Unknown::Unimplemented.into(),
            },
            parking: None,
            findings: Vec::new(),
        })
    }
}

/// As Cloud Tasks would say them: also a task in flight may be the first.
fn queue_numbers(tasks: &[TaskInfo], rate: f64) -> QueueNumbers {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let in_flight = |task: &&TaskInfo| task.dispatch_count > task.response_count;
    let first = tasks.iter().map(|task| task.scheduled).min();
    QueueNumbers {
        tasks: count(tasks.len()),
        first_due: first,
        lag: first.map(|due| late(due.into())),
        executed_last_minute: 0,
        in_flight: count(tasks.iter().filter(in_flight).count()),
        effective_rate: rate,
    }
}

/// For how long it has been due.
pub fn late(due: SystemTime) -> Duration {
    SystemTime::now().duration_since(due).unwrap_or_default()
}

/// For how long the first task has been due that is not in flight.
pub async fn waits(chain: &RunningDesign, place: usize) -> anyhow::Result<Duration> {
    let queue = &chain.queues[place];
    let tasks = chain.cloud_tasks.list_tasks(queue, MOST_TASKS).await?;
    let waiting = tasks
        .iter()
        .filter(|task| task.dispatch_count <= task.response_count);
    let first = waiting.map(|task| task.scheduled).min();
    Ok(first.map(|due| late(due.into())).unwrap_or_default())
}
