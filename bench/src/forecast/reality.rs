//! A scene in reality.

use std::time::{Duration, SystemTime};

use anyhow::Context;
use console::LiveChain;
use simulation::forecast::StageSettings;
use simulation::{
    Design, Entry, Limits, Outcome, Results, Scenario, Stage, Tenants, Unlucky, Window, Workers,
};
use testkit::counters;
use tokio::time::{Instant, sleep_until};

use crate::forecast::live::{Histories, PERIOD, waits};
use crate::forecast::scenes::Scene;
use crate::goodput::handler::{arguments, unix_millis};
use crate::goodput::processes::RunningDesign;
use crate::goodput::replay::{Ends, produce};
use crate::quantile::Sample;

/// In which all processes have started.
const START: Duration = Duration::from_secs(10);
/// Until the edit: what is measured is of the trouble, and retries are under way.
const WARM_UP: Duration = Duration::from_secs(30);
/// In how many parts of the horizon is asked how many pushes are late, as the forecast counts them.
const PARTS: u32 = 180;
/// A push is late that comes later: a bound of the workers' histogram.
const LATE: Duration = Duration::from_secs(1);

/// What has happened within the horizon.
#[derive(Debug, Clone)]
pub struct Reality {
    pub healthy_per_second: f64,
    /// Milliseconds; NaN without any.
    pub healthy_p99: f64,
    pub stages: Vec<RealStage>,
    pub failed: f64,
}

#[derive(Debug, Clone)]
pub struct RealStage {
    pub dispatches_per_second: f64,
    /// Seconds; none if not within the horizon.
    pub backlog_gone: Option<f64>,
}

/// What the workers of a stage have counted.
#[derive(Debug, Clone, Copy, Default)]
struct Pushes {
    all: f64,
    late: f64,
    /// Answers, and runs in progress.
    dispatched: f64,
}

/// Plays it. `before_edit` gets the chain as it is then.
pub async fn play(
    scene: &Scene,
    seed: u64,
    before_edit: impl FnOnce(&LiveChain) -> anyhow::Result<()>,
) -> anyhow::Result<Reality> {
    let (begin, wall) = (Instant::now() + START, SystemTime::now() + START);
    let edited = begin + WARM_UP;
    let scenario = Scenario {
        load: scene.load,
        share: scene.share,
        lasts: WARM_UP + scene.horizon,
        incident: Window {
            from: Duration::ZERO,
            until: Duration::from_hours(1),
        },
        fault: scene.fault,
        success_takes: scene.success_takes,
        unlucky: Unlucky::default(),
        tenants: Tenants::default(),
    };
    let tasks = scenario.tasks(seed);
    let design = Design {
        stages: scene.stages.iter().map(stage).collect(),
        entry: Entry::First,
    };
    let ends = Ends::none(begin, tasks.len());
    let incident =
        [scenario.incident.from, scenario.incident.until].map(|at| unix_millis(wall + at));
    let handler = |listen| arguments(listen, incident, scene.fault, scene.success_takes);
    let mut chain = RunningDesign::start(&design, handler, ends.receive().await?).await?;
    anyhow::ensure!(
        Instant::now() < begin,
        "the processes took longer than {START:?} to start"
    );
    let (cloud_tasks, first) = (chain.cloud_tasks.clone(), chain.queues[0].clone());
    let producing = produce(
        &scenario,
        &tasks,
        &cloud_tasks,
        [&first, &first],
        Entry::First,
        begin,
    );
    let editing = async {
        let mut histories = Histories::new(scene.stages.len());
        let mut next = begin;
        while next < edited {
            sleep_until(next).await;
            histories.ask(&chain).await;
            next += PERIOD;
        }
        sleep_until(edited).await;
        before_edit(&histories.live(&chain, &scene.stages).await?)?;
        let at = Instant::now();
        let counted = counted(&chain, scene.stages.len()).await?;
        edit(&mut chain, scene).await?;
        println!("    edited in {:?}", at.elapsed());
        let stages = watch(&chain, scene, at, counted).await?;
        Ok::<_, anyhow::Error>((at, stages))
    };
    let (_, (at, stages)) = tokio::try_join!(producing, editing)?;
    let from = at.saturating_duration_since(begin);
    let window = Window {
        from,
        until: from + scene.horizon,
    };
    Ok(happened(&ends.results(&tasks), window, stages))
}

