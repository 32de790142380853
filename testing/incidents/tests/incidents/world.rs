//! The world of one situation.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloudtasks::{CloudTasks, OidcToken, QueuePath, QueueSettings};
use console::{Cause, Finding, LiveChain};
use crds::{ChainOverride, ExecutorChain};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use node::Node;
use testkit::http_get::exchange;
use testkit::{
    ApiServer, CallProxy, Emulator, Process, Proxy, Receiver, StatsProxy, Way, binary, eventually,
    free_addr, http_get, operator,
};

use crate::handler::{self, Handler};
use crate::producer::{Producer, Traffic};
use crate::situation::{Action, Expected, Situation};

const CHAIN: &str = "orders";

/// Short times, so that a situation takes a minute.
const ARGUMENTS: &[&str] = &[
    "--leader-election=false",
    "--queue-poll-interval=1s",
    "--address-delay=1s",
    "--hand-over-time=1s",
];
/// A person's look at the page.
const LOOK: Duration = Duration::from_millis(300);
/// For a chain to get ready, and for numbers to be known.
const READY: Duration = Duration::from_mins(2);
/// For a cause to be found: its goal is 15 s, on a machine with nothing else to do.
const FOUND: Duration = Duration::from_mins(3);
/// So many looks in which nothing may be found.
const QUIET_LOOKS: u32 = 100;

const MANIFEST: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'RECEIVER'}
  drainDelay: 1s
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 100, maxConcurrentDispatches: 20}, replicas: 2, backoff: {min: 0.1s, max: 1s}, handler: {timeout: 1s}}
  - {name: slow, queue: incoming-2, maxAttempts: 2, rateLimits: {maxDispatchesPerSecond: 50, maxConcurrentDispatches: 30}, backoff: {min: 0.1s, max: 1s}, handler: {timeout: 2s}}
";

/// What was found first, and how long after the trouble.
pub struct Outcome {
    found: Option<Finding>,
    after: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, after } = self;
        let Some(Finding { cause, message, .. }) = found else {
            return write!(f, "nothing | {QUIET_LOOKS} looks");
        };
        write!(f, "{cause}: {message} | {:.1} s", after.as_secs_f64())
    }
}

pub struct World {
    // First: it would miss the emulator.
    producer: Producer,
    /// What pushes to a stage besides its queue.
    foreign: Option<Producer>,
    chains: Api<ExecutorChain>,
    namespace: String,
    operator: Process,
    admin: SocketAddr,
    node: Node,
    emulator: Emulator,
    cloud: CloudTasks,
    stats: StatsProxy,
    calls: CallProxy,
    pushes: Proxy,
    /// Refuses what Cloud Tasks is to refuse.
    refusing: Receiver,
    handler: Handler,
    handlers: Proxy,
    receiver: Receiver,
    receiver_status: Arc<Mutex<u16>>,
}

impl World {
    /// Makes a chain that is well, makes trouble, and waits for what is found first.
    pub async fn run(situation: &Situation) -> Outcome {
        let mut world = Self::begin(situation).await;
        world.apply(situation.chain).await;
        world.is_ready(situation.name).await;
        for action in situation.before {
            world.perform(action, situation).await;
        }
        let has_traffic = |it: &Action| {
            matches!(
                it,
                Action::Traffic(_) | Action::RoutedTraffic(_) | Action::MixedTraffic(_)
            )
        };
        if situation.before.iter().any(has_traffic) {
            world.is_well(situation).await;
        }
        for action in situation.trouble {
            world.perform(action, situation).await;
        }
        let began = Instant::now();
        let found = match situation.found {
            Expected::Nothing => {
                world.stays_quiet(situation.name).await;
                None
            }
            Expected::First(cause, stage) => {
                Some(world.finds(situation.name, cause, stage, 1).await)
            }
            Expected::Too(cause, stage) => {
                let all = Cause::ALL.len();
                Some(world.finds(situation.name, cause, Some(stage), all).await)
            }
        };
        let after = began.elapsed();
        Outcome { found, after }
    }

