//! The testbed of one row: a namespace, a node, an emulator, a handler, a client, and a producer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use cloudtasks::{CloudTasks, Queue, QueuePath};
use crds::{ChainOverride, ChainOverrideSpec, DeletionPolicy, ExecutorChain};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::api::{GroupVersionKind, PostParams};
use kube::{Api, Client, ResourceExt};
use node::Node;
use oracle::{Script, Tracker};
use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, ListProxy, binary};

use crate::expected::{Expected, is_parking, wrong_of_deleted};
use crate::handler::{self, PREFIX};
use crate::manifest::{CHAIN, Manifest, queue};
use crate::operator::Operator;
use crate::options::Options;
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
    client: Client,
    namespace: String,
    chains: Api<ExecutorChain>,
    /// As it was applied last.
    chain: ExecutorChain,
    /// Those in force, the oldest first.
    overrides: Vec<(&'static str, ChainOverrideSpec)>,
    /// The queues before the first one.
    before: BTreeMap<QueuePath, Queue>,
    receiver: SocketAddr,
    /// The operator's way to Cloud Tasks.
    pub lists: ListProxy,
    _emulator: Emulator,
}

impl Testbed {
    /// One with an operator and without a chain.
    pub async fn new(
        server: &ApiServer,
        options: Options,
        base: &Manifest,
    ) -> anyhow::Result<Self> {
        let seed = options.seed;
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
        // Workers have the operator's address of Cloud Tasks, and fetch the keys of tokens there: the proxy
        // has none.
        let cloud_tasks = if options.faulty_lists > 0 {
            lists.addr()
        } else {
            emulator.addr()
        };
        let first = base.queues().swap_remove(0);
        Ok(Self {
            operator: Operator::start(server.kubeconfig(), &namespace, cloud_tasks).await?,
            node,
            producer: Producer::new(cloud.clone(), Arc::clone(&tracker), first),
            tracker,
            cloud,
            chains: Api::namespaced(client.clone(), &namespace),
            client,
            namespace,
            chain: base.chain(receiver)?,
            overrides: Vec::new(),
            before: BTreeMap::new(),
            receiver,
            lists,
            _emulator: emulator,
        })
    }

    /// Applies a manifest, as a person does.
    pub async fn apply(&mut self, manifest: &Manifest) -> anyhow::Result<()> {
        let chain: Value = serde_saphyr::from_str(&manifest.yaml(self.receiver))?;
        let parameters = PatchParams::apply("a-person").force();
        self.chains
            .patch(CHAIN, &parameters, &Patch::Apply(&chain))
            .await
            .context("applying the manifest")?;
        self.producer.learn(&manifest.queues());
        self.chain = self.chain(manifest)?;
        Ok(())
    }

    /// The chain of a manifest.
    pub fn chain(&self, manifest: &Manifest) -> anyhow::Result<ExecutorChain> {
        manifest.chain(self.receiver)
    }

    /// Where the chain is.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// An override of the chain with these fields.
    pub fn spec(fields: &Value) -> anyhow::Result<ChainOverrideSpec> {
        let mut spec = fields.clone();
        spec["chain"] = json!(CHAIN);
        spec["for"] = json!("1h");
        spec["reason"] = json!("INC-42");
        Ok(serde_json::from_value(spec)?)
    }

    /// Creates an override, as `kubectl chain` does.
    pub async fn create(&mut self, name: &'static str, fields: &Value) -> anyhow::Result<()> {
        if self.overrides.is_empty() {
            let queues = self.queues().await?.into_iter();
            self.before = queues.map(|it| (it.path.clone(), it)).collect();
        }
        let spec = Self::spec(fields)?;
        let created = ChainOverride::new(name, spec.clone());
        let created = self.api().create(&PostParams::default(), &created).await;
        created.context("creating an override")?;
        self.overrides.push((name, spec));
        Ok(())
    }

    /// Ends it.
    pub async fn undo(&mut self, name: &str) -> anyhow::Result<()> {
        let ended = Patch::Merge(json!({"spec": {"ended": true}}));
        let (api, parameters) = (self.api(), PatchParams::default());
        let patched = api.patch(name, &parameters, &ended).await;
        patched.context("ending an override")?;
        self.overrides.retain(|(other, _)| *other != name);
        Ok(())
    }

