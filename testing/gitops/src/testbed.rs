//! Where it happens: a real API server, the operator, the emulator, and pods that are said to be ready.

use std::time::Duration;

use anyhow::{Context, ensure};
use cloudtasks::CloudTasks;
use crds::{ChainOverride, ChainOverrideSpec, ExecutorChain};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, Process, fake_pods, free_addr, operator};
use tokio::task::JoinHandle;

use crate::appliers::Tool;
use crate::watch::Watch;

/// As `kubectl chain` writes.
const FIELD_MANAGER: &str = "executor-chain-cli";
/// Between two reports of pods.
const PAUSE: Duration = Duration::from_millis(200);

/// Where it happens.
pub struct Testbed {
    /// The API server.
    pub server: &'static ApiServer,
    /// A client of it.
    pub client: Client,
    /// The chains' namespace.
    pub namespace: String,
    cloud: CloudTasks,
    operator: Process,
    pods: JoinHandle<()>,
    _emulator: Emulator,
}

impl Drop for Testbed {
    fn drop(&mut self) {
        self.pods.abort();
    }
}

impl Testbed {
    /// One without chains.
    pub async fn new(server: &'static ApiServer) -> Self {
        let namespace = server.namespace("gitops").await;
        let client = server.client().await;
        let emulator = Emulator::start().await;
        let at = emulator.addr().to_string();
        let mut command = operator::command(server.kubeconfig(), &namespace, &at);
        command
            .args(["--leader-election=false", "--admin-addr"])
            .arg(free_addr().to_string());
        let deployments = Api::namespaced(client.clone(), &namespace);
        let pods = tokio::spawn(async move {
            loop {
                // One that has changed meanwhile is reported the next time.
                let _ = fake_pods::report_all_ready(&deployments).await;
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self {
            server,
            client,
            namespace,
            cloud: emulator.cloud_tasks().await,
            operator: Process::spawn(&command),
            pods,
            _emulator: emulator,
        }
    }

    /// The queue of a stage.
    pub fn watch(&self, tool: Tool, stage: &str) -> anyhow::Result<Watch> {
        let chain = tool.chain();
        let path = format!("projects/demo/locations/europe-west1/queues/{chain}-{stage}");
        Ok(Watch {
            cloud: self.cloud.clone(),
            queue: path.parse()?,
        })
    }

    /// Creates an override, as `kubectl chain` does.
    pub async fn create(&self, name: &str, spec: &Value) -> anyhow::Result<ChainOverride> {
        let spec: ChainOverrideSpec = serde_json::from_value(spec.clone())?;
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let created = ChainOverride::new(name, spec);
        let created = self.overrides().create(&parameters, &created).await;
        created.context("creating an override")
    }

    /// Ends an override before its time, as `kubectl chain undo` does.
    pub async fn undo(&self, name: &str) -> anyhow::Result<()> {
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let ended = Patch::Merge(json!({"spec": {"ended": true}}));
        let ended = self.overrides().patch(name, &parameters, &ended).await;
        ended.map(drop).context("ending an override")
    }

    fn overrides(&self) -> Api<ChainOverride> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A chain as it is now.
    pub async fn chain(&self, tool: Tool) -> anyhow::Result<ExecutorChain> {
        let chains: Api<ExecutorChain> = Api::namespaced(self.client.clone(), &self.namespace);
        Ok(chains.get(tool.chain()).await?)
    }

    /// An annotation of a chain.
    pub async fn annotation(&self, tool: Tool, name: &str) -> anyhow::Result<Option<String>> {
        let chain = self.chain(tool).await?;
        Ok(chain.annotations().get(name).cloned())
    }

    /// A person's command on a chain.
    pub async fn kubectl(&self, verb: &str, tool: Tool, rest: &[&str]) -> anyhow::Result<()> {
        let target = [verb, "-n", &self.namespace, "executorchain", tool.chain()];
        let done = self.server.kubectl(&[&target, rest].concat()).await;
        ensure!(done.ok, "kubectl {verb}: {}", done.stderr);
        Ok(())
    }

    /// The end of the operator's log.
    pub fn log_tail(&self) -> String {
        self.operator.log_tail()
    }
}
