//! A namespace with a chain that parks, a node, an emulator, a handler that fails, and a client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cloudtasks::{CloudTasks, QueuePath};
use crds::{ChainRedrive, ExecutorChain, FINISHED};
use futures::StreamExt;
use futures::stream;
use http::HeaderValue;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use node::Node;
use parking::ParkedTask;
use serde_json::{Value, json};
use testkit::server::{serve, status, text};
use testkit::{ApiServer, Emulator, binary, eventually, task};

use crate::operator::Operator;
use crate::tale::{PREFIX, REDRIVEN, Tale};

/// The runs of a task that always fails.
pub const BUDGET: u32 = 3;
const CHAIN: &str = "orders";
const PLACE: &str = "projects/demo/locations/europe-west1/queues";
const MANIFEST: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  drainDelay: 1s
  notifier: {queue: ends, url: 'http://RECEIVER/ends'}
  parking: {queue: parked}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 2, replicas: 2, rateLimits: {maxDispatchesPerSecond: 300, maxConcurrentDispatches: 60}, backoff: {min: 100ms, max: 400ms}}
  - {name: slow, queue: incoming-2, maxAttempts: 1, replicas: 2, rateLimits: {maxDispatchesPerSecond: 300, maxConcurrentDispatches: 60}, backoff: {min: 100ms, max: 400ms}}
";
const REDRIVE: &str = "inc-42";
/// How long the chain may take to be ready.
const SOON: Duration = Duration::from_mins(1);
/// Creates at once.
const CREATES: usize = 8;

/// Where it runs.
pub struct Testbed {
    /// The operator's process.
    pub operator: Operator,
    /// The workers' node, which runs the mover too.
    pub node: Node,
    /// What becomes of the tasks.
    pub tale: Arc<Tale>,
    cloud: CloudTasks,
    client: Client,
    namespace: String,
    receiver: SocketAddr,
    _emulator: Emulator,
}

impl Testbed {
    /// One without a chain.
    pub async fn new(server: &ApiServer) -> anyhow::Result<Self> {
        let namespace = server.namespace("redrive").await;
        let client = server.client().await;
        let tale = Arc::new(Tale::default());
        let node = Node::start(node::Settings {
            client: client.clone(),
            namespace: namespace.clone(),
            worker: binary("executor-worker"),
            handler: handler(Arc::clone(&tale)).await?,
        })
        .await?;
        let emulator = Emulator::start_behind(node.proxy()).await;
        let operator = Operator::start(server.kubeconfig(), &namespace, emulator.addr());
        Ok(Self {
            operator: operator.await?,
            node,
            receiver: receiver(&tale).await?,
            tale,
            cloud: emulator.cloud_tasks().await,
            client,
            namespace,
            _emulator: emulator,
        })
    }

    /// Applies the chain, and waits until it is ready.
    pub async fn apply(&self) -> anyhow::Result<()> {
        let manifest = MANIFEST.replace("RECEIVER", &self.receiver.to_string());
        let chain: Value = serde_saphyr::from_str(&manifest)?;
        let chains: Api<ExecutorChain> = Api::namespaced(self.client.clone(), &self.namespace);
        let parameters = PatchParams::apply("a-person").force();
        chains
            .patch(CHAIN, &parameters, &Patch::Apply(&chain))
            .await
            .context("applying the manifest")?;
        eventually("a chain that is ready", SOON, async || {
            let chain = chains.get(CHAIN).await?;
            let conditions = chain.status.unwrap_or_default().conditions;
            let mut ready = conditions.iter().filter(|it| it.type_ == "Ready");
            let is_ready = ready.any(|it| it.status == "True");
            anyhow::ensure!(is_ready, "{conditions:?}");
            Ok(())
        })
        .await;
        Ok(())
    }

