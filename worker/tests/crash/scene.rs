//! One case: an emulator, three workers, and everything between them, for one task.

use std::sync::{Arc, OnceLock};

use cloudtasks::CloudTasks;
use futures::future::join_all;
use testkit::server::{Cut, serve, status};
use testkit::{Emulator, Receiver, Recorded, eventually};

use crate::case::{Case, Expected, Point};
use crate::chain::{self, STAGES, Stage, Upstreams, stage_named};
use crate::creates::Creates;
use crate::pushes::Pushes;
use crate::script::Script;
use crate::trace::{Plain, Trace};
use crate::worker::{SOON, Worker};

type Slot = Arc<OnceLock<Arc<Worker>>>;

/// What one case needs. Dropped, all of it ends.
struct Scene {
    case: Case,
    script: Arc<Script>,
    trace: Trace,
    cloud: CloudTasks,
    client: Receiver,
    handler: Receiver,
    _emulator: Emulator,
    _workers: Vec<Arc<Worker>>,
}

/// Sends a task through the case, and checks what became of it.
///
/// On a runtime of its own, with which the servers in between end.
pub fn play(case: Case) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(play_out(case));
}

async fn play_out(case: Case) {
    let scene = Scene::new(case).await;
    chain::send(&scene.cloud, "order-1", "a body of two halves").await;
    let events = scene.end().await;
    let Scene { case, trace, .. } = &scene;
    assert_eq!(events.len(), 1, "{case}: one end, one event:\n{trace}");
    assert_eq!(
        scene.became(&events[0]).await,
        case.expected(),
        "{case}:\n{trace}"
    );
}

impl Scene {
    async fn new(case: Case) -> Self {
        let emulator = Emulator::start().await;
        let cloud = emulator.cloud_tasks().await;
        let client = Receiver::answering(200);
        let script = Arc::new(Script::new(&case));
        let trace = Trace::default();
        let slots: [Slot; 3] = Default::default();
        let handler = handler(&case, &slots, &script, &trace);
        let mut workers = Vec::new();
        let mut targets = Vec::new();
        for (stage, slot) in STAGES.iter().zip(&slots) {
            let creates = Creates {
                emulator: emulator.addr(),
                worker: Arc::clone(slot),
                script: Arc::clone(&script),
                trace: trace.clone(),
            };
            let upstreams = Upstreams {
                cloud_tasks: creates.serve().await,
                handler: handler.addr(),
                client: client.addr(),
            };
            let worker = Worker::start(stage, upstreams, case.parks);
            let _ = slot.set(Arc::clone(&worker));
            let pushes = Pushes {
                worker: Arc::clone(&worker),
                script: Arc::clone(&script),
                trace: trace.clone(),
            };
            let served = serve(move |push| {
                let answer = pushes.clone().pass(push);
                async { status(answer.await.map_err(|_| Cut)?.as_u16()) }
            });
            targets.push(served.await.unwrap());
            workers.push(worker);
        }
        join_all(workers.iter().map(|worker| worker.ready())).await;
        if case.parks {
            testkit::chain::create_parking_queue(&cloud).await;
        }
        chain::create_queues(&cloud, &targets, 10).await;
        Self {
            case,
            script,
            trace,
            cloud,
            client,
            handler,
            _emulator: emulator,
            _workers: workers,
        }
    }

    /// Waits until the workers were killed as planned, the client was notified of an end, and no
    /// queue holds anything that could still be pushed.
    async fn end(&self) -> Vec<Recorded> {
        eventually(&self.case.to_string(), SOON, async || {
            let seen = |what: &str| Err(Plain(format!("{what}:\n{}", self.trace)));
            if let Err(left) = chain::nothing_left(&self.cloud).await {
                return seen(&left);
            }
            if !self.script.all_struck() {
                return seen("a worker not killed");
            }
            let events = self.client.requests();
            if events.is_empty() {
                return seen("no event");
            }
            Ok(events)
        })
        .await
    }

    /// What became of the task, by what the client and the handler have seen, and what is parked.
    async fn became(&self, event: &Recorded) -> Expected {
        let event: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
        let told = &event["data"]["attempts"];
        let runs = self.handler.requests();
        let runs_on = |stage: &Stage| {
            let here = |run: &&Recorded| run.header("executor-stage") == stage.name;
            runs.iter().filter(here).count() as u64
        };
        let parked = if self.case.parks {
            let queue = testkit::chain::parking_queue();
            self.cloud.list_tasks(&queue, 10).await.unwrap().len()
        } else {
            0
        };
        Expected {
            parked,
            outcome: event["type"].as_str().unwrap().to_owned(),
            runs: STAGES.each_ref().map(runs_on),
            attempts: STAGES
                .each_ref()
                .map(|stage| told[stage.name].as_u64().unwrap_or(0)),
        }
    }
}

/// The handler of all stages. It answers only after the worker that asked is dead, where that is
/// to happen.
fn handler(case: &Case, workers: &[Slot; 3], script: &Arc<Script>, trace: &Trace) -> Receiver {
    let (case, workers) = (case.clone(), workers.clone());
    let (script, trace) = (Arc::clone(script), trace.clone());
    Receiver::start(move |run: Recorded| {
        let stage = stage_named(run.header("executor-stage"));
        let attempt = run.header("executor-attempt").parse().unwrap();
        let (status, headers) = (case.status(stage), case.headers());
        trace.note(stage.name, format_args!("run, attempt {attempt}: {status}"));
        let kill = script.strikes(stage, Point::DuringRun, Some(attempt));
        if kill {
            trace.note(stage.name, "killed during this run");
        }
        let worker = workers[stage.index].get().cloned().filter(|_| kill);
        let script = Arc::clone(&script);
        async move {
            if let Some(worker) = worker {
                worker.kill().await;
            }
            script.hold(stage).await;
            (status, headers, Vec::new())
        }
    })
}