    async fn begin(situation: &Situation) -> Self {
        let server = ApiServer::shared_with_crd().await;
        let namespace = server.namespace("incidents").await;
        let client = server.client().await;
        let handler = Handler::default();
        let handlers = Proxy::start(handler.serve().await).await;
        let node = node::Settings {
            client: client.clone(),
            namespace: namespace.clone(),
            worker: binary("executor-worker"),
            handler: handlers.addr(),
        };
        let node = Node::start(node).await.expect("a node");
        let pushes = Proxy::start(node.proxy()).await;
        let emulator = Emulator::start_behind(pushes.addr()).await;
        let cloud = emulator.cloud_tasks().await;
        let stats = StatsProxy::start(emulator.addr()).await;
        let calls = CallProxy::start(stats.addr()).await;
        let admin = free_addr();
        let cloud_tasks = if situation.is_direct {
            emulator.addr().to_string()
        } else {
            calls.addr().to_string()
        };
        let mut command = operator::command(server.kubeconfig(), &namespace, &cloud_tasks);
        command
            .args(ARGUMENTS)
            .args(situation.args)
            .args(["--admin-addr", &admin.to_string()]);
        let receiver_status = Arc::new(Mutex::new(200));
        Self {
            chains: Api::namespaced(client, &namespace),
            namespace,
            operator: Process::spawn(&command),
            admin,
            node,
            producer: Producer::new(cloud.clone(), queue("incoming")),
            foreign: None,
            emulator,
            cloud,
            stats,
            calls,
            pushes,
            refusing: Receiver::refusing(8, "Quota exceeded"),
            handler,
            handlers,
            receiver: handler::receiver(Arc::clone(&receiver_status)),
            receiver_status,
        }
    }

    async fn perform(&mut self, action: &Action, situation: &Situation) {
        match action {
            Action::Handler(stage, behavior) => self.handler.set(stage, *behavior),
            Action::NoHandler => self.handlers.turn(Way::Refused),
            Action::Traffic(rate) => self.producer.send(Traffic {
                rate: *rate,
                routed: 0.0,
            }),
            Action::RoutedTraffic(rate) => self.producer.send(Traffic {
                rate: *rate,
                routed: 1.0,
            }),
            Action::MixedTraffic(rate) => self.producer.send(Traffic {
                rate: *rate,
                routed: 0.4,
            }),
            Action::Burst(tasks) => self.producer.burst(*tasks, handler::any_task).await,
            Action::FailingBurst(tasks) => {
                self.producer.burst(*tasks, handler::failing_task).await;
            }
            Action::Scheduled(tasks) => self.schedule(*tasks).await,
            Action::ForeignPushes(stage) => self.push_from_elsewhere(stage).await,
            Action::Apply(spec) => {
                let both = [situation.chain, spec].concat();
                self.apply(&both).await;
            }
            Action::Override(settings) => self.override_fast(settings).await,
            Action::Pause(id) => self.cloud.pause_queue(&queue(id)).await.unwrap(),
            Action::Delete(id) => self.cloud.delete_queue(&queue(id)).await.unwrap(),
            Action::Rate(id, rate) => {
                let settings = QueueSettings {
                    max_dispatches_per_second: Some(*rate),
                    ..QueueSettings::default()
                };
                drop(
                    self.cloud
                        .update_queue(&queue(id), &settings)
                        .await
                        .unwrap(),
                );
            }
            Action::Pushes(way) => self.pushes.turn(*way),
            Action::Receiver(status) => {
                let told = self.receiver_status.lock();
                *told.unwrap_or_else(PoisonError::into_inner) = *status;
            }
            Action::Refuses(methods) => self.calls.send_elsewhere(methods, self.refusing.addr()),
            Action::Stats(answer) => self.stats.answer(*answer),
            Action::UntilUsual => self.is_usual(situation.name).await,
        }
    }

    async fn apply(&self, spec: &[(&str, &str)]) {
        let manifest = MANIFEST.replace("RECEIVER", &self.receiver.url("/ends"));
        let manifest = spec.iter().fold(manifest, |manifest, (from, to)| {
            assert!(manifest.contains(from), "nothing to replace: {from}");
            manifest.replace(from, to)
        });
        let chain: serde_json::Value = serde_saphyr::from_str(&manifest).unwrap();
        let parameters = PatchParams::apply("a-person").force();
        let patch = Patch::Apply(&chain);
        let applied = self.chains.patch(CHAIN, &parameters, &patch);
        applied.await.unwrap();
    }

    async fn override_fast(&self, settings: &str) {
        let manifest = format!(
            "apiVersion: executor-chain.dev/v1alpha1\nkind: ChainOverride\nmetadata: {{name: inc-42}}\nspec: {{chain: {CHAIN}, stages: [fast], for: 10m, reason: INC-42, {settings}}}"
        );
        let it: ChainOverride = serde_saphyr::from_str(&manifest).unwrap();
        let namespace = self.chains.namespace().unwrap();
        let api: Api<ChainOverride> = Api::namespaced(self.chains.clone().into_client(), namespace);
        api.create(&PostParams::default(), &it).await.unwrap();
    }

