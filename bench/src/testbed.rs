//! A place: an API server, an emulator, a namespace, and an operator once that is started.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context;
use cloudtasks::{CloudTasks, Endpoint};
use crds::ExecutorChain;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use testkit::{ApiServer, CRD, Counters, Process, free_addr};

use crate::operator::{Implementation, Operator};

pub struct Testbed {
    server: ApiServer,
    pub client: Client,
    namespace: String,
    pub emulator: SocketAddr,
    /// Its end is the emulator's.
    _emulating: Process,
}

impl Testbed {
    pub async fn new() -> anyhow::Result<Self> {
        // Looked for first: the control plane takes a while.
        program("executor-operator")?;
        let emulator = free_addr();
        let listen = emulator.to_string();
        let mut command = Command::new(program("executor-chain")?);
        command.args(["emulator", "--listen", &listen]);
        let emulating = Process::spawn_unlogged(&command);
        let server = ApiServer::start().await;
        server.install_crd(CRD).await;
        let client = server.client().await;
        Ok(Self {
            namespace: server.namespace("bench").await,
            server,
            client,
            emulator,
            _emulating: emulating,
        })
    }

    pub fn operator(&self, cloud_tasks: SocketAddr) -> anyhow::Result<Operator> {
        self.operator_of(Implementation::Ours, cloud_tasks, &[])
    }

    /// Anybody's, which is told `more` besides.
    pub fn operator_of(
        &self,
        implementation: Implementation,
        cloud_tasks: SocketAddr,
        more: &[&str],
    ) -> anyhow::Result<Operator> {
        let program = program(implementation.program())?;
        let (config, cloud_tasks) = (self.server.kubeconfig(), cloud_tasks.to_string());
        Ok(Operator::start(
            implementation,
            &program,
            config,
            &cloud_tasks,
            more,
        ))
    }

    /// A client for the emulator, with a connection of its own.
    pub async fn cloud_tasks(&self) -> anyhow::Result<CloudTasks> {
        let endpoint = Endpoint::Emulator(self.emulator.to_string());
        Ok(CloudTasks::connect(&endpoint).await?)
    }

    pub fn chains(&self) -> Api<ExecutorChain> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn services(&self) -> Api<Service> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub async fn counters(&self) -> anyhow::Result<Counters> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = self.client.request_text(request).await?;
        Ok(Counters::parse(&text))
    }

    /// Resource version and generation of each Deployment: any write changes the one, a write to
    /// its spec the other too.
    pub async fn written(&self) -> anyhow::Result<Vec<(String, Option<String>, Option<i64>)>> {
        let found = self.deployments().list(&ListParams::default()).await?;
        let versions = found.into_iter().map(|it| {
            let (version, generation) = (it.resource_version(), it.metadata.generation);
            (it.name_any(), version, generation)
        });
        Ok(versions.collect())
    }
}

pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("a program is in a folder")?;
    let path = folder.join(name);
    anyhow::ensure!(
        path.is_file(),
        "{} is missing: run make bench, or bench/run",
        path.display()
    );
    Ok(path)
}
