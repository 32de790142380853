//! What a test starts: an emulator with a parking queue, tasks in it, movers, and workers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint, Method, NewTask, QueueSettings, TaskId, TaskInfo};
use decide::task::{LEDGER_HEADER, PARKED_HEADER};
use decide::{EndCause, Ledger, ParkedRecord, StageRecord};
use executor_worker::{Config, MoverConfig, RunningMover, RunningWorker, start_mover};
use jiff::{Timestamp, ToSpan as _};
use parking::{
    Action, Canary, Filter, Move, RedriveOrder, RedrivePhase, RedriveProgress, Selection,
};
use testkit::chain::http_target;
pub use testkit::chain::queue;
use testkit::{Emulator, Process, Receiver, binary, eventually, free_addr, http_get};

/// Far more than anything here takes, on a slow machine too.
pub const SOON: Duration = Duration::from_mins(1);
/// Faster than anything here is.
pub const FAST: f64 = 5_000.0;

pub struct Bed {
    pub emulator: Emulator,
    pub cloud: CloudTasks,
    pub client: Receiver,
}

/// A task that a worker has parked after its first life.
pub struct Parked {
    pub task: NewTask,
    pub ledger: Ledger,
}

impl Parked {
    /// The task of the id `task` on the stage `fast`.
    pub fn new(task: &str, reason: &str) -> Self {
        let first = queue("incoming").task(task.parse().unwrap());
        let now = Timestamp::now();
        let ledger = Ledger::first(&first, now).with(StageRecord {
            stage: "fast".parse().unwrap(),
            attempts: 3,
            dispatches: 3,
            since: now,
            until: now,
            status: Some(409),
            reason: reason.parse().unwrap(),
        });
        let record = ParkedRecord {
            task: ledger.task.clone(),
            queue: ledger.queue.clone(),
            stage: "fast".parse().unwrap(),
            cause: EndCause::Exhausted,
            reason: reason.parse().unwrap(),
            status: Some(409),
            at: now,
            life: None,
        };
        let headers = [
            (LEDGER_HEADER, ledger.encode()),
            (PARKED_HEADER, record.encode()),
            ("content-type", "application/octet-stream".to_owned()),
            ("x-tenant", "a, b; c=\"d\"".to_owned()),
        ];
        let task = NewTask {
            path: Some(queue("parked").task(ledger.root.parked())),
            url: format!("http://x/orders/{task}?id=7&x=%20"),
            method: Method::Put,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
            body: [b"body of ", task.as_bytes(), &[0, 255, 13, 10]].concat(),
            dispatch_deadline: None,
            schedule_time: None,
            oidc_token: None,
        };
        Self { task, ledger }
    }

    /// Its id in the parking queue.
    pub fn id(&self) -> TaskId {
        self.task.path.clone().unwrap().id
    }

    /// The ledger of the life that a redrive of this id begins.
    pub fn redriven(&self, redrive: &str) -> Ledger {
        self.ledger.clone().redriven(redrive.parse().unwrap())
    }
}

impl Bed {
    /// An emulator with a parking queue, and a paused queue `incoming`.
    pub async fn new() -> Self {
        let emulator = Emulator::start().await;
        let bed = Self {
            cloud: emulator.cloud_tasks().await,
            emulator,
            client: Receiver::answering(200),
        };
        bed.paused("parked").await;
        bed.paused("incoming").await;
        bed.queue("notifier", None).await;
        bed
    }

    pub async fn paused(&self, id: &str) {
        self.queue(id, None).await;
        self.cloud.pause_queue(&queue(id)).await.unwrap();
    }

    async fn queue(&self, id: &str, to: Option<SocketAddr>) {
        let settings = settings(to);
        let created = self.cloud.create_queue(&queue(id), &settings).await;
        created.unwrap();
    }

    /// Parks so many tasks with this reason, `REASON-0` and so on.
    pub async fn park(&self, tasks: usize, reason: &str) -> Vec<Parked> {
        let parked: Vec<Parked> = (0..tasks)
            .map(|number| Parked::new(&format!("{reason}-{number}"), reason))
            .collect();
        for parked in &parked {
            self.create(&parked.task).await;
        }
        parked
    }

    pub async fn create(&self, task: &NewTask) {
        let queue = &task.path.as_ref().unwrap().queue;
        self.cloud.create_task(queue, task).await.unwrap();
    }

    /// All tasks of a queue.
    pub async fn tasks(&self, id: &str) -> Vec<TaskInfo> {
        let tasks = self.cloud.list_tasks(&queue(id), 1_000_000).await;
        tasks.unwrap()
    }

    /// Ids and create times of a queue's tasks: if they are equal, nobody has touched one.
    pub async fn untouched(&self, id: &str) -> BTreeMap<TaskId, Timestamp> {
        let tasks = self.tasks(id).await.into_iter();
        tasks.map(|task| (task.path.id, task.created)).collect()
    }

    pub async fn ids(&self, id: &str) -> BTreeSet<TaskId> {
        let tasks = self.tasks(id).await.into_iter();
        tasks.map(|task| task.path.id).collect()
    }

    /// A mover in this process.
    pub async fn mover(&self, order: RedriveOrder) -> RunningMover {
        mover(self.emulator.addr(), order).await
    }

    /// A mover that is done, and its last progress.
    pub async fn moved(&self, order: RedriveOrder) -> RedriveProgress {
        let mover = self.mover(order).await;
        let progress = over(&mover).await;
        mover.stop().await;
        progress
    }

