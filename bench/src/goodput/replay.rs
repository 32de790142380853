//! A scenario in reality: the designs beside each other, as processes, each with the same tasks at the same
//! times.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use cloudtasks::{CloudTasks, NewTask, QueuePath};
use futures::future::try_join_all;
use simulation::{Completion, Entry, Outcome, Results, Scenario, Task};
use testkit::Ending;
use testkit::server::{serve, status};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::goodput::designs::{DesignKind, FailureMode};
use crate::goodput::handler::{AFFECTED, CATEGORY, arguments, unix_millis};
use crate::goodput::processes::RunningDesign;
use crate::quantile::Sample;

/// In which all processes have started.
const START: Duration = Duration::from_secs(10);
/// After the last task has come. The simulation takes a third of it.
const PATIENCE: Duration = Duration::from_mins(3);
const EACH: Duration = Duration::from_secs(15);

pub struct Replay {
    /// In the order of [`DesignKind::ALL`].
    pub results: Vec<Results>,
    /// How much too late the producers were with a task of a hundred, in milliseconds.
    pub late: f64,
}

/// Ends that were told so far, and when the scenario has begun.
#[derive(Clone)]
pub struct Ends {
    begin: Instant,
    known: Arc<Mutex<Vec<Option<Completion>>>>,
}

pub async fn play(
    mode: FailureMode,
    size: f64,
    scenario: &Scenario,
    tasks: &[Task],
) -> anyhow::Result<Replay> {
    // Two clocks, read at once: the handlers are told when the incident is.
    let (begin, wall) = (Instant::now() + START, SystemTime::now() + START);
    let incident =
        [scenario.incident.from, scenario.incident.until].map(|at| unix_millis(wall + at));
    let takes = scenario.success_takes;
    let mut playing = Vec::new();
    for kind in DesignKind::ALL {
        let design = kind.design(mode.timeout, size);
        let ends = Ends::none(begin, tasks.len());
        let receiver = ends.receive().await?;
        let handler = |listen| arguments(listen, incident, scenario.fault, takes);
        let chain = RunningDesign::start(&design, handler, receiver).await?;
        playing.push((design, chain, ends));
    }
    anyhow::ensure!(
        Instant::now() < begin,
        "the processes took longer than {START:?} to start"
    );
    let producers = playing.iter().map(|(design, chain, _)| {
        let queues = [&chain.queues[0], &chain.queues[chain.queues.len() - 1]];
        produce(
            scenario,
            tasks,
            &chain.cloud_tasks,
            queues,
            design.entry,
            begin,
        )
    });
    let told = async {
        report_progress(
            mode,
            scenario,
            playing.iter().map(|(_, _, ends)| ends).collect(),
        )
        .await;
        Ok(())
    };
    let (late, ()) = tokio::try_join!(try_join_all(producers), told)?;
    let results = playing.into_iter().map(|(_, _, ends)| ends.results(tasks));
    Ok(Replay {
        results: results.collect(),
        late: late.into_iter().fold(0.0, f64::max),
    })
}

/// Says how far it is, until all has ended or waiting is of no use.
async fn report_progress(mode: FailureMode, scenario: &Scenario, ends: Vec<&Ends>) {
    let Some(begin) = ends.first().map(|ends| ends.begin) else {
        return;
    };
    let last = begin + scenario.lasts + PATIENCE;
    let mut next = begin;
    while Instant::now() < last {
        let counts: Vec<(usize, usize)> = ends.iter().map(|ends| ends.count()).collect();
        if counts.iter().all(|(ended, all)| ended == all) {
            return;
        }
        if Instant::now() >= next {
            let told = DesignKind::ALL.iter().zip(&counts);
            let told: Vec<String> = told
                .map(|(kind, (ended, all))| format!("{} {ended} of {all}", kind.name()))
                .collect();
            let seconds = begin.elapsed().as_secs();
            println!("  {}, {seconds} s, ended: {}", mode.name, told.join(", "));
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
        creating.spawn(create(cloud_tasks, queue.clone(), number, task.is_affected));
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
    is_affected: bool,
) -> anyhow::Result<()> {
    let category = if is_affected { AFFECTED } else { "healthy" };
    let task = NewTask {
        headers: [(CATEGORY.to_owned(), category.to_owned())].into(),
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
        };
        let end = Completion {
            at: seconds(1),
            how: Outcome::Succeeded,
        };
        assert_eq!(ends.results(&[task, task]).tasks[1].1, Some(end));
    }
}