    /// Creates tasks that fail for good.
    pub async fn produce(&self, tasks: usize) -> anyhow::Result<()> {
        let queue = queue("incoming");
        let mut creates = stream::iter(0..tasks)
            .map(|number| {
                let task = task(&queue, &format!("{PREFIX}{number}"), "{}");
                let (cloud, queue) = (&self.cloud, &queue);
                async move { cloud.create_task(queue, &task).await }
            })
            .buffer_unordered(CREATES);
        while let Some(created) = creates.next().await {
            created?;
        }
        Ok(())
    }

    /// The parked tasks: the producer's ids, and what they are in the parking queue, with the time of their creation.
    pub async fn parked(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let (queue, mut from) = (queue("parked"), None);
        let mut parked = BTreeMap::new();
        loop {
            let page = self.cloud.list_tasks_page(&queue, from.as_ref()).await?;
            for task in &page.tasks {
                // A mover's note is no parked task.
                let Ok(found) = ParkedTask::read(task) else {
                    continue;
                };
                let place = format!("{} of {}", found.path.id, found.created);
                let before = parked.insert(found.record.task.to_string(), place);
                anyhow::ensure!(before.is_none(), "{} is parked twice", found.record.task);
            }
            from = page.next;
            if from.is_none() {
                return Ok(parked);
            }
        }
    }

    /// Asks for the redrive.
    pub async fn redrive(&self, rate: u32) -> anyhow::Result<()> {
        let spec = json!({
            "chain": CHAIN,
            "to": "fast",
            "rate": rate,
            "where": {"reason": REDRIVEN},
            "reason": "INC-42 is fixed",
        });
        let redrive = ChainRedrive::new(REDRIVE, serde_json::from_value(spec)?);
        let created = self
            .redrives()
            .create(&PostParams::default(), &redrive)
            .await;
        created.map(drop).context("creating the redrive")
    }

    /// Whether the redrive is done, and what it says.
    pub async fn is_finished(&self) -> anyhow::Result<(bool, String)> {
        let status = self
            .redrives()
            .get(REDRIVE)
            .await?
            .status
            .unwrap_or_default();
        let condition = status.conditions.iter().find(|it| it.type_ == FINISHED);
        let said =
            condition.map_or_else(String::new, |it| format!("{}: {}", it.reason, it.message));
        let is_finished = condition.is_some_and(|it| it.status == "True");
        let is_done = condition.is_some_and(|it| it.reason == "Done");
        anyhow::ensure!(is_done == is_finished, "{said}");
        Ok((is_finished, said))
    }

    /// What the redrive says.
    pub async fn state(&self) -> anyhow::Result<String> {
        Ok(self.is_finished().await?.1)
    }

    /// The queues of stages and of notifications that have tasks.
    pub async fn waiting(&self) -> anyhow::Result<Vec<String>> {
        let mut waiting = Vec::new();
        for id in ["incoming", "incoming-2", "ends"] {
            if !self.cloud.list_tasks(&queue(id), 1).await?.is_empty() {
                waiting.push(id.to_owned());
            }
        }
        Ok(waiting)
    }

    fn redrives(&self) -> Api<ChainRedrive> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn queue(id: &str) -> QueuePath {
    let path = format!("{PLACE}/{id}");
    path.parse().expect("the ids above are legal")
}

/// The handler of all workers: each task fails until it is fixed.
async fn handler(tale: Arc<Tale>) -> std::io::Result<SocketAddr> {
    serve(move |request| {
        let task = text(request.headers(), "executor-task").to_owned();
        let failed = tale.run(&task);
        async move {
            let Some(reason) = failed else {
                return status(200);
            };
            let mut answer = status(409)?;
            let reason = HeaderValue::from_static(reason);
            answer.headers_mut().insert("executor-reason", reason);
            Ok(answer)
        }
    })
    .await
}

/// The client.
async fn receiver(tale: &Arc<Tale>) -> std::io::Result<SocketAddr> {
    let tale = Arc::clone(tale);
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    oracle::receive(any_port, PREFIX, move |it| {
        tale.notified(&it);
        200
    })
    .await
}
