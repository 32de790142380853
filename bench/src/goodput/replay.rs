//! A scenario in reality: the variants beside each other, as processes, each with the same tasks at the same
//! times.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use cloudtasks::{CloudTasks, NewTask, QueuePath};
use futures::future::try_join_all;
use simulation::{Change, Completion, Entry, Outcome, Results, Scenario, Task};
use testkit::server::{serve, status};
use testkit::{Ending, counters};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::goodput::designs::Variant;
use crate::goodput::handler::{AFFECTED, CATEGORY, TENANT, arguments, unix_millis};
use crate::goodput::processes::RunningDesign;
use crate::quantile::Sample;

/// In which all processes have started.
const START: Duration = Duration::from_secs(10);
/// After the last task has come. The simulation takes a third of it.
const PATIENCE: Duration = Duration::from_mins(3);
const EACH: Duration = Duration::from_secs(15);
/// How often a worker is asked what it isolates.
const OFTEN: Duration = Duration::from_millis(200);

pub struct Replay {
    /// In the order of the variants.
    pub results: Vec<Results>,
    /// The same.
    pub workers: Vec<WorkerCounts>,
    /// How much too late the producers were with a task of a hundred, in milliseconds.
    pub late: f64,
}

/// What the workers of a variant have counted.
#[derive(Debug, Clone, Copy)]
pub struct WorkerCounts {
    /// When the last task was isolated, since the begin. None if none was.
    pub last_isolated: Option<Duration>,
    /// Attempts that failed, and after which the task had another on the same stage.
    pub failed_attempts: f64,
}

/// Ends that were told so far, and when the scenario has begun.
#[derive(Clone)]
pub struct Ends {
    begin: Instant,
    known: Arc<Mutex<Vec<Option<Completion>>>>,
}

pub async fn play(
    name: &str,
    scenario: &Scenario,
    tasks: &[Task],
    variants: &[Variant],
) -> anyhow::Result<Replay> {
    // Two clocks, read at once: the handlers are told when the incident is.
    let (begin, wall) = (Instant::now() + START, SystemTime::now() + START);
    let incident =
        [scenario.incident.from, scenario.incident.until].map(|at| unix_millis(wall + at));
    let takes = scenario.success_takes;
    let mut playing = Vec::new();
    for variant in variants {
        let ends = Ends::none(begin, tasks.len());
        let receiver = ends.receive().await?;
        let handler = |listen| arguments(listen, incident, scenario.fault, takes);
        let chain = RunningDesign::start(&variant.design, handler, receiver).await?;
        playing.push((variant, chain, ends));
    }
    anyhow::ensure!(
        Instant::now() < begin,
        "the processes took longer than {START:?} to start"
    );
    let ends: Vec<(&str, Ends)> = playing
        .iter()
        .map(|(variant, _, ends)| (variant.name, ends.clone()))
        .collect();
    let until = begin + scenario.lasts + PATIENCE;
    let each = playing.iter_mut().map(async |(variant, chain, ends)| {
        let (cloud_tasks, queues) = (chain.cloud_tasks.clone(), chain.queues.clone());
        let first_and_last = [&queues[0], &queues[queues.len() - 1]];
        let entry = variant.design.entry;
        let producing = produce(scenario, tasks, &cloud_tasks, first_and_last, entry, begin);
        let isolated = last_isolated(variant, chain.admins[0].1, ends, until);
        let (late, (), last_isolated) =
            tokio::try_join!(producing, edit(variant, chain, begin), isolated)?;
        Ok::<_, anyhow::Error>((late, last_isolated))
    });
    let reported = async {
        report_progress(name, until, &ends).await;
        Ok(())
    };
    let (found, ()) = tokio::try_join!(try_join_all(each), reported)?;
    let mut workers = Vec::new();
    for ((_, chain, _), (_, last_isolated)) in playing.iter().zip(&found) {
        workers.push(WorkerCounts {
            last_isolated: *last_isolated,
            failed_attempts: failed_attempts(chain).await?,
        });
    }
    let results = playing.into_iter().map(|(_, _, ends)| ends.results(tasks));
    Ok(Replay {
        results: results.collect(),
        workers,
        late: found.into_iter().fold(0.0, |most, it| it.0.max(most)),
    })
}

