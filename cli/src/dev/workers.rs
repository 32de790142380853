//! The workers of `dev`: a Deployment of a cluster is a worker in this process, configured by the same
//! environment variables.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use execute::Workloads;
use executor_worker::{Config, MetricsSnapshot, RunningWorker, WorkerMetrics, start};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use kube::core::DynamicObject;
use parking_lot::Mutex;
use plan::model::{GatewayResourceKind, ObjectKind, ObjectName};
use plan::objects::names::QUEUE_ANNOTATION;
use plan::objects::ownership::record;
use plan::objects::worker_env::variable;
use plan::{Observed, Problem};
use worker_contract::env;

/// How long workers may take to connect, or to finish at the end.
const TIMEOUT: Duration = Duration::from_secs(3);

/// All workers, by the names of their Deployments.
#[derive(Default)]
pub struct Workers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deployments: BTreeMap<String, Deployment>,
    services: BTreeMap<String, Service>,
    running: BTreeMap<String, StageWorker>,
    /// Replaced workers, which finish their runs.
    leaving: Vec<RunningWorker>,
    /// The addresses of workers that have not started: their queues are created first.
    reserved: BTreeMap<String, SocketAddr>,
}

struct StageWorker {
    queue: String,
    running: RunningWorker,
    /// Counters of all workers that this stage has had.
    stats: Vec<Arc<WorkerMetrics>>,
}

impl Workers {
    /// The observed state.
    pub fn observe(&self, observed: &mut Observed) {
        let state = self.state.lock();
        observed.deployments.clone_from(&state.deployments);
        observed.services.clone_from(&state.services);
        observed.has_finalizer = true;
    }

    /// Where the worker of a Deployment takes pushes, or will.
    pub fn address(&self, deployment: &str) -> std::io::Result<SocketAddr> {
        let mut state = self.state.lock();
        if let Some(worker) = state.running.get(deployment) {
            return Ok(worker.running.addr());
        }
        if let Some(reserved) = state.reserved.get(deployment) {
            return Ok(*reserved);
        }
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        state.reserved.insert(deployment.to_owned(), address);
        Ok(address)
    }

    /// The counters of each stage, by its queue's path.
    pub fn snapshots(&self) -> BTreeMap<String, MetricsSnapshot> {
        let state = self.state.lock();
        let sums = state.running.values().map(|worker| {
            let snapshots = worker.stats.iter().map(|stats| stats.snapshot());
            (worker.queue.clone(), sum(snapshots))
        });
        sums.collect()
    }

    /// The page of metrics of each Deployment's worker, by the Deployment's name. Each worker has a name of
    /// its own.
    pub fn pages(&self) -> BTreeMap<String, (String, String)> {
        let state = self.state.lock();
        let pages = state.running.iter().map(|(deployment, worker)| {
            let name = format!("{deployment}-{}", worker.stats.len());
            let page = worker.running.metrics().prometheus();
            (deployment.clone(), (name, page))
        });
        pages.collect()
    }

