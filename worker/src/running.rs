//! Starting and stopping a worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::Response;
use http::HeaderValue;
use http::header::CONNECTION;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use crate::admin::Admin;
use crate::config::Config;
use crate::error::Error;
use crate::identity::{Identity, keep_keys};
use crate::room::Places;
use crate::run::Handler;
use crate::stats::Stats;
use crate::work::Worker;
use crate::{connect, receive};

/// How long connections may take to close once nothing is in work.
const CLOSING: Duration = Duration::from_secs(5);

/// A worker that serves. Dropped without [`Running::stop`] it closes its listeners at once; what
/// is in work goes on while the runtime lives.
#[derive(Debug)]
pub struct Running {
    worker: Arc<Worker>,
    stopping: Arc<AtomicBool>,
    refusing: Arc<AtomicBool>,
    addr: SocketAddr,
    admin_addr: SocketAddr,
    /// All pushes that may be in work at once.
    pushes: u32,
    servers: JoinSet<()>,
    _closed_on_drop: DropGuard,
    close: CancellationToken,
}

/// Starts a worker: binds its addresses, and connects to Cloud Tasks in the background.
pub async fn start(config: Config) -> Result<Running, Error> {
    let listener = bind(config.listen, "LISTEN_ADDR").await?;
    let admin_listener = bind(config.admin, "ADMIN_ADDR").await?;
    let addr = local(&listener, config.listen, "LISTEN_ADDR")?;
    let admin_addr = local(&admin_listener, config.admin, "ADMIN_ADDR")?;

    // More than runs: look-ups and creates go on while the handler has no room.
    let pushes = config.concurrency * 2 + 64;
    let worker = Arc::new(Worker {
        cloud_tasks: OnceLock::new(),
        handler: Handler::new(&config),
        places: Places::new(config.concurrency),
        identity: config.oidc.as_ref().map(Identity::new),
        pushes: Arc::new(Semaphore::new(
            usize::try_from(pushes).unwrap_or(usize::MAX),
        )),
        stats: Arc::new(Stats::new(&config)),
        config,
    });
    let stopping = Arc::new(AtomicBool::new(false));
    let refusing = Arc::new(AtomicBool::new(false));
    let admin = Admin {
        worker: Arc::clone(&worker),
        refusing: Arc::clone(&refusing),
        stopping: Arc::clone(&stopping),
    };
    // Any method and any path: both are the task's.
    let tasks = Router::new()
        .fallback(receive::receive)
        .with_state(Arc::clone(&worker))
        .layer(middleware::map_response_with_state(
            Arc::clone(&stopping),
            ask_to_close,
        ));

    let close = CancellationToken::new();
    let mut servers = JoinSet::new();
    servers.spawn(serve(listener, tasks, close.clone()));
    servers.spawn(serve(admin_listener, admin.router(), close.clone()));
    let connecting = close
        .clone()
        .run_until_cancelled_owned(connect::connect(Arc::clone(&worker)));
    servers.spawn(async move { connecting.await.unwrap_or(()) });
    let fetching = close
        .clone()
        .run_until_cancelled_owned(fetch(Arc::clone(&worker)));
    servers.spawn(async move { fetching.await.unwrap_or(()) });
    info!(stage = %worker.config.policy.stage, %addr, %admin_addr, "serving");
    Ok(Running {
        worker,
        stopping,
        refusing,
        addr,
        admin_addr,
        pushes,
        servers,
        _closed_on_drop: close.clone().drop_guard(),
        close,
    })
}

impl Running {
    /// Where pushes arrive.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where health and metrics are.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Whether the worker has reached Cloud Tasks, can verify tokens, and isn't stopping.
    pub fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed) && self.worker.has_all()
    }

    /// The worker's counters. They outlive it.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.worker.stats)
    }

    /// Stops: accepts for the drain delay, then isn't ready and answers 503 to what comes while it
    /// finishes what is in work, and returns when all of it is done.
    pub async fn stop(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.worker.config.drain_delay).await;
        self.refusing.store(true, Ordering::Relaxed);
        info!(stage = %self.worker.config.policy.stage, "draining");
        // The semaphore is fair: from here on nobody else gets a permit, and all of them are
        // back once nothing is in work.
        let all = self.worker.pushes.acquire_many(self.pushes).await;
        self.close.cancel();
        let closed = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSING, closed).await.is_err() {
            self.servers.shutdown().await;
        }
        drop(all);
    }
}

/// Keeps the keys of the tokens' issuer fresh, where pushes need tokens.
async fn fetch(worker: Arc<Worker>) {
    if let (Some(identity), Some(oidc)) = (&worker.identity, &worker.config.oidc) {
        keep_keys(identity, oidc, &worker.stats).await;
    }
}

/// A worker that stops is left by connections too: one that was kept would bring pushes until the
/// worker ends, whatever a load balancer has learned of it, and the last of them would be turned away.
async fn ask_to_close(State(stopping): State<Arc<AtomicBool>>, mut response: Response) -> Response {
    if stopping.load(Ordering::Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    response
}

async fn bind(address: SocketAddr, variable: &'static str) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen {
        address,
        variable,
        source,
    })
}

fn local(
    listener: &TcpListener,
    address: SocketAddr,
    variable: &'static str,
) -> Result<SocketAddr, Error> {
    listener.local_addr().map_err(|source| Error::Listen {
        address,
        variable,
        source,
    })
}

async fn serve(listener: TcpListener, router: Router, close: CancellationToken) {
    // No time-out on idle connections: Google's load balancers keep them for 600 s and take it
    // ill when the other end closes first.
    let served = axum::serve(listener, router).with_graceful_shutdown(close.cancelled_owned());
    // It retries failed accepts by itself and has no other way to fail.
    let _ = served.await;
}
