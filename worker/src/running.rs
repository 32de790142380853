//! Starting and stopping a worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::handler::Handler as _;
use axum::serve::{Listener, ListenerExt};
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
        stopping: AtomicBool::new(false),
        stats: Arc::new(Stats::new(&config)),
        config,
    });
    let refusing = Arc::new(AtomicBool::new(false));
    let admin = Admin {
        worker: Arc::clone(&worker),
        refusing: Arc::clone(&refusing),
    };
    // Any method and any path, so no router: both are the task's.
    let tasks = receive::receive.with_state(Arc::clone(&worker));

    let close = CancellationToken::new();
    let mut servers = JoinSet::new();
    // No time-out on idle connections: Google's load balancers keep them for 600 s and take it
    // ill when the other end closes first.
    let tasks = axum::serve(at_once(listener), tasks.into_make_service())
        .with_graceful_shutdown(close.clone().cancelled_owned());
    let admin = axum::serve(admin_listener, admin.router())
        .with_graceful_shutdown(close.clone().cancelled_owned());
    // They retry failed accepts by themselves and have no other way to fail.
    servers.spawn(async { tasks.await.unwrap_or(()) });
    servers.spawn(async { admin.await.unwrap_or(()) });
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
        !self.worker.stopping.load(Ordering::Relaxed) && self.worker.has_all()
    }

    /// The worker's counters. They outlive it.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.worker.stats)
    }

    /// Stops: accepts for the drain delay, then isn't ready and answers 503 to what comes while it
    /// finishes what is in work, and returns when all of it is done.
    pub async fn stop(mut self) {
        self.worker.stopping.store(true, Ordering::Relaxed);
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

/// Answers leave when they are given, and don't wait for more to be sent along.
fn at_once(listener: TcpListener) -> impl Listener<Addr = SocketAddr> {
    listener.tap_io(|stream| {
        // Without it they are later, and as right.
        let _ = stream.set_nodelay(true);
    })
}