    /// Waits until all workers are connected: until then they answer pushes with 503. Limited, since no
    /// task is lost by that.
    pub async fn connected(&self) {
        let is_connected = || {
            self.state
                .lock()
                .running
                .values()
                .all(|it| it.running.is_ready())
        };
        let all = async {
            while !is_connected() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(TIMEOUT, all).await;
    }

    /// Stops replaced workers when their runs have ended, without waiting.
    pub fn release(&self) {
        for worker in std::mem::take(&mut self.state.lock().leaving) {
            tokio::spawn(worker.stop());
        }
    }

    /// Stops all workers, and waits a short time for their runs.
    pub async fn stop(&self) {
        let all: Vec<RunningWorker> = {
            let mut state = self.state.lock();
            let running = std::mem::take(&mut state.running);
            let leaving = std::mem::take(&mut state.leaving);
            running
                .into_values()
                .map(|worker| worker.running)
                .chain(leaving)
                .collect()
        };
        let stops = futures::future::join_all(all.into_iter().map(RunningWorker::stop));
        let _ = tokio::time::timeout(TIMEOUT, stops).await;
    }

    async fn start(&self, deployment: &Deployment) -> Result<(), execute::Error> {
        let name = deployment.name_any();
        let reserved = self.state.lock().reserved.remove(&name);
        let listen = reserved.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let running = start(config(deployment, listen)?)
            .await
            .map_err(|error| Problem::invalid(error.to_string()))?;
        let mut state = self.state.lock();
        let mut counters = vec![running.metrics()];
        if let Some(old) = state.running.remove(&name) {
            counters.extend(old.stats);
            state.leaving.push(old.running);
        }
        let queue = deployment.annotations().get(QUEUE_ANNOTATION).cloned();
        let worker = StageWorker {
            queue: queue.unwrap_or_default(),
            running,
            stats: counters,
        };
        state.running.insert(name.clone(), worker);
        let mut deployment = deployment.clone();
        record(&mut deployment.metadata);
        deployment.status = Some(all_ready(&deployment));
        state.deployments.insert(name, deployment);
        Ok(())
    }
}

/// One worker stands for all pods of a Deployment.
fn all_ready(deployment: &Deployment) -> DeploymentStatus {
    let spec = deployment.spec.as_ref();
    let replicas = Some(spec.and_then(|spec| spec.replicas).unwrap_or(1));
    DeploymentStatus {
        replicas,
        updated_replicas: replicas,
        ready_replicas: replicas,
        ..DeploymentStatus::default()
    }
}

/// The configuration of a pod of the Deployment, with addresses of this machine.
fn config(deployment: &Deployment, listen: SocketAddr) -> Result<Config, execute::Error> {
    let get = |name: &str| match name {
        env::LISTEN_ADDR => Some(listen.to_string()),
        env::ADMIN_ADDR => Some("127.0.0.1:0".to_owned()),
        // No load balancer needs time to notice that a worker stops.
        env::DRAIN_DELAY => Some("0s".to_owned()),
        name => variable(deployment, name),
    };
    Config::from_vars(&get).map_err(|error| Problem::invalid(error.to_string()).into())
}

impl Workloads for Workers {
    type Error = execute::Error;

    async fn add_finalizer(&self) -> Result<(), execute::Error> {
        Ok(())
    }

    async fn remove_finalizer(&self) -> Result<(), execute::Error> {
        Ok(())
    }

    async fn apply_service(&self, service: &Service) -> Result<(), execute::Error> {
        let mut service = service.clone();
        record(&mut service.metadata);
        self.state
            .lock()
            .services
            .insert(service.name_any(), service);
        Ok(())
    }

    async fn apply_deployment(&self, deployment: &Deployment) -> Result<(), execute::Error> {
        self.start(deployment).await
    }

    // On this machine workers have no load balancer.
    async fn apply_gateway_resource(
        &self,
        _kind: GatewayResourceKind,
        _object: &DynamicObject,
    ) -> Result<(), execute::Error> {
        Ok(())
    }

    async fn delete(&self, object: &ObjectName) -> Result<(), execute::Error> {
        let mut state = self.state.lock();
        match object.kind {
            ObjectKind::Deployment => {
                state.deployments.remove(&object.name);
                let stopped = state.running.remove(&object.name);
                state.leaving.extend(stopped.map(|worker| worker.running));
            }
            ObjectKind::Service => drop(state.services.remove(&object.name)),
            ObjectKind::Gateway(_) => {}
        }
        Ok(())
    }

    async fn release(&self, _object: &ObjectName) -> Result<(), execute::Error> {
        Ok(())
    }
}

fn sum(snapshots: impl Iterator<Item = MetricsSnapshot>) -> MetricsSnapshot {
    snapshots.fold(MetricsSnapshot::default(), |total, one| MetricsSnapshot {
        runs_started: total.runs_started + one.runs_started,
        runs_under_way: total.runs_under_way + one.runs_under_way,
        pushes_under_way: total.pushes_under_way + one.pushes_under_way,
        callers_waiting: total.callers_waiting + one.callers_waiting,
        answered: total.answered + one.answered,
        attempts_succeeded: total.attempts_succeeded + one.attempts_succeeded,
        attempts_failed: total.attempts_failed + one.attempts_failed,
        attempts_timed_out: total.attempts_timed_out + one.attempts_timed_out,
        handler_unreachable: total.handler_unreachable + one.handler_unreachable,
        handed_on: total.handed_on + one.handed_on,
        notified_succeeded: total.notified_succeeded + one.notified_succeeded,
        notified_failed: total.notified_failed + one.notified_failed,
        creates_failed: total.creates_failed + one.creates_failed,
    })
}