    /// Tasks that are due in an hour. The client has no field for that.
    async fn schedule(&self, tasks: usize) {
        let addr = self.emulator.addr();
        let due = jiff::Timestamp::now() + Duration::from_hours(1);
        for _ in 0..tasks {
            let task = serde_json::json!({"task": {
                "scheduleTime": due.to_string(),
                "httpRequest": {"url": "http://producer.invalid/orders", "httpMethod": "POST"},
            }});
            let task = task.to_string();
            let request = format!(
                "POST /v2/{}/tasks HTTP/1.0\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{task}",
                queue("incoming"),
                task.len()
            );
            let answer = exchange(addr, &request).await.unwrap();
            assert!(answer.contains(" 200 "), "{answer}");
        }
    }

    /// Real pushes to the stage's workers, with a token for another audience.
    async fn push_from_elsewhere(&mut self, stage: &str) {
        let id = if stage == "fast" {
            "incoming"
        } else {
            "incoming-2"
        };
        let its = self.cloud.get_queue(&queue(id)).await.unwrap();
        let mut target = its.http_target.unwrap();
        // Not the chain's own.
        target.headers = BTreeMap::new();
        target.token = Some(OidcToken {
            service_account_email: "pusher@demo.example".to_owned(),
            audience: "another".to_owned(),
        });
        let settings = QueueSettings {
            http_target: Some(target),
            ..QueueSettings::default()
        };
        let elsewhere = queue("elsewhere");
        self.cloud
            .create_queue(&elsewhere, &settings)
            .await
            .unwrap();
        let foreign = Producer::new(self.cloud.clone(), elsewhere);
        foreign.send(Traffic {
            rate: 10.0,
            routed: 0.0,
        });
        self.foreign = Some(foreign);
    }

    async fn is_ready(&self, name: &str) {
        eventually(&format!("{name}: a ready chain"), READY, async || {
            let chain = self.chains.get(CHAIN).await.map_err(|it| it.to_string())?;
            let status = chain.status.unwrap_or_default();
            let mut conditions = status.conditions.iter();
            let ready = conditions.find(|it| it.type_ == "Ready");
            if ready.is_some_and(|it| it.status == "True") {
                return Ok(());
            }
            Err(format!("{ready:?}, the node: {:?}", self.node.trouble()))
        })
        .await;
    }

    /// The chain as the operator's API has it. That is a look, so the numbers are read more often.
    async fn look(&self) -> Result<LiveChain, String> {
        tokio::time::sleep(LOOK).await;
        let path = format!("/api/v1/chains/{}/{CHAIN}", self.namespace);
        let answer = http_get(self.admin, &path).await;
        let answer = answer.map_err(|error| error.to_string())?;
        serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))
    }

    /// All numbers are known, and nothing is found.
    async fn is_well(&self, situation: &Situation) {
        let what = format!("{}: a chain that is well", situation.name);
        eventually(&what, READY, async || {
            let chain = self.look().await?;
            let first = &chain.stages[0];
            let runs = first.worker_numbers.value().map(|it| it.answers.all());
            let has_numbers = situation.is_direct || first.queue_numbers.value().is_some();
            let is_known = has_numbers && runs > Some(20);
            if is_known && chain.findings.is_empty() {
                return Ok(());
            }
            Err(format!("{chain:?}"))
        })
        .await;
    }

    /// Enough is known of what is usual.
    async fn is_usual(&self, name: &str) {
        eventually(&format!("{name}: what is usual"), READY, async || {
            let chain = self.look().await?;
            let workers = chain.stages[0].worker_numbers.value();
            let before = workers.and_then(|it| it.before);
            let is_known = before.is_some_and(|it| it.runs >= 150);
            is_known.then_some(()).ok_or(format!("{before:?}"))
        })
        .await;
    }

    /// A finding among the first so many.
    async fn finds(&self, name: &str, cause: Cause, stage: Option<&str>, first: usize) -> Finding {
        eventually(&format!("{name}: {cause}"), FOUND, async || {
            let chain = self.look().await?;
            let mut first = chain.findings.iter().take(first);
            let is_it = |it: &&Finding| it.cause == cause && it.stage.as_deref() == stage;
            first.find(is_it).cloned().ok_or_else(|| {
                let log = self.operator.log_tail();
                format!("{:#?}\n{:#?}\n{log}", chain.findings, chain.stages)
            })
        })
        .await
    }

    async fn stays_quiet(&self, name: &str) {
        for _ in 0..QUIET_LOOKS {
            let chain = self.look().await.unwrap();
            assert!(chain.findings.is_empty(), "{name}: {chain:#?}");
        }
    }
}

fn queue(id: &str) -> QueuePath {
    let path = format!("projects/demo/locations/europe-west1/queues/{id}");
    path.parse().expect("a queue's path")
}