    /// A worker of a stage on this queue, which parks what fails, and whose queue pushes to it from now on.
    pub async fn worker(
        &self,
        stage: &str,
        id: &str,
        handler: &Receiver,
        more: &[(&str, &str)],
    ) -> RunningWorker {
        let own = queue(id).to_string();
        let (notifier, parked) = (queue("notifier").to_string(), queue("parked").to_string());
        let (emulator, events) = (self.emulator.addr().to_string(), self.client.url("/events"));
        let handler = handler.url("");
        let vars: HashMap<&str, &str> = [
            ("CHAIN", "shop/orders"),
            ("STAGE", stage),
            ("QUEUE", &own),
            ("MAX_ATTEMPTS", "1"),
            ("NOTIFIER_QUEUE", &notifier),
            ("NOTIFIER_URL", &events),
            ("PARKING_QUEUE", &parked),
            ("HANDLER_URL", &handler),
            ("LISTEN_ADDR", "127.0.0.1:0"),
            ("ADMIN_ADDR", "127.0.0.1:0"),
            ("CLOUD_TASKS_EMULATOR_HOST", &emulator),
        ]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
        let get = |name: &str| vars.get(name).map(|value| (*value).to_owned());
        let worker = executor_worker::start(Config::from_vars(&get).unwrap());
        let worker = worker.await.unwrap();
        eventually("readiness", SOON, async || worker.is_ready()).await;
        let settings = settings(Some(worker.addr()));
        let queue = queue(id);
        self.cloud.update_queue(&queue, &settings).await.unwrap();
        self.cloud.resume_queue(&queue).await.unwrap();
        worker
    }

    /// A mover in a process of its own, which can be killed.
    pub fn process(&self, order: &RedriveOrder) -> MoverProcess {
        let admin = free_addr();
        let mut command = Command::new(binary("executor-worker"));
        command.arg("redrive").envs([
            ("REDRIVE", serde_json::to_string(order).unwrap()),
            ("ADMIN_ADDR", admin.to_string()),
            (
                "CLOUD_TASKS_EMULATOR_HOST",
                self.emulator.addr().to_string(),
            ),
        ]);
        MoverProcess {
            process: Process::spawn(&command),
            admin,
        }
    }
}

pub struct MoverProcess {
    pub process: Process,
    pub admin: SocketAddr,
}

impl MoverProcess {
    pub async fn progress(&self) -> Result<RedriveProgress, String> {
        let page = http_get(self.admin, "/redrive").await;
        let page = page.map_err(|error| format!("{error}: {}", self.process.log_tail()))?;
        serde_json::from_str(&page).map_err(|error| error.to_string())
    }

    /// Waits until its progress is like this.
    pub async fn until(
        &self,
        what: &str,
        is: impl Fn(&RedriveProgress) -> bool,
    ) -> RedriveProgress {
        eventually(what, SOON, async || {
            let progress = self.progress().await?;
            if is(&progress) {
                Ok(progress)
            } else {
                Err(format!("{progress:?}"))
            }
        })
        .await
    }

    pub async fn kill(self) {
        self.process.kill9();
        assert_eq!(self.process.exit(SOON).await, 128 + 9);
    }
}

pub async fn mover(cloud_tasks: SocketAddr, order: RedriveOrder) -> RunningMover {
    let config = MoverConfig {
        order,
        admin: vec!["127.0.0.1:0".parse().unwrap()],
        endpoint: Endpoint::Emulator(cloud_tasks.to_string()),
    };
    start_mover(config).await.unwrap()
}

/// Waits until a redrive is over.
pub async fn over(mover: &RunningMover) -> RedriveProgress {
    until(mover, "the redrive's end", |it| it.phase.is_over()).await
}

pub async fn until(
    mover: &RunningMover,
    what: &str,
    is: impl Fn(&RedriveProgress) -> bool,
) -> RedriveProgress {
    eventually(what, SOON, async || {
        let progress = mover.progress();
        if is(&progress) {
            Ok(progress)
        } else {
            Err(progress)
        }
    })
    .await
}

/// A redrive of the tasks that have this, with the id `one`, to the queue `incoming`.
pub fn order(filter: &str) -> RedriveOrder {
    RedriveOrder {
        chain: "shop/orders".into(),
        parked: queue("parked"),
        selection: Selection {
            redrive: "one".parse().unwrap(),
            // Whatever the emulator's clock says, what is parked here was parked before.
            asked: Timestamp::now() + 1.hour(),
            filter: match filter {
                "" => Filter::default(),
                part => Filter::default().with(part).unwrap(),
            },
        },
        rate: FAST,
        action: Action::Move(Move {
            to: queue("incoming"),
            dispatch_deadline_ms: 60_000,
            delay_ms: 0,
            stages: vec![queue("incoming"), queue("incoming-2")],
            canary: None,
        }),
    }
}

/// The same with a canary.
pub fn with_canary(mut order: RedriveOrder, canary: Canary) -> RedriveOrder {
    if let Action::Move(to) = &mut order.action {
        to.canary = Some(canary);
    }
    order
}

pub fn done(moved: u64, skipped: u64) -> RedriveProgress {
    RedriveProgress {
        redrive: "one".parse().unwrap(),
        phase: RedrivePhase::Done,
        remaining: Some(0),
        at_least: false,
        moved,
        skipped,
        failed_again: 0,
        canary: None,
        problem: None,
    }
}

/// The ids of the lives' first tasks.
pub fn lives(parked: &[Parked], redrive: &str) -> BTreeSet<TaskId> {
    let ids = parked.iter();
    ids.map(|parked| parked.redriven(redrive).own_task())
        .collect()
}

fn settings(to: Option<SocketAddr>) -> QueueSettings {
    QueueSettings {
        max_attempts: Some(-1),
        min_backoff: Some(Duration::from_millis(10)),
        max_backoff: Some(Duration::from_millis(100)),
        http_target: to.map(http_target),
        ..QueueSettings::default()
    }
}
