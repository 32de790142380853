//! Starting and stopping a worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;
use worker_contract::{env, limits};

use super::admin::Admin;
use super::connect::connect;
use super::handler_check::check_handler;
use super::listen::listen;
use super::serve::serve;
use super::start_error::StartError;
use crate::config::Config;
use crate::handler::HandlerClient;
use crate::identity::{PushVerifier, refresh_keys};
use crate::pipeline::receive;
use crate::state::{ConcurrencyLimit, Health, Worker};
use crate::telemetry::WorkerMetrics;

/// Connections for pushes besides those with a push in flight: idle ones of load balancers, and strangers'.
const IDLE_CONNECTIONS: usize = 512;
/// Connections for health and metrics.
pub(crate) const ADMIN_CONNECTIONS: usize = 64;
/// How long connections may take to close when no push is in flight.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A running worker. If it is dropped without [`RunningWorker::stop`], it closes its listeners at once;
/// pushes in flight continue while the runtime lives.
#[derive(Debug)]
pub struct RunningWorker {
    worker: Arc<Worker>,
    refusing: Arc<AtomicBool>,
    addr: SocketAddr,
    admin_addr: SocketAddr,
    /// The limit of pushes in flight.
    max_pushes: u32,
    servers: JoinSet<()>,
    _closed_on_drop: DropGuard,
    close: CancellationToken,
}

/// Starts a worker: listens on its addresses, and connects to Cloud Tasks in the background.
pub async fn start(config: Config) -> Result<RunningWorker, StartError> {
    let (listener, addr) = listen(&config.listen, env::LISTEN_ADDR).await?;
    let (admin_listener, admin_addr) = listen(&config.admin, env::ADMIN_ADDR).await?;

    // More than runs: lookups and creates need no run slot.
    let max_pushes = config.concurrency * 2 + 64;
    let push_permits = usize::try_from(max_pushes).unwrap_or(usize::MAX);
    let worker = Arc::new(Worker {
        cloud_tasks: OnceLock::new(),
        handler: HandlerClient::new(&config.handler, &config.policy),
        concurrency: ConcurrencyLimit::new(config.concurrency),
        health: Health::new(&config.policy, config.concurrency),
        verifier: config.oidc.as_ref().map(PushVerifier::new),
        push_permits: Arc::new(Semaphore::new(push_permits)),
        handler_listens: watch::Sender::new(false),
        stopping: AtomicBool::new(false),
        metrics: Arc::new(WorkerMetrics::new(
            &config.policy.chain,
            config.policy.stage.as_str(),
            config.concurrency,
        )),
        queue: config.policy.queue.to_string(),
        config,
    });
    let refusing = Arc::new(AtomicBool::new(false));
    let admin = Admin {
        worker: Arc::clone(&worker),
        refusing: Arc::clone(&refusing),
    };
    // No router: method and path are the task's, so any of them may come.
    let receiver = Arc::clone(&worker);
    let pushes = service_fn(move |request| receive(Arc::clone(&receiver), request).map(Ok));

    let close = CancellationToken::new();
    let mut servers = JoinSet::new();
    servers.spawn(serve(
        listener,
        pushes,
        push_permits.saturating_add(IDLE_CONNECTIONS),
        limits::READ_PUSH,
        close.clone(),
    ));
    servers.spawn(serve(
        admin_listener,
        TowerToHyperService::new(admin.router()),
        ADMIN_CONNECTIONS,
        limits::READ_PUSH,
        close.clone(),
    ));
    let connecting = close
        .clone()
        .run_until_cancelled_owned(connect(Arc::clone(&worker)));
    servers.spawn(async move { connecting.await.unwrap_or(()) });
    let checking = close
        .clone()
        .run_until_cancelled_owned(check_handler(Arc::clone(&worker)));
    servers.spawn(async move { checking.await.unwrap_or(()) });
    let fetching = close
        .clone()
        .run_until_cancelled_owned(fetch_keys(Arc::clone(&worker)));
    servers.spawn(async move { fetching.await.unwrap_or(()) });
    info!(stage = %worker.config.policy.stage, %addr, %admin_addr, "serving");
    Ok(RunningWorker {
        worker,
        refusing,
        addr,
        admin_addr,
        max_pushes,
        servers,
        _closed_on_drop: close.clone().drop_guard(),
        close,
    })
}

impl RunningWorker {
    /// The address for pushes.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address for health and metrics.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Whether the worker is connected to Cloud Tasks, can verify tokens, and isn't stopping. `/readyz` also
    /// demands that the handler takes connections.
    pub fn is_ready(&self) -> bool {
        !self.worker.stopping.load(Ordering::Relaxed) && self.worker.can_serve()
    }

    /// The worker's metrics. They outlive it.
    pub fn metrics(&self) -> Arc<WorkerMetrics> {
        Arc::clone(&self.worker.metrics)
    }

    /// Stops the worker. It accepts pushes for the drain delay. Then it is not ready and answers 503, and
    /// returns when the pushes in flight are done.
    pub async fn stop(mut self) {
        self.worker.stopping.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.worker.config.drain_delay).await;
        self.refusing.store(true, Ordering::Relaxed);
        info!(stage = %self.worker.config.policy.stage, "draining");
        // The semaphore is fair: from here on no push gets a permit, and this returns when all permits are
        // back.
        let all = self.worker.push_permits.acquire_many(self.max_pushes).await;
        self.close.cancel();
        let closed = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            self.servers.shutdown().await;
        }
        drop(all);
    }
}

/// Refreshes the issuer's keys, if pushes need tokens.
async fn fetch_keys(worker: Arc<Worker>) {
    if let (Some(verifier), Some(oidc)) = (&worker.verifier, &worker.config.oidc) {
        refresh_keys(verifier, oidc, &worker.metrics).await;
    }
}