/// Edits the variant when it is time, as a person or the operator would.
async fn edit(variant: &Variant, chain: &mut RunningDesign, begin: Instant) -> anyhow::Result<()> {
    for edit in &variant.edits {
        sleep_until(begin + edit.at).await;
        let queue = chain.queues[edit.stage].clone();
        for change in &edit.changes {
            match change {
                Change::Paused(true) => chain.cloud_tasks.pause_queue(&queue).await?,
                Change::Paused(false) => chain.cloud_tasks.resume_queue(&queue).await?,
                Change::Reroute(to) => {
                    let header = format!(r#"{{"name":"{CATEGORY}","value":"{AFFECTED}"}}"#);
                    let to = &chain.queues[*to];
                    let routes = format!(r#"[{{"match":{{"header":{header}}},"to":"{to}"}}]"#);
                    let stage = variant.design.stages[edit.stage];
                    chain.edit(edit.stage, &stage, Some(&routes)).await?;
                }
                other => anyhow::bail!("{other:?} is played nowhere"),
            }
        }
    }
    Ok(())
}

/// When the first stage's worker has isolated its last task, since the begin.
async fn last_isolated(
    variant: &Variant,
    worker: SocketAddr,
    ends: &Ends,
    until: Instant,
) -> anyhow::Result<Option<Duration>> {
    if variant.design.stages[0].workers.isolate.is_none() {
        return Ok(None);
    }
    let (mut before, mut last) = (0.0, None);
    while !ends.are_all() && Instant::now() < until {
        let page = counters(worker).await.context("a worker's metrics")?;
        let isolated = page.total("executor_worker_isolated_total");
        if isolated > before {
            (before, last) = (isolated, Some(ends.begin.elapsed()));
        }
        sleep(OFTEN).await;
    }
    Ok(last)
}

async fn failed_attempts(chain: &RunningDesign) -> anyhow::Result<f64> {
    let mut failed = 0.0;
    for (_, admin) in &chain.admins {
        let page = counters(*admin).await.context("a worker's metrics")?;
        failed += page.sum("executor_worker_answers_total", |it| {
            it.get("answer") == "failed"
        });
    }
    Ok(failed)
}

/// Says how far it is, until all has ended or waiting is of no use.
async fn report_progress(name: &str, until: Instant, all: &[(&str, Ends)]) {
    let Some(begin) = all.first().map(|(_, ends)| ends.begin) else {
        return;
    };
    let mut next = begin;
    while Instant::now() < until {
        if all.iter().all(|(_, ends)| ends.are_all()) {
            return;
        }
        if Instant::now() >= next {
            let told = all.iter().map(|(variant, ends)| {
                let (ended, all) = ends.count();
                format!("{variant} {ended} of {all}")
            });
            let told: Vec<String> = told.collect();
            let seconds = begin.elapsed().as_secs();
            println!("  {name}, {seconds} s, ended: {}", told.join(", "));
            next += EACH;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Creates each task when it is time; how late it was, in milliseconds, with one of a hundred.
pub async fn produce(
    scenario: &Scenario,
    tasks: &[Task],
    cloud_tasks: &CloudTasks,
    [first, last]: [&QueuePath; 2],
    entry: Entry,
    begin: Instant,
) -> anyhow::Result<f64> {
    let mut creating = JoinSet::new();
    let mut late = Vec::new();
    for (number, task) in tasks.iter().enumerate() {
        let due = begin + task.arrives;
        sleep_until(due).await;
        late.push(due.elapsed());
        let by_oracle =
            entry == Entry::Oracle && task.is_affected && scenario.incident.has(task.arrives);
        let queue = if by_oracle { last } else { first };
        let cloud_tasks = cloud_tasks.clone();
        creating.spawn(create(cloud_tasks, queue.clone(), number, *task));
        while let Some(created) = creating.try_join_next() {
            created??;
        }
    }
    while let Some(created) = creating.join_next().await {
        created??;
    }
    Ok(Sample::new(late).percentile(99))
}

async fn create(
    cloud_tasks: CloudTasks,
    queue: QueuePath,
    number: usize,
    task: Task,
) -> anyhow::Result<()> {
    let category = if task.is_affected {
        AFFECTED
    } else {
        "healthy"
    };
    let headers = [
        (CATEGORY, category.to_owned()),
        (TENANT, format!("tenant-{}", task.tenant)),
    ];
    let task = NewTask {
        headers: headers.map(|(name, it)| (name.to_owned(), it)).into(),
        ..testkit::task(&queue, &format!("t-{number}"), number.to_string())
    };
    cloud_tasks
        .create_task(&queue, &task)
        .await
        .context("a producer's task")?;
    Ok(())
}

impl Ends {
    pub fn none(begin: Instant, tasks: usize) -> Self {
        Self {
            begin,
            known: Arc::new(Mutex::new(vec![None; tasks])),
        }
    }

    /// Serves what the notifier's queue is pushed to.
    pub async fn receive(&self) -> std::io::Result<SocketAddr> {
        let ends = self.clone();
        serve(move |request| {
            let ends = ends.clone();
            async move {
                let at = ends.begin.elapsed();
                let ending = Ending::of(request).await;
                let is_known = ending.is_some_and(|ending| ends.note(&ending, at));
                status(if is_known { 200 } else { 400 })
            }
        })
        .await
    }

    /// Notes an end, if it is one of a task of this scenario. The first counts: it may come twice.
    fn note(&self, ending: &Ending, at: Duration) -> bool {
        let how = if ending.succeeded {
            Outcome::Succeeded
        } else {
            Outcome::Failed
        };
        let number = ending
            .task
            .strip_prefix("t-")
            .and_then(|it| it.parse::<usize>().ok());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = number.and_then(|number| known.get_mut(number)) else {
            return false;
        };
        end.get_or_insert(Completion { at, how });
        true
    }

    /// How many have ended, of how many.
    fn count(&self) -> (usize, usize) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        (known.iter().flatten().count(), known.len())
    }

    fn are_all(&self) -> bool {
        let (ended, all) = self.count();
        ended == all
    }

    pub fn results(&self, tasks: &[Task]) -> Results {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Results {
            tasks: tasks.iter().copied().zip(known.iter().copied()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_end_of_a_task_counts() {
        let ends = Ends::none(Instant::now(), 2);
        let ending = |task: &str, succeeded| Ending {
            task: task.to_owned(),
            id: format!("{task}.{succeeded}"),
            life: 1,
            succeeded,
        };
        let seconds = Duration::from_secs;
        assert!(ends.note(&ending("t-1", true), seconds(1)));
        assert!(ends.note(&ending("t-1", false), seconds(2)));
        assert!(!ends.note(&ending("t-2", true), seconds(3)));
        assert!(!ends.note(&ending("other", true), seconds(3)));
        assert_eq!(ends.count(), (1, 2));
        let task = Task {
            arrives: seconds(0),
            is_affected: false,
            tenant: 0,
        };
        let end = Completion {
            at: seconds(1),
            how: Outcome::Succeeded,
        };
        assert_eq!(ends.results(&[task, task]).tasks[1].1, Some(end));
    }
}