    /// The first override whose status isn't that of one in force, or of one that is over.
    async fn not_reported(&self) -> anyhow::Result<Option<String>> {
        let found = self.api().list(&ListParams::default()).await?;
        let unsettled = found.into_iter().find_map(|it| {
            let status = it.status.clone().unwrap_or_default();
            let said = status.conditions.first().cloned();
            let is_settled = said.as_ref().is_some_and(|said| {
                let is_in_force = ["Applied", "Superseded"].contains(&said.reason.as_str());
                if it.spec.ended {
                    said.status == "False" && !is_in_force
                } else {
                    is_in_force
                }
            });
            (!is_settled).then(|| format!("override {}: {said:?}", it.name_any()))
        });
        Ok(unsettled)
    }

    fn api(&self) -> Api<ChainOverride> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Changes the chain so that it can't be parsed, which the CRD must let pass first.
    pub async fn garble(&self) -> anyhow::Result<()> {
        let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
        let crds: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind));
        let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/drainDelay";
        let lax = json!([{"op": "replace", "path": path, "value": {"type": "string"}}]);
        let lax = Patch::Json::<()>(serde_json::from_value(lax)?);
        let parameters = PatchParams::default();
        crds.patch("executorchains.executor-chain.dev", &parameters, &lax)
            .await
            .context("relaxing the CRD")?;
        let garbled = Patch::Merge(json!({"spec": {"drainDelay": "a while"}}));
        let mut tries = 0;
        while let Err(error) = self.untyped().patch(CHAIN, &parameters, &garbled).await {
            tries += 1;
            anyhow::ensure!(tries < 300, "the CRD stays as it was: {error}");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// What the chain says, as long as the operator hasn't said that it can't be parsed.
    pub async fn not_garbled(&self) -> anyhow::Result<Option<String>> {
        let chain = self.untyped().get(CHAIN).await?;
        let conditions = &chain.data["status"]["conditions"];
        let said = conditions.to_string();
        Ok((!said.contains("can't be parsed")).then_some(said))
    }

    fn untyped(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<ExecutorChain>(&());
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Deletes the chain's Deployments and Services.
    pub async fn delete_workers(&self) -> anyhow::Result<()> {
        let (parameters, all) = (DeleteParams::default(), ListParams::default());
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        deployments.delete_collection(&parameters, &all).await?;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.namespace);
        services.delete_collection(&parameters, &all).await?;
        Ok(())
    }

    /// What isn't as it must be of the queues, the overrides and the pods of a chain that is settled, or of
    /// one that is gone.
    pub async fn wrong(&self) -> anyhow::Result<Vec<String>> {
        let queues = self.queues().await?;
        if self.is_gone().await? {
            let keeps = [DeletionPolicy::Retain, DeletionPolicy::Drain];
            return Ok(if keeps.contains(&self.chain.spec.deletion_policy) {
                wrong_of_deleted(&queues)
            } else {
                Vec::new()
            });
        }
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let deployments = deployments.list(&ListParams::default()).await?;
        let replicas = deployments.into_iter().filter_map(|it| {
            let name = it.name_any();
            let stage = name.strip_prefix(&format!("{CHAIN}-"))?.to_owned();
            Some((stage, it.spec?.replicas?))
        });
        let expected = Expected {
            chain: &self.chain,
            overrides: &self.overrides,
            before: &self.before,
        };
        Ok(expected.wrong(&queues, &replicas.collect()))
    }

    async fn queues(&self) -> anyhow::Result<Vec<Queue>> {
        Ok(self.cloud.list_queues(&queue("any").parent).await?)
    }

    /// Deletes the chain.
    pub async fn delete(&self, parameters: DeleteParams) -> anyhow::Result<()> {
        // Of one that can't be parsed too.
        let deleted = self.untyped().delete(CHAIN, &parameters).await;
        deleted.map(drop).context("deleting the chain")
    }

    /// Whether the chain is gone.
    pub async fn is_gone(&self) -> anyhow::Result<bool> {
        Ok(self.chains.get_metadata_opt(CHAIN).await?.is_none())
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
            return self.not_reported().await;
        }
        let said = find("Ready").map(|it| format!("{}: {}", it.reason, it.message));
        Ok(Some(said.unwrap_or_else(|| "no status".to_owned())))
    }

    /// The tasks in each queue that has some. What is parked has ended.
    pub async fn waiting(&self) -> anyhow::Result<Vec<(String, usize)>> {
        let mut waiting = Vec::new();
        let queues = self.cloud.list_queues(&queue("any").parent).await?;
        for found in queues.iter().filter(|found| !is_parking(found)) {
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