fn stage(settings: &StageSettings) -> Stage {
    Stage {
        limits: settings.limits,
        attempts: settings.attempts,
        timeout: settings.timeout,
        capacity: settings.run_slots,
        reroutes_to: None,
        workers: Workers::default(),
    }
}

/// Makes the edit, as the operator does it: a pause and limits in the queue alone, all else with a new
/// worker.
async fn edit(chain: &mut RunningDesign, scene: &Scene) -> anyhow::Result<()> {
    let (before, after) = (&scene.stages[0], &scene.edited);
    if after.is_paused {
        chain.cloud_tasks.pause_queue(&chain.queues[0]).await?;
    }
    let queue_alone = |settings: &StageSettings| StageSettings {
        limits: Limits { ..after.limits },
        is_paused: false,
        ..settings.clone()
    };
    if queue_alone(before) == queue_alone(after) {
        return chain.limit(0, &stage(after)).await;
    }
    let next = chain.queues.get(1).map(ToString::to_string);
    let routes = next.filter(|_| !after.routes.is_empty());
    let routes = routes.map(|to| format!(r#"[{{"match":{{"reason":"timeout"}},"to":"{to}"}}]"#));
    chain.edit(0, &stage(after), routes.as_deref()).await
}

/// Watches the stages until the horizon, and resumes a queue in time.
async fn watch(
    chain: &RunningDesign,
    scene: &Scene,
    at: Instant,
    begin: Vec<Pushes>,
) -> anyhow::Result<Vec<RealStage>> {
    let part = scene.horizon / PARTS;
    let mut last = begin.clone();
    let mut gone = vec![0; scene.stages.len()];
    let mut resumes = scene.resumed;
    for number in 1..=PARTS {
        sleep_until(at + part * number).await;
        if resumes.is_some_and(|it| at.elapsed() >= it) {
            chain.cloud_tasks.resume_queue(&chain.queues[0]).await?;
            resumes = None;
        }
        let now = counted(chain, scene.stages.len()).await?;
        for (place, (now, last)) in now.iter().zip(&last).enumerate() {
            if (now.late - last.late) * 2.0 > now.all - last.all {
                gone[place] = number;
            }
        }
        last = now;
    }
    let mut stages = Vec::new();
    for (place, gone) in gone.into_iter().enumerate() {
        let still = waits(chain, place).await? > LATE + part;
        let dispatched = last[place].dispatched - begin[place].dispatched;
        stages.push(RealStage {
            dispatches_per_second: dispatched / scene.horizon.as_secs_f64(),
            backlog_gone: (!still && gone + 2 <= PARTS).then(|| (part * gone).as_secs_f64()),
        });
    }
    Ok(stages)
}

async fn counted(chain: &RunningDesign, stages: usize) -> anyhow::Result<Vec<Pushes>> {
    let mut counted = vec![Pushes::default(); stages];
    for (place, admin) in &chain.admins {
        let page = counters(*admin).await.context("a worker's metrics")?;
        let pushes = &mut counted[*place];
        let in_time = page.sum("executor_worker_lag_seconds_bucket", |it| {
            it.get("le") == "1.0"
        });
        let all = page.total("executor_worker_lag_seconds_count");
        pushes.all += all;
        pushes.late += all - in_time;
        pushes.dispatched += page.total("executor_worker_answers_total")
            + page.total("executor_worker_runs_under_way");
    }
    Ok(counted)
}

fn happened(results: &Results, window: Window, stages: Vec<RealStage>) -> Reality {
    let ended = results
        .tasks
        .iter()
        .filter_map(|(task, end)| Some((task, (*end)?)));
    let ended = ended.filter(|(_, end)| window.has(end.at));
    let failed = ended.clone().filter(|(_, end)| end.how == Outcome::Failed);
    let healthy = ended.filter(|(task, end)| !task.is_affected && end.how == Outcome::Succeeded);
    let waits = healthy.map(|(task, end)| end.at.saturating_sub(task.arrives));
    Reality {
        healthy_per_second: results.goodput(window),
        healthy_p99: Sample::new(waits).percentile(99),
        stages,
        failed: failed.fold(0.0, |count, _| count + 1.0),
    }
}
