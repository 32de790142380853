//! The testbed of one row: a namespace, a node, an emulator, a handler, a client, and a producer.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use cloudtasks::CloudTasks;
use crds::ExecutorChain;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use node::Node;
use oracle::{Script, Tracker};
use testkit::{ApiServer, Emulator, ListProxy, binary};

use crate::handler::{self, PREFIX};
use crate::manifest::{CHAIN, Manifest, queue};
use crate::operator::Operator;
use crate::producer::Producer;

/// How many tasks are looked for in a queue.
const MANY: usize = 1000;

/// Where a row runs.
pub struct Testbed {
    /// The operator's process.
    pub operator: Operator,
    /// The workers' node.
    pub node: Node,
    /// What becomes of the tasks.
    pub tracker: Arc<Tracker>,
    /// Sends them.
    pub producer: Producer,
    /// Cloud Tasks.
    pub cloud: CloudTasks,
    chains: Api<ExecutorChain>,
    receiver: SocketAddr,
    /// The operator's way to Cloud Tasks.
    pub lists: ListProxy,
    _emulator: Emulator,
}

impl Testbed {
    /// One with an operator and without a chain.
    pub async fn new(server: &ApiServer, seed: u64, base: &Manifest) -> anyhow::Result<Self> {
        let namespace = server.namespace("edits").await;
        let client = server.client().await;
        let tracker = Arc::new(Tracker::new(move |task| script(task, seed)));
        let notified = Arc::clone(&tracker);
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let receiver = oracle::receive(any_port, PREFIX, move |it| {
            notified.notified(it.task, it.succeeded);
            200
        });
        let receiver = receiver.await?;
        let node = Node::start(node::Settings {
            client: client.clone(),
            namespace: namespace.clone(),
            worker: binary("executor-worker"),
            handler: handler::start(Arc::clone(&tracker)).await?,
        })
        .await?;
        let emulator = Emulator::start_behind(node.proxy()).await;
        let cloud = emulator.cloud_tasks().await;
        let lists = ListProxy::start(emulator.addr()).await;
        let first = base.queues().swap_remove(0);
        Ok(Self {
            operator: Operator::start(server.kubeconfig(), &namespace, lists.addr()).await?,
            node,
            producer: Producer::new(cloud.clone(), Arc::clone(&tracker), first),
            tracker,
            cloud,
            chains: Api::namespaced(client, &namespace),
            receiver,
            lists,
            _emulator: emulator,
        })
    }

    /// Applies a manifest, as a person does.
    pub async fn apply(&self, manifest: &Manifest) -> anyhow::Result<()> {
        let chain: serde_json::Value = serde_saphyr::from_str(&manifest.yaml(self.receiver))?;
        let parameters = PatchParams::apply("a-person").force();
        self.chains
            .patch(CHAIN, &parameters, &Patch::Apply(&chain))
            .await
            .context("applying the manifest")?;
        self.producer.learn(&manifest.queues());
        Ok(())
    }

    /// Deletes the chain.
    pub async fn delete(&self, parameters: DeleteParams) -> anyhow::Result<()> {
        let deleted = self.chains.delete(CHAIN, &parameters).await;
        deleted.map(drop).context("deleting the chain")
    }

    /// Whether the chain is gone.
    pub async fn is_gone(&self) -> anyhow::Result<bool> {
        Ok(self.chains.get_opt(CHAIN).await?.is_none())
    }

    /// Nothing, if the chain is ready as it was applied last; else what it says.
    pub async fn not_ready(&self) -> anyhow::Result<Option<String>> {
        let chain = self.chains.get(CHAIN).await?;
        let status = chain.status.unwrap_or_default();
        if status.observed_generation != chain.metadata.generation {
            return Ok(Some("the operator hasn't seen the edit".to_owned()));
        }
        let find = |kind| status.conditions.iter().find(move |it| it.type_ == kind);
        let is_true = |kind| find(kind).is_some_and(|it| it.status == "True");
        if is_true("Draining") {
            return Ok(find("Draining").map(|it| it.message.clone()));
        }
        if is_true("Ready") {
            return Ok(None);
        }
        let said = find("Ready").map(|it| format!("{}: {}", it.reason, it.message));
        Ok(Some(said.unwrap_or_else(|| "no status".to_owned())))
    }

    /// The tasks in each queue that has some.
    pub async fn waiting(&self) -> anyhow::Result<Vec<(String, usize)>> {
        let mut waiting = Vec::new();
        for found in self.cloud.list_queues(&queue("any").parent).await? {
            let tasks = self.cloud.list_tasks(&found.path, MANY).await?.len();
            if tasks > 0 {
                waiting.push((found.path.id.to_string(), tasks));
            }
        }
        Ok(waiting)
    }
}

/// Half of the tasks fail.
fn script(task: usize, seed: u64) -> Script {
    match (task as u64).wrapping_add(seed) % 4 {
        0 => Script::Succeeds,
        1 => Script::FailsOnce,
        _ => Script::Fails,
    }
}
